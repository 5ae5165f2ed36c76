"""The tables, for the terminal and for the README, and the samples as JSON."""

import datetime
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.judgement import Judgement, spread_percent
from benchmarks.rounds import Outcome

_UNITS = {
    "cpu_us": "µs",
    "p50_us": "µs",
    "p99_us": "µs",
    "failed": "requests",
    "failed_percent": "%",
    "back_s": "s",
    "ns": "ns",
    "resident_mib": "MiB",
    "growth_mib": "MiB",
    "proportional_mib": "MiB",
    "drift_mib": "MiB",
    "start_ms": "ms",
    "stall_ms": "ms",
    "scrape_ms": "ms",
    "turn_ms": "ms",
    "away_ms": "ms",
    "late_ms": "ms",
    "ratio": "",
    "failed_gets": "requests",
    "doubled_posts": "requests",
    "per_s": "/s",
    "mib_per_s": "MiB/s",
    "cpu_us_per_mib": "µs",
}
_LOADED = ("cpu_us", "user_us", "per_s", "busy_percent", "p50_us", "p99_us")
_LOADED_HEADS = (
    "case",
    "contender",
    "CPU µs/request",
    "of it user",
    "requests/s",
    "core %",
    "p50 µs",
    "p99 µs",
    "spread",
)
_BODIES = ("mib_per_s", "cpu_us_per_mib", "busy_percent")
_BODIES_HEADS = ("case", "contender", "MiB/s", "CPU µs/MiB", "core %", "spread")
QUOTE_BEGINS = "<!-- benchmarks: begin -->"
QUOTE_ENDS = "<!-- benchmarks: end -->"
_TARGET_HEADS = ("measure", "ours", "theirs", "ratio", "rounds", "must", "aim", "")


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an aligned Markdown table. All columns but the first and the last lean right."""
    body = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in [list(heads), *body]) for column in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 or column == len(heads) - 1 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = [
        "-" * width if column in (0, len(heads) - 1) else "-" * (width - 1) + ":" for column, width in enumerate(widths)
    ]
    return "\n".join([line(heads), line(rule), *(line(row) for row in body)])


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def _with_unit(value: float | None, quantity: str) -> str:
    unit = _UNITS[quantity]
    return "-" if value is None else f"{_number(value)}{'' if unit in ('/s', '') else ' '}{unit}"


def _limit(limit: float | None, at_least: bool) -> str:
    return "-" if limit is None else f"{'≥' if at_least else '≤'} {limit:g}"


def targets_table(judgements: Iterable[Judgement]) -> str:
    """Return the table of ratios with their must and aim."""
    return _markdown(_TARGET_HEADS, (_target_row(each) for each in judgements))


def _target_row(judgement: Judgement) -> tuple[str, ...]:
    target = judgement.target
    rounds = "-"
    if judgement.ratio_low is not None and judgement.ratio_high is not None:
        rounds = f"{judgement.ratio_low:.2f} to {judgement.ratio_high:.2f}"
    return (
        target.measure,
        _with_unit(judgement.ours, target.quantity),
        _with_unit(judgement.theirs, target.quantity),
        "-" if judgement.ratio is None else f"{judgement.ratio:.2f}",
        rounds,
        _limit(target.must, target.at_least),
        _limit(target.aim, target.at_least),
        judgement.verdict,
    )


def loaded_table(outcomes: Mapping[str, Outcome]) -> str:
    """Return the table of medians of all contenders under load; empty when no such case was run."""
    return _medians_table(outcomes, _LOADED_HEADS, _LOADED)


def bodies_table(outcomes: Mapping[str, Outcome]) -> str:
    """Return the table of medians of all contenders that moved large bodies; empty when no such case was run."""
    return _medians_table(outcomes, _BODIES_HEADS, _BODIES)


def _medians_table(outcomes: Mapping[str, Outcome], heads: Sequence[str], quantities: Sequence[str]) -> str:
    """Return a row for each contender that has all quantities. The spread is that of the first."""
    rows: list[tuple[str, ...]] = []
    for outcome in outcomes.values():
        for name, samples in outcome.samples.items():
            if samples and all(quantity in samples[0] for quantity in quantities):
                medians = {key: statistics.median(sample[key] for sample in samples) for key in quantities}
                cells = [f"{value:.0f}" if key == "busy_percent" else _number(value) for key, value in medians.items()]
                spread = spread_percent([sample[quantities[0]] for sample in samples])
                rows.append((outcome.case, name, *cells, f"{spread:.0f} %"))
    return _markdown(heads, rows) if rows else ""


def write_page(
    path: Path, judgements: Iterable[Judgement], outcomes: Mapping[str, Outcome], facts: Mapping[str, str]
) -> None:
    """Write the tables, with date and machine, as the page that the README quotes."""
    parts = [
        f"Measured {datetime.datetime.now(datetime.UTC):%Y-%m-%d} on {facts['processor']}, {facts['cores']} cores, "
        f"Linux {facts['kernel']}, Python {facts['python']}, {facts['nginx']}, {facts['haproxy']}.",
        targets_table(judgements),
        loaded_table(outcomes),
        bodies_table(outcomes),
    ]
    path.write_text("\n\n".join(part for part in parts if part) + "\n")


def quote(readme: Path, page: Path) -> None:
    """Put the page between the README's two marks."""
    text = readme.read_text()
    before, after = text.split(QUOTE_BEGINS)[0], text.split(QUOTE_ENDS)[1]
    readme.write_text(f"{before}{QUOTE_BEGINS}\n{page.read_text()}{QUOTE_ENDS}{after}")


def write_results(
    path: Path,
    judgements: Iterable[Judgement],
    outcomes: Mapping[str, Outcome],
    facts: Mapping[str, str],
    seconds: float,
) -> None:
    """Write every sample, and what was concluded."""
    results = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": dict(facts),
        "seconds": seconds,
        "targets": [_as_json(each) for each in judgements],
        "cases": {
            name: {"title": outcome.title, "samples": outcome.samples, "not_measured": outcome.not_measured}
            for name, outcome in outcomes.items()
        },
    }
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False, default=str) + "\n")


def _as_json(judgement: Judgement) -> dict[str, object]:
    target = judgement.target
    return {
        "measure": target.measure,
        "case": target.case,
        "ours": judgement.ours,
        "theirs": judgement.theirs,
        "quantity": target.quantity,
        "ratio": judgement.ratio,
        "ratio_low": judgement.ratio_low,
        "ratio_high": judgement.ratio_high,
        "must": target.must,
        "aim": target.aim,
        "at_least": target.at_least,
        "verdict": judgement.verdict,
    }
