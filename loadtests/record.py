"""A run's record: everything that was seen of it, as one JSON document, before anybody judges it.

The runner writes it; the verdict and the report read it, and nothing else. Rules of this file:

1. Every moment (`at_s`, `begin_s`, `end_s`) is in seconds from the start of the run by a clock that never jumps; the
   run begins with its first phase. `started_unix_s` says when that was.
2. A name that ends in `_total` is a count since the start of whatever counts it, so two samples tell what was in
   between. What has no such name is of its interval alone, or a level at that moment.
3. What could not be seen is None, and never 0.
4. Times are in microseconds, counted by `proxy.loading.histogram`, to 0.1 %.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

from proxy.loading.histogram import Histogram

FORMAT: Final = 1
"""Rises when an older reader would misread the document."""

Counts = dict[str, int]

PhaseKind = Literal["warm_up", "load", "quiet"]
"""warm_up: not judged; load: judged; quiet: no requests are sent, so that all comes to rest."""

Ended = Literal["complete", "interrupted", "target_lost", "not_started", "failed"]
"""How a run has ended: as planned; by Ctrl-C or SIGTERM; since the gateway could not be reached any more; before its
first request; or since a part of the load test itself has failed."""

Role = Literal["supervisor", "worker", "service", "generator", "runner"]


class RecordError(Exception):
    """A document is no record. Its text is one line: what, where, the fix."""


class Times(msgspec.Struct, frozen=True):
    """How long requests took: a histogram as plain values."""

    count: int = 0
    sum_us: int = 0
    min_us: int = 0
    max_us: int = 0
    buckets: list[tuple[int, int]] = []
    """The greatest value of each bucket that holds something, and how many it holds, upwards."""

    @classmethod
    def of(cls, histogram: Histogram) -> Self:
        """Return what a histogram has counted."""
        return msgspec.convert(histogram.to_plain(), cls)

    def histogram(self) -> Histogram:
        """Return it as a histogram, which can be merged and asked for percentiles."""
        return Histogram.from_plain(msgspec.to_builtins(self))


def merged_times(several: Iterable[Times]) -> Histogram:
    """Return all of them as one histogram."""
    whole = Histogram()
    for each in several:
        whole.merge(each.histogram())
    return whole


# ---- what was meant ----


class Phase(msgspec.Struct, frozen=True):
    """A part of the run, as it was: one that was cut short ends where it was cut."""

    name: str
    kind: PhaseKind
    begin_s: float
    end_s: float


class Facts(msgspec.Struct, frozen=True):
    """What was run, where, and how it was meant."""

    name: str
    """Of the run: that of its plan."""
    started_unix_s: float
    planned_s: float
    shape: str
    loop: Literal["open", "closed"]
    """open: requests are sent when they are due, whatever came of those before, and their times count from that
    moment; closed: each user waits for an answer before it sends the next."""
    users: list[str]
    """The locustfiles, or the engine, by name."""
    interval_s: float
    """How long an interval of `Record.intervals` is; samples are taken as often."""
    command: list[str]
    version: str
    """Of the gateway."""
    revision: str
    """Of the source; empty where it is not known."""
    workers: int
    """Worker processes that the gateway was to have; 0: one process without a supervisor."""
    machine: dict[str, str]
    """Processor, cores, kernel, Python, and the like."""


# ---- what the clients saw ----


class RequestCounts(msgspec.Struct, kw_only=True):
    """What became of the requests of one name, for the clients that sent them.

    sent = answered + failed + unfinished, and answered is the sum of `statuses`.
    """

    user: str
    """The kind of user: http_edge, framed, streaming, websocket, misbehaving."""
    name: str
    sent: int = 0
    statuses: Counts = {}
    """Whole answers by status, as text: "200"."""
    reasons: Counts = {}
    """Of these, those that the gateway gave, by x-penstock-reason; over frames, by the same words in the answer."""
    failures: Counts = {}
    """Requests without a whole answer, or with a wrong one, by what went wrong."""
    expected_failures: Counts = {}
    """Of these, those that the user brought about itself: it went away on purpose."""
    unfinished: int = 0
    """Requests that had no answer yet when the run was cut short."""
    counted_at_gateway: bool = True
    """Its answers are among the gateway's to clients: false for calls over frames and messages of a WebSocket."""
    times: Times = Times()
    """Of whole answers. In an open loop from when the request was due, else from when it was sent."""
    time_of_service: Times | None = None
    """In an open loop: from when it was sent; what a closed loop would have told."""


class Interval(msgspec.Struct, kw_only=True):
    """What the clients saw in one interval; a request belongs to where it has ended."""

    begin_s: float
    length_s: float
    users: int = 0
    """How many there were at its end; in an open loop, connections."""
    sent: int = 0
    answered: int = 0
    failed: int = 0
    """Requests that count as errors: no whole answer, a wrong one, or a status that nobody expected."""
    statuses: Counts = {}
    reasons: Counts = {}
    times: Times = Times()
    """Of whole answers; where others are there, without users whose requests take as long as they are told to
    (`client.tally.SLOW_USERS`)."""
    late: Times | None = None
    """In an open loop, how late the generator sent: its own delay."""


