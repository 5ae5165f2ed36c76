"""What clients saw: errors, throughput, latency against limits and an earlier run, and whether latency drifts."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from loadtests.record import Interval, Record, RequestCounts, merged_times

from .line import Line, broken, held, percent_over, unproven
from .slopes import ratio_of
from .thresholds import Errors, Latency, Throughput
from .view import View, answered, failed, sent

OF_LOSS: Final = frozenset(("errors", "errors, disturbed", "answered of sent"))
"""Names of lines that a generator may break which gives up too early."""
DRIFT_PART: Final = 0.2
BLOCKS: Final = 20
"""Of time, in each part that drift compares."""
_MILLION: Final = 1_000_000
_RARE: Final = 3.0
"""What was not seen in n is rarer than 3 in n, with 95 % certainty (the rule of three)."""


def is_of_time(name: str) -> bool:
    """Return whether a slow generator, or a busy machine, may break a line of that name."""
    return name.startswith(("p", "throughput"))


def errors(view: View, wanted: Errors) -> list[Line]:
    """Judge requests without a whole and expected answer, apart for what the nemesis has disturbed."""
    count, of = failed(view.untroubled), sent(view.untroubled)
    rate = count * _MILLION / of if of else 0.0
    said = f"{count:,} of {of:,}"
    if count:
        said += f": {_kinds(view)}"
    elif of:
        said += f"; with 95 % certainty fewer than 1 in {int(of / _RARE):,}"
    limit = wanted.per_million_max
    lines = [
        broken("errors", f"{said}; {percent_over(rate, limit)}" if limit else said, rate, limit, "per million")
        if rate > limit
        else held("errors", said, rate, limit, "per million")
    ]
    of = sent(view.troubled)
    if of:
        percent, limit = 100 * failed(view.troubled) / of, wanted.disturbed_percent_max
        said = f"{failed(view.troubled):,} of {of:,}, {percent:.2f} % (at most {limit:g} %)"
        make = broken if percent > limit else held
        lines.append(make("errors, disturbed", said, percent, limit, "%"))
    return lines


def _kinds(view: View) -> str:
    """Return what went wrong, the most frequent first, and whom to ask about one of them.

    Each request that is notable is known by itself. Where there were more, the kinds are those of the whole run.
    """
    odd = [each for each in view.record.notable if each.failure and not view.is_disturbed(each.at_s, each.at_s)]
    if len(odd) >= failed(view.untroubled):
        found = _most(Counter(each.failure for each in odd))
    else:
        found = _most(_all_failures(view.record.requests))
        found[:1] = [f"in the whole run {found[0]}"] if found else []
    if odd:
        found.append(f"penstock trace {odd[0].correlation_id}")
    return "; ".join(found) or "nobody said of what kind"


def _all_failures(requests: Sequence[RequestCounts]) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for each in requests:
        for failure, count in each.failures.items():
            kinds[failure] += count - each.expected_failures.get(failure, 0)
    return kinds


def _most(kinds: Counter[str]) -> list[str]:
    return [f"{count:,} {kind}" for kind, count in kinds.most_common(3) if count > 0]


def throughput(view: View, wanted: Throughput, baseline: Record | None) -> list[Line]:
    """Judge whole answers in a second."""
    rate, lines = view.per_second, list[Line]()
    if wanted.per_second_min is not None:
        make = broken if rate < wanted.per_second_min else held
        said = f"{rate:,.1f}/s (at least {wanted.per_second_min:,.1f})"
        lines.append(make("throughput", said, rate, wanted.per_second_min, "/s"))
    if baseline is not None and wanted.baseline_part_min is not None and not why_not_comparable(view.record, baseline):
        before = View(baseline).per_second
        limit = before * wanted.baseline_part_min
        said = f"{rate:,.1f}/s, before {before:,.1f} (at least {limit:,.1f})"
        make = broken if rate < limit else held
        lines.append(make("throughput, baseline", said, rate, limit, "/s"))
    of = sent(view.calm)
    if view.record.facts.loop == "open" and of:
        part = min(1.0, answered(view.calm) / of)
        make = broken if part < wanted.sent_part_min else held
        said = f"{part:.3%} of what was due (at least {wanted.sent_part_min:.3%})"
        lines.append(make("answered of sent", said, part, wanted.sent_part_min))
    return lines


def latency(view: View, wanted: Latency, baseline: Record | None, notes: list[str]) -> list[Line]:
    """Judge percentiles against limits and an earlier run, and the drift within this one."""
    lines: list[Line] = []
    for percentile, limit in wanted.at_most_us.items():
        measured = view.latency.percentile_us(float(percentile))
        make = broken if measured > limit else held
        over = f"; {percent_over(measured, limit)}" if measured > limit else ""
        said = f"{measured / 1000:.2f} ms (at most {limit / 1000:.2f}){over}"
        lines.append(make(f"p{percentile}", said, measured, limit, "us"))
    if baseline is None:
        notes.append("no baseline was given: latency and throughput are not compared with an earlier run")
    elif why := why_not_comparable(view.record, baseline):
        notes.append(f"the baseline is of another kind of run ({why}): nothing is compared with it")
    else:
        lines += _against(view, View(baseline), wanted)
    if wanted.drift_percent_max is not None:
        lines.append(_drift(view, wanted.drift_percent_max))
    return lines


def why_not_comparable(record: Record, earlier: Record) -> str:
    """Return what differs between two runs that must be the same; empty where they can be compared."""
    now, before = record.facts, earlier.facts
    for name in ("shape", "loop", "users", "workers"):
        if getattr(now, name) != getattr(before, name):
            return f"{name}: {getattr(before, name)}, and now {getattr(now, name)}"
    for name in sorted(now.machine.keys() & before.machine.keys() & {"processor", "cores"}):
        if now.machine[name] != before.machine[name]:
            return f"{name}: {before.machine[name]}, and now {now.machine[name]}"
    return ""


def _against(view: View, earlier: View, wanted: Latency) -> list[Line]:
    lines: list[Line] = []
    for percentile, ratio in wanted.baseline_ratio_max.items():
        name = f"p{percentile}, baseline"
        measured = view.latency.percentile_us(float(percentile))
        before = earlier.latency.percentile_us(float(percentile))
        if not before:
            lines.append(unproven(name, "the earlier run has no answers in its load"))
            continue
        limit = max(before * ratio, before + wanted.ignored_us)
        said = f"{measured / 1000:.2f} ms, before {before / 1000:.2f} (at most {limit / 1000:.2f})"
        if measured > limit:
            lines.append(broken(name, f"{said}; {percent_over(measured, limit)}", measured, limit, "us"))
        else:
            lines.append(held(name, said, measured, limit, "us"))
    return lines


def _drift(view: View, limit: float) -> Line:
    """Compare the last fifth with the first: blocks of time by their p99, the parts by the interquartile mean of them.

    It is broken where the drift is above the limit, and certainly above half of it; held where it is not above the
    limit, and certainly not above twice.
    """
    calm = view.calm
    part = int(len(calm) * DRIFT_PART)
    ratio = ratio_of(_block_p99s(calm[:part]), _block_p99s(calm[len(calm) - part :])) if part else None
    if ratio is None:
        return unproven("p99 drift", "too few intervals that the nemesis left alone")
    percent, low, high = (100 * (value - 1) for value in ratio)
    said = (
        f"{percent:+.1f} % from the first fifth to the last, between {low:+.1f} and {high:+.1f} (at most {limit:+g} %)"
    )
    if percent > limit and low > limit / 2:
        return broken("p99 drift", f"{said}; {percent_over(percent, limit)}", percent, limit, "%")
    if percent > limit or high > 2 * limit:
        return unproven(
            "p99 drift", f"{said}: too uncertain; run for longer, or on a quieter machine", percent, limit, "%"
        )
    return held("p99 drift", said, percent, limit, "%")


def _block_p99s(intervals: Sequence[Interval]) -> list[float]:
    size = max(1, len(intervals) // BLOCKS)
    blocks = [intervals[begin : begin + size] for begin in range(0, len(intervals) - size + 1, size)]
    merged = [merged_times(each.times for each in block) for block in blocks]
    return [float(each.percentile_us(99)) for each in merged if each.count]
