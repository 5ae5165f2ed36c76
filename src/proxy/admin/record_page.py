"""The page `/records`: exchanges that have ended, of one worker or of several, newest last.

Where to go on is a text, `after`: the sequence of the last record that was looked at, of each worker. Whoever follows
asks with it again and again, and sees each record once; a worker that has begun meanwhile is told from its beginning.
Rows go through msgpack, from the workers to whoever merges them.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

ROWS: Final = 100
ROWS_MAX: Final = 1_000
RINGS: Final = ("recent", "notable")


class RecordsWanted(msgspec.Struct, frozen=True):
    """Which records are wanted. What is empty or 0 is not asked.

    id: a request, correlation or trace id, in whatever ring; then the others are not heeded. ring: one of RINGS;
    after: a `RecordPage.next`, empty for the newest; route: how its template or the target's path begins; status: such
    as 503 or 5xx; reason: its code; slower_us: what took at least as long.
    """

    id: str = ""
    ring: str = "recent"
    after: str = ""
    limit: int = ROWS
    method: str = ""
    route: str = ""
    service: str = ""
    instance: str = ""
    tenant: str = ""
    status: str = ""
    reason: str = ""
    slower_us: int = 0


class AttemptRow(msgspec.Struct, frozen=True):
    """One attempt at a service. outcome: a status, or in a word; began_us: after the request's first byte."""

    number: int
    service: str
    instance: str
    outcome: str
    began_us: int
    took_us: int
    is_hedge: bool = False


class RecordRow(msgspec.Struct, frozen=True):
    """One exchange. Times are microseconds after its first byte; -1: it did not come to that.

    status: 0 where the client got none; reason: why the gateway answered itself, empty where a service did; route:
    method and template, empty where none was found; target: without its query; gateway_us: what no attempt took;
    attempts: the first three and the last of attempt_count.
    """

    worker: str
    sequence: int
    at: float  # seconds since 1970
    request_id: str
    correlation_id: str
    trace_id: str
    method: str
    target: str
    route: str
    service: str
    status: int
    reason: str
    took_us: int
    sent_us: int
    answered_us: int
    gateway_us: int
    bytes_in: int
    bytes_out: int
    tenant: str
    principal: str
    client: str
    flags: list[str]  # tls, streamed, client_gone, cut, sampled
    attempt_count: int
    attempts: list[AttemptRow]


class RecordPage(msgspec.Struct, frozen=True):
    """Records, the oldest first. next: the `after` of the next question; lost: how many were overwritten unread;
    has_more: there is more to be read at once.
    """

    records: list[RecordRow]
    next: str
    lost: int = 0
    has_more: bool = False


def merged_records(pages: Iterable[RecordPage], after: str = "") -> RecordPage:
    """Return one page of all workers, from one of each. It may have more rows than were wanted of each.

    after: what was asked; a worker that has not answered this time goes on there.
    """
    given = list(pages)
    rows = sorted((row for page in given for row in page.records), key=lambda row: (row.at, row.worker, row.sequence))
    places = places_of(after)
    for page in given:
        places |= places_of(page.next)
    return RecordPage(
        rows,
        after_of(places),
        sum(page.lost for page in given),
        any(page.has_more for page in given),
    )


def places_of(after: str) -> dict[str, int]:
    """Return the sequence that each worker was read up to.

    Raises:
        ValueError: the text is none that `after_of` has made.
    """
    places = {}
    for part in after.split(",") if after else ():
        worker, separator, sequence = part.partition(":")
        if not separator or not (sequence.isascii() and sequence.isdigit()) or len(sequence) > 20 or len(worker) > 32:
            raise ValueError(part)
        places[worker] = int(sequence)
    return places


def after_of(places: Mapping[str, int]) -> str:
    """Return the text for `after`."""
    return ",".join(f"{worker}:{sequence}" for worker, sequence in sorted(places.items()))
