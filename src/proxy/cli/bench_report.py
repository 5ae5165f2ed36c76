"""What `penstock bench` shows of a result in a terminal."""

from typing import Final

from ..loading.histogram import Histogram
from ..loading.result import PERCENTS, Result, Second, own_fault, remarks
from .columns import columns, strong

BAR: Final = 40
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_STEPS: Final = "▁▂▃▄▅▆▇█"
_STEPS_OF_A_DECADE: Final = (1, 2, 5)


def report(result: Result) -> str:
    """Return all lines."""
    lines = ["", *_head(result), "", *_latencies(result)]
    if result.latency.count:
        lines += ["", *distribution(result.latency)]
    if len(result.seconds) > 2:
        lines += ["", *_over_time(result.seconds)]
    lines += [f"note: {remark}" for remark in ["", *remarks(result)] if remark]
    fault = own_fault(result)
    return "\n".join([*lines, *(["", strong(f"NOT TO BE TRUSTED: {fault}")] if fault else [])])


def second_line(second: Second) -> str:
    """Return the line for one second while it runs."""
    failed = f"  {second.failed:,} failed" if second.failed else ""
    times = f"p50 {duration(second.p50_us)}  p99 {duration(second.p99_us)}  max {duration(second.max_us)}"
    return f"{second.second:>5} s  {second.sent:>8,} sent  {second.answered:>8,} answered  {times}{failed}"


def duration(microseconds: float) -> str:
    """Return a time with three digits that count: `437 us`, `1.27 ms`, `2.51 s`."""
    for unit, length in (("s", 1_000_000), ("ms", 1_000)):
        if microseconds >= length:
            value = microseconds / length
            return (
                f"{value:.2f} {unit}" if value < 10 else f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
            )
    return f"{microseconds:.0f} us"


def _head(result: Result) -> list[str]:
    seconds = result.duration_us / 1e6
    lines = [
        strong(
            f"{result.target}: {result.rate:,g} requests/s for {seconds:.1f} s over {result.connections} connections"
        ),
        f"  answered  {result.answered:,} of {result.due:,}, {result.answered_rate:,.1f} a second",
        f"  statuses  {_counts(result.statuses.items()) or 'none'}",
    ]
    if result.failures:
        lines.append(f"  failures  {_counts(result.failures.most_common())}")
    if result.connection_failures:
        lines.append(f"  lost connections  {_counts(result.connection_failures.most_common())}")
    return lines


def _counts(pairs: object) -> str:
    return ", ".join(f"{what}: {count:,}" for what, count in sorted(pairs))  # type: ignore[call-overload]


def _latencies(result: Result) -> list[str]:
    rows = [["", "mean", *(f"p{percent:g}" if percent < 100 else "max" for percent in PERCENTS)]]
    for name, histogram in (
        ("latency, from when it was due", result.latency),
        ("from when it was sent", result.service_time),
    ):
        if histogram.count:
            times = [histogram.mean_us, *(histogram.percentile_us(percent) for percent in PERCENTS)]
            rows.append([name, *map(duration, times)])
    return columns(rows, indent="  ") if len(rows) > 1 else ["  there are no latencies"]


def distribution(histogram: Histogram) -> list[str]:
    """Return bars for how many took how long; each decade is cut at 1, 2 and 5."""
    bounds = _bounds(histogram)
    counts = [0] * len(bounds)
    at = 0
    for upper, count in histogram.buckets():
        while at < len(bounds) - 1 and min(upper, histogram.max_us) > bounds[at]:
            at += 1
        counts[at] += count
    most, total = max(counts), histogram.count
    return [
        f"  {'<= ' + duration(bound):>11}  {bar(count / most):<{BAR}}  {count:>9,}  {count / total:7.2%}"
        for bound, count in zip(bounds, counts, strict=True)
    ]


def _bounds(histogram: Histogram) -> list[int]:
    steps = [step * 10**power for power in range(10) for step in _STEPS_OF_A_DECADE]
    first = next((at for at, step in enumerate(steps) if step >= histogram.min_us), len(steps) - 1)
    last = next((at for at, step in enumerate(steps) if step >= histogram.max_us), len(steps) - 1)
    return steps[first : last + 1]


def bar(part: float) -> str:
    """Return a bar that is so much of the whole width; something that is not nothing is seen."""
    eighths = max(round(part * BAR * 8), 1 if part else 0)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _over_time(seconds: list[Second]) -> list[str]:
    values = [second.p99_us for second in seconds]
    return [f"  p99 by second  {steps(values)}  {duration(min(values))} to {duration(max(values))}"]


def steps(values: list[int], width: int = 60) -> str:
    """Return a line of blocks as high as the values; of several that share a place, the highest."""
    per_place = -(-len(values) // width)
    highest = [max(values[at : at + per_place]) for at in range(0, len(values), per_place)]
    top = max(highest) or 1
    return "".join(_STEPS[min(value * len(_STEPS) // (top + 1), len(_STEPS) - 1)] for value in highest)
