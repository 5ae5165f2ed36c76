"""What is asked of a run, as data. A file need only name what it wants otherwise; `docs` of each field are its rules.

What may be null is not judged where it is.
"""

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from loadtests.yaml_file import read_yaml

AT_REST: Final = ("exchanges", "streams", "handovers", "pool_waiting", "held_bytes", "kept_requests", "calls")
"""Of `record.GatewaySample`, what is gone where nothing is asked."""


class ThresholdsError(Exception):
    """A file of thresholds cannot be used. Its text is one line: what, where, the fix."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Proof(_Part, frozen=True, kw_only=True):
    """What a run must be like, so that it proves anything."""

    load_s_min: float = 300.0
    """Of load after the warm-up."""
    requests_min: int = 100_000
    """Within that time."""
    samples_min: int = 60
    disturbed_part_max: float = 0.5
    """Of the load, in which the nemesis is at work: the rest is what latency is judged by."""
    generator_cores_max: float = 0.85
    """Processor time that one process of the generator takes, in cores; above, it may have been what was slow."""
    late_us_max: int = 1_000
    """In an open loop, how late the 99th of 100 requests may be sent by the generator's own delay..."""
    late_part_max: float = 0.1
    """...if that is such a part of the latency, too."""
    machine_busy_max: float = 0.97
    """Of all cores, load test included."""
    others_cores_max: float = 0.2
    """Processor time of programs that do not belong to the run, in any fifth of it."""
    steal_part_max: float = 0.02
    """Time that the hypervisor gave to others, of all."""
    spin_over_median_max: float = 1.5
    """How much longer than its median a fixed piece of work may take, in the 90th of 100 samples."""


class Errors(_Part, frozen=True, kw_only=True):
    """Requests without a whole and expected answer."""

    per_million_max: float = 0.0
    """While the nemesis leaves things alone."""
    disturbed_percent_max: float = 5.0
    """Within what the nemesis does, and for as long as that is given to settle."""


class Latency(_Part, frozen=True, kw_only=True):
    """Of whole answers, while the nemesis leaves things alone."""

    at_most_us: dict[str, float] = {}
    """By percentile, as text: "99"."""
    baseline_ratio_max: dict[str, float] = msgspec.field(
        default_factory=lambda: {"50": 1.3, "95": 1.4, "99": 1.5, "99.9": 2.0}
    )
    """By percentile, against an earlier run of the same kind on the same machine."""
    ignored_us: float = 300.0
    """A difference from the baseline that is never too much."""
    drift_percent_max: float | None = 8.0
    """How much higher the 99th percentile of the last fifth may be than that of the first; null where the load is meant
    to change."""


class Throughput(_Part, frozen=True, kw_only=True):
    """Whole answers in a second, while the nemesis leaves things alone."""

    per_second_min: float | None = None
    baseline_part_min: float | None = 0.85
    sent_part_min: float = 0.999
    """In an open loop: of the requests that were sent, those that were answered."""


class Growth(_Part, frozen=True, kw_only=True):
    """What may grow with each request. What grows by less than what is ignored, is never too much."""

    memory_bytes_per_request_max: float = 40.0
    memory_ignored_mib: float = 3.0
    memory_mib_per_hour_max: float = 16.0
    """Judged where the load takes an hour or more."""
    descriptors_per_1000_requests_max: float = 0.4
    descriptors_ignored: float = 6.0
    tasks_per_10000_requests_max: float = 0.4
    tasks_ignored: float = 3.0
    warm_up_part: float = 0.2
    """Of the load, and after it of each process that came anew, which is left out."""


class Rest(_Part, frozen=True, kw_only=True):
    """What may be left in the quiet phases after load."""

    quiet_s_min: float = 3.0
    left_max: dict[str, float] = msgspec.field(default_factory=lambda: dict.fromkeys(AT_REST, 0.0))
    """By the names of `record.GatewaySample`."""
    descriptors_more_max: float = 8.0
    """Than at rest before."""
    tasks_more_max: float = 4.0


class Accounts(_Part, frozen=True, kw_only=True):
    """Answers that clients and gateway tell of."""

    differences_max: int = 0
    """Of answers, beyond what broken connections and killed workers explain."""


class ExpectedLine(_Part, frozen=True, kw_only=True):
    """Lines of the log that are no fault."""

    matches: str
    """A regular expression, looked for in `message`."""
    only_disturbed: bool = True
    """Only while the nemesis is at work, or what it did settles."""


class Log(_Part, frozen=True, kw_only=True):
    """Lines of the log at ERROR or above."""

    expected: list[ExpectedLine] = []


class Thresholds(_Part, frozen=True, kw_only=True):
    """All that is asked."""

    proof: Proof = Proof()
    errors: Errors = Errors()
    latency: Latency = Latency()
    throughput: Throughput = Throughput()
    growth: Growth = Growth()
    rest: Rest = Rest()
    accounts: Accounts = Accounts()
    log: Log = Log()


def read_thresholds(path: Path) -> Thresholds:
    """Return what a file asks. Raises `ThresholdsError`."""
    document = read_yaml(path, ThresholdsError)
    return thresholds_of({} if document is None else document, str(path))


def thresholds_of(document: Any, source: str) -> Thresholds:
    """Return what plain values ask. source: where they come from. Raises `ThresholdsError`."""
    try:
        found = msgspec.convert(document, Thresholds)
    except msgspec.ValidationError as error:
        raise ThresholdsError(f"{source}: {error}; loadtests/verdict/thresholds.py tells what there is") from error
    for percentile in [*found.latency.at_most_us, *found.latency.baseline_ratio_max]:
        if not _is_percentile(percentile):
            raise ThresholdsError(
                f'{source}: latency: {percentile!r} is no percentile; write "99.9", above 0, up to 100'
            )
    unknown = set(found.rest.left_max) - set(AT_REST)
    if unknown:
        names = ", ".join(AT_REST)
        raise ThresholdsError(f"{source}: rest.left_max: no such name: {', '.join(sorted(unknown))}; there are {names}")
    for line in found.log.expected:
        try:
            re.compile(line.matches)
        except re.error as error:
            raise ThresholdsError(
                f"{source}: log.expected: {line.matches!r} is no regular expression: {error}; mend it"
            ) from error
    return found


def _is_percentile(text: str) -> bool:
    try:
        return 0 < float(text) <= 100
    except ValueError:
        return False
