"""A record as the rules want to see it: what is judged, what the nemesis has disturbed, what was at rest."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate

from loadtests.record import Event, GatewaySample, Interval, Phase, ProcessSample, Record, Role, Sample, merged_times
from proxy.loading.histogram import Histogram

Span = tuple[float, float]


class View:
    """Looks at one record; nothing in it is changed."""

    def __init__(self, record: Record) -> None:
        """Take a record, of a whole run or of what there was of it."""
        self.record = record

    # ---- when ----

    def phases(self, kind: str) -> list[Phase]:
        """Return the phases of a kind."""
        return [phase for phase in self.record.phases if phase.kind == kind]

    @cached_property
    def load(self) -> list[Span]:
        """When there was load that is judged."""
        return [(phase.begin_s, phase.end_s) for phase in self.phases("load")]

    @cached_property
    def load_s(self) -> float:
        """How long that was."""
        return sum(end - begin for begin, end in self.load)

    @cached_property
    def disturbed(self) -> list[Span]:
        """When the nemesis was at work, or what it did settled."""
        return [(event.begin_s, event.end_s + event.settles_s) for event in self.record.events]

    def is_disturbed(self, begin_s: float, end_s: float) -> bool:
        """Return whether any of that time is."""
        return any(begin < end_s and begin_s <= end for begin, end in self.disturbed)

    # ---- what the clients saw ----

    @cached_property
    def loaded(self) -> list[Interval]:
        """The intervals that lie in load."""
        return [each for each in self.record.intervals if _is_within(each, self.load)]

    @cached_property
    def calm(self) -> list[Interval]:
        """Of these, those that the nemesis left alone."""
        return [each for each in self.loaded if not self.is_disturbed(each.begin_s, each.begin_s + each.length_s)]

    @cached_property
    def troubled(self) -> list[Interval]:
        """Of all intervals, warm-up included, those that it did not leave alone."""
        every = self.record.intervals
        return [each for each in every if self.is_disturbed(each.begin_s, each.begin_s + each.length_s)]

    @cached_property
    def untroubled(self) -> list[Interval]:
        """All others: a request may be lost in the warm-up, too."""
        every = self.record.intervals
        return [each for each in every if not self.is_disturbed(each.begin_s, each.begin_s + each.length_s)]

    @cached_property
    def latency(self) -> Histogram:
        """Of calm intervals."""
        return merged_times(each.times for each in self.calm)

    @cached_property
    def per_second(self) -> float:
        """Whole answers in a second of calm intervals."""
        seconds = sum(each.length_s for each in self.calm)
        return answered(self.calm) / seconds if seconds else 0.0

    @cached_property
    def _ends(self) -> list[float]:
        return [each.begin_s + each.length_s for each in self.record.intervals]

    @cached_property
    def _sent(self) -> list[int]:
        return [0, *accumulate(each.sent for each in self.record.intervals)]

    def requests_until(self, at_s: float) -> int:
        """Return how many requests had been sent by then, to an interval."""
        return self._sent[bisect_right(self._ends, at_s + 1e-6)]

    # ---- what was seen of the system ----

    @cached_property
    def samples(self) -> list[Sample]:
        """Those within load."""
        return [each for each in self.record.samples if any(begin <= each.at_s <= end for begin, end in self.load)]

    @cached_property
    def told(self) -> list[tuple[float, GatewaySample]]:
        """What the gateway told, and when; moments at which it did not answer are left out."""
        return [(each.at_s, each.gateway) for each in self.record.samples if each.gateway is not None]

    def rest_after_load(self) -> list[Sample]:
        """Return the samples of the second half of the last quiet phase behind all load."""
        quiet = self.phases("quiet")
        if not quiet or not self.load or quiet[-1].begin_s < self.load[-1][1] - 1e-9:
            return []
        last = quiet[-1]
        middle = (last.begin_s + last.end_s) / 2
        return [each for each in self.record.samples if middle <= each.at_s <= last.end_s + 1.0]

    def rest_before_load(self) -> list[Sample]:
        """Return the samples of the first quiet phase, where it is not the last; else those before any request."""
        quiet = self.phases("quiet")
        if len(quiet) > 1:
            first = quiet[0]
            middle = (first.begin_s + first.end_s) / 2
            return [each for each in self.record.samples if middle <= each.at_s <= first.end_s]
        begin = next((each.begin_s for each in self.record.intervals if each.sent), None)
        return [each for each in self.record.samples if begin is None or each.at_s <= begin]

    def disturbing(self, kinds: Iterable[str]) -> list[Event]:
        """Return what the nemesis did of these kinds."""
        wanted = set(kinds)
        return [event for event in self.record.events if event.is_done and event.kind in wanted]


def _is_within(interval: Interval, spans: Sequence[Span]) -> bool:
    end = interval.begin_s + interval.length_s
    return any(begin <= interval.begin_s + 1e-6 and end <= last + 1e-6 for begin, last in spans)


def answered(intervals: Iterable[Interval]) -> int:
    """Return the whole answers of intervals."""
    return sum(each.answered for each in intervals)


def sent(intervals: Iterable[Interval]) -> int:
    """Return the requests that were sent in intervals."""
    return sum(each.sent for each in intervals)


def failed(intervals: Iterable[Interval]) -> int:
    """Return the errors of intervals."""
    return sum(each.failed for each in intervals)


def of_role(sample: Sample, *roles: Role) -> list[ProcessSample]:
    """Return the processes of a sample that have one of these roles."""
    return [process for process in sample.processes if process.role in roles]
