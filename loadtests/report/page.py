"""The page: verdict, charts and tables, in one file that loads nothing."""

import datetime
from html import escape
from importlib.resources import files
from typing import Final

from loadtests.record import Record
from loadtests.verdict import Verdict
from loadtests.verdict.view import View

from . import series, tables
from .chart import chart, clock

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_WORDS: Final = {0: "held", 1: "broken", 2: "unproven"}


def page(record: Record, verdict: Verdict, earlier: Record | None = None) -> str:
    """Return the whole report of a run. earlier: a run to compare with."""
    facts = record.facts
    begun = datetime.datetime.fromtimestamp(facts.started_unix_s, datetime.UTC)
    outcome = _WORDS[verdict.exit_code]
    parts = [
        f'<p class="summary {outcome}">{escape(verdict.summary)}</p>',
        _tiles(record),
        _card("Verdict", tables.verdict_table(verdict)),
        f'<section class="charts">{_charts(record)}</section>',
        '<section class="two">',
        _card("Latency of what is judged", tables.percentile_table(record, earlier)),
        _card("What the nemesis did", tables.events_table(record)),
        "</section>",
        _card("Requests", tables.requests_table(record)),
        _card("Slow and failed requests", tables.notable_table(record)),
        _card("Lines of logs at WARNING and above", tables.log_table(record)),
        _card("What was run", tables.facts_list(record)),
    ]
    style = files(__package__).joinpath("page.css").read_text()
    name = escape(facts.name)
    said = f"{begun:%Y-%m-%d %H:%M} UTC, {clock(record.duration_s)}, {facts.loop} loop"
    ending = f"Penstock {escape(facts.version)}; shape {escape(facts.shape)}. Times: {_of_times(facts.loop)}."
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{name}: {escape(verdict.summary)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<header><h1>Load test {name}</h1><span class="pill {outcome}">{outcome}</span>'
        f'<span class="soft">{said}</span></header>\n'
        f"<main>\n{chr(10).join(parts)}\n</main>\n"
        f"<footer>{ending}</footer>\n"
        "</body>\n</html>\n"
    )


def _card(title: str, content: str) -> str:
    return f'<div class="card"><h2>{escape(title)}</h2>{content}</div>'


def _of_times(loop: str) -> str:
    return "from when a request was due" if loop == "open" else "from when a request was sent"


def _tiles(record: Record) -> str:
    view = View(record)
    sent = sum(each.sent for each in record.intervals)
    errors = sum(each.failed for each in record.intervals)
    told = {
        "requests": f"{sent:,}",
        "answers a second": f"{view.per_second:,.1f}",
        "p50": f"{view.latency.percentile_us(50) / 1000:,.2f} ms",
        "p99": f"{view.latency.percentile_us(99) / 1000:,.2f} ms",
        "p99.9": f"{view.latency.percentile_us(99.9) / 1000:,.2f} ms",
        "errors": f"{errors:,}",
        "events": f"{len(record.events)}",
    }
    tiles = "".join(f'<div class="card tile"><span>{name}</span><b>{value}</b></div>' for name, value in told.items())
    return f'<section class="tiles">{tiles}</section>'


def _charts(record: Record) -> str:
    drawn = (
        ("Latency", "ms", series.latency(record), True),
        ("Throughput", "a second", series.throughput(record), False),
        ("Resident memory", "MiB", series.memory(record), False),
        ("Descriptors", "", series.descriptors(record), False),
        ("In hand", "", series.inside(record), False),
        ("Refusals of the gateway, by reason", "a second", series.reasons(record), False),
        ("Processor time", "cores", series.processors(record), False),
    )
    return "".join(
        chart(
            title,
            unit,
            lines,
            duration_s=record.duration_s,
            phases=record.phases,
            events=record.events,
            is_logarithmic=is_logarithmic,
        )
        for title, unit, lines, is_logarithmic in drawn
    )