class Notable(msgspec.Struct, kw_only=True, frozen=True):
    """A request that was slow or failed. `penstock trace CORRELATION_ID` tells what became of it in the gateway."""

    at_s: float
    """When it ended."""
    user: str
    name: str
    correlation_id: str
    took_us: int
    status: int = 0
    reason: str = ""
    failure: str = ""
    """What went wrong; empty for one that was only slow."""


# ---- what was seen of the system ----


class ProcessSample(msgspec.Struct, kw_only=True, frozen=True):
    """One process at one moment, as /proc tells (proc(5))."""

    name: str
    """Who it is for the whole run, whatever its pid: supervisor, worker-0, orders-1, generator."""
    role: Role
    pid: int
    rss_bytes: int
    descriptors: int | None
    threads: int
    cpu_s_total: float
    """User and system time, of its threads, and of children that it has waited for."""


class WorkerSample(msgspec.Struct, kw_only=True, frozen=True):
    """One row of the admin page /workers."""

    id: str
    """slot.generation, as "0.1"."""
    pid: int
    state: str


class GatewaySample(msgspec.Struct, kw_only=True, frozen=True):
    """The gateway at one moment, from /metrics: of all workers together."""

    tasks: int | None = None
    exchanges: int = 0
    """Exchanges that have no answer yet."""
    streams: int = 0
    handovers: int = 0
    clients: int = 0
    """Client connections that are open."""
    services: int = 0
    """Connections of services that are open."""
    pool_waiting: int = 0
    held_bytes: int = 0
    """Bytes that are held for bodies."""
    buffers: int = 0
    kept_requests: int = 0
    """Copies of requests that are kept, to be sent again."""
    calls: int = 0
    """Calls of services to services that are under way."""
    requests_total: int = 0
    """Whole requests that came from clients."""
    answers_total: int = 0
    """Answers given to clients, by services or by the gateway."""
    service_answers_total: int = 0
    clients_gone_total: int = 0
    bad_requests_total: int = 0
    refusals_total: Counts = {}
    """Exchanges that were not simply answered by a service, by reason (docs/reasons.md)."""
    answered_by_services_total: Counts = {}
    """Responses of services by the class of their status: "2xx"."""
    calls_total: int = 0
    """Calls of services that were answered, by services or by the gateway."""
    dropped_lines_total: int = 0
    """Lines of the log that could not be written."""
    workers: list[WorkerSample] = []
    is_ready: bool = False


class MachineSample(msgspec.Struct, kw_only=True, frozen=True):
    """The machine at one moment, all cores that the run may use together, in seconds (proc(5), /proc/stat)."""

    busy_s_total: float
    steal_s_total: float
    """Time that the hypervisor has given to others."""
    total_s_total: float
    """Of these cores, idle time included."""
    available_bytes: int
    spin_us: int
    """A core's time for a fixed piece of work, that should always be the same: the noise that no counter tells."""


class Sample(msgspec.Struct, kw_only=True, frozen=True):
    """Everything that was measured beside the traffic at one moment."""

    at_s: float
    processes: list[ProcessSample]
    gateway: GatewaySample | None
    """None where the admin listener did not answer."""
    machine: MachineSample


# ---- what was done, and said ----


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """Something that the nemesis did."""

    begin_s: float
    end_s: float
    """When it was done: for a stop, when what was stopped went on."""
    kind: str
    """kill, stop, slow, restart, reload, rotate, cut."""
    target: str
    """What it was done to: the name of a process, or gateway."""
    outcome: str
    """In words: done, or why not."""
    is_done: bool
    settles_s: float = 0.0
    """For so long after its end, the plan expects that requests may fail, and may take longer."""
    allowed_reasons: list[str] = []
    """Reasons and failures that the plan expects of it."""
    replaces_workers: list[int] = []
    """Slots whose worker it replaces: their ids may differ afterwards."""


class LogLine(msgspec.Struct, kw_only=True, frozen=True):
    """A line of the gateway's or a service's log, at WARNING or above."""

    at_s: float
    process: str
    level: str
    logger: str
    message: str
    text: str
    """The whole line."""


class Record(msgspec.Struct, kw_only=True):
    """A whole run, or what there was of it."""

    facts: Facts
    format: int = FORMAT
    ended: Ended = "not_started"
    why: str = ""
    """Why it has not ended as planned, with the fix; empty where it has."""
    duration_s: float = 0.0
    phases: list[Phase] = []
    intervals: list[Interval] = []
    requests: list[RequestCounts] = []
    notable: list[Notable] = []
    """The first of each kind and the slowest; bounded."""
    samples: list[Sample] = []
    events: list[Event] = []
    log: list[LogLine] = []
    log_lines_left_out: int = 0
    """Lines that were as bad, and found no room."""


def encode(record: Record) -> bytes:
    """Return the record as JSON."""
    return msgspec.json.encode(record)


def decode(document: bytes, source: str = "the record") -> Record:
    """Return the record that a document holds. source: what it is called. Raises `RecordError`."""
    try:
        found = msgspec.json.decode(document, type=Record)
    except msgspec.DecodeError as error:  # a ValidationError is one, too
        raise RecordError(f"{source} is no record of a run: {error}; give the record.json of a finished run") from error
    if found.format > FORMAT:
        raise RecordError(f"{source} is of format {found.format}, and this is {FORMAT}: read it with a newer checkout")
    return found


def read(path: Path) -> Record:
    """Return the record in a file. Raises `RecordError`."""
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}; give the record.json of a finished run") from error
