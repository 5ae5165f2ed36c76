"""The figures of a report as plain values, for programs: the verdict, percentiles and totals."""

from typing import Any

import msgspec

from loadtests.record import Record
from loadtests.verdict import Verdict
from loadtests.verdict.answers import why_not_comparable
from loadtests.verdict.view import View

from .tables import PERCENTS


def figures(record: Record, verdict: Verdict, earlier: Record | None = None) -> dict[str, Any]:
    """Return what a report says. Times are in microseconds."""
    told: dict[str, Any] = {
        "exit_code": verdict.exit_code,
        "summary": verdict.summary,
        "lines": msgspec.to_builtins(verdict.lines),
        "notes": verdict.notes,
        "ended": record.ended,
        "why": record.why,
        "facts": msgspec.to_builtins(record.facts),
        "duration_s": record.duration_s,
        "judged": _judged(record),
        "events": msgspec.to_builtins(record.events),
    }
    if earlier is not None:
        told["earlier"] = {
            "facts": msgspec.to_builtins(earlier.facts),
            "judged": _judged(earlier),
            "not_comparable": why_not_comparable(record, earlier) or None,
        }
    return told


def figures_json(record: Record, verdict: Verdict, earlier: Record | None = None) -> bytes:
    """Return them as JSON, for people too."""
    return msgspec.json.format(msgspec.json.encode(figures(record, verdict, earlier))) + b"\n"


def _judged(record: Record) -> dict[str, Any]:
    view = View(record)
    return {
        "requests": sum(each.sent for each in view.calm),
        "errors": sum(each.failed for each in view.calm),
        "per_second": round(view.per_second, 3),
        "percentiles_us": {f"{percent:g}": view.latency.percentile_us(percent) for percent in PERCENTS},
    }
