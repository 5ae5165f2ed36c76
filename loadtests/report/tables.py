"""What is told in rows: the verdict, percentiles beside those of an earlier run, requests, events, and what was odd."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from loadtests.record import Record
from loadtests.verdict import Verdict
from loadtests.verdict.answers import why_not_comparable
from loadtests.verdict.view import View

from .chart import clock

PERCENTS: Final = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0)
NOTABLE_MAX: Final = 40
LINES_MAX: Final = 40


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = (), words: Iterable[int] = ()
) -> str:
    """Return a table. Cells are text; numbers: the columns that lean right; words: those that are never broken."""
    classes = dict.fromkeys(words, " class=word") | dict.fromkeys(numbers, " class=num")

    def cell(tag: str, column: int, text: str) -> str:
        return f"<{tag}{classes.get(column, '')}>{escape(text)}</{tag}>"

    head = "".join(cell("th", column, text) for column, text in enumerate(heads))
    body = "".join(f"<tr>{''.join(cell('td', column, text) for column, text in enumerate(row))}</tr>" for row in rows)
    if not body:
        return '<p class="none">None.</p>'
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def verdict_table(verdict: Verdict) -> str:
    """Return the lines, what is broken first."""
    order = {"broken": 0, "unproven": 1, "held": 2}
    rows = "".join(
        f'<tr><td><span class="pill {line.outcome}">{line.outcome}</span></td><td>{escape(line.name)}</td>'
        f"<td>{escape(line.said)}</td></tr>"
        for line in sorted(verdict.lines, key=lambda line: order[line.outcome])
    )
    notes = "".join(f'<p class="none">{escape(note)}</p>' for note in verdict.notes)
    return f'<div class="scroll"><table class="verdict"><tbody>{rows}</tbody></table></div>{notes}'


def percentile_table(record: Record, earlier: Record | None) -> str:
    """Return the percentiles of the judged time, beside the earlier run's."""
    view, before = View(record), View(earlier) if earlier is not None else None
    heads, rows = ["", "this run"], []
    if before is not None:
        heads += ["earlier run", "change"]
    for percent in PERCENTS:
        now_us = view.latency.percentile_us(percent)
        row = ["max" if percent == 100 else f"p{percent:g}", f"{now_us / 1000:,.2f} ms"]
        if before is not None:
            then_us = before.latency.percentile_us(percent)
            row += [f"{then_us / 1000:,.2f} ms", f"{100 * (now_us / then_us - 1):+.1f} %" if then_us else "-"]
        rows.append(row)
    rate = ["answers", f"{view.per_second:,.1f}/s"]
    if before is not None:
        then = before.per_second
        rate += [f"{then:,.1f}/s", f"{100 * (view.per_second / then - 1):+.1f} %" if then else "-"]
    why = why_not_comparable(record, earlier) if earlier is not None else ""
    warning = f'<p class="none">The earlier run is of another kind: {escape(why)}.</p>' if why else ""
    return table(heads, [*rows, rate], range(1, len(heads))) + warning


def requests_table(record: Record) -> str:
    """Return what became of requests, by user and name."""
    rows = []
    for each in record.requests:
        times = each.times.histogram()
        rows.append(
            [
                each.user,
                each.name,
                f"{each.sent:,}",
                _counts(each.statuses),
                _counts(each.reasons),
                _counts(each.failures),
                f"{times.percentile_us(50) / 1000:,.2f}",
                f"{times.percentile_us(99) / 1000:,.2f}",
            ]
        )
    heads = ("user", "request", "sent", "statuses", "reasons of the gateway", "failures", "p50 ms", "p99 ms")
    return table(heads, rows, (2, 6, 7))


def events_table(record: Record) -> str:
    """Return what the nemesis did, by the numbers of the charts."""
    rows = [
        [str(number), clock(event.begin_s), event.kind, event.target, event.outcome, f"{event.settles_s:g} s"]
        for number, event in enumerate(record.events, 1)
    ]
    return table(("", "at", "what", "to", "outcome", "to settle"), rows, (0, 1), (2, 3, 5))


def notable_table(record: Record) -> str:
    """Return requests that failed or were slow, with what finds them in the gateway."""
    chosen = sorted(record.notable, key=lambda each: (not each.failure, -each.took_us))[:NOTABLE_MAX]
    rows = [
        [
            clock(each.at_s),
            f"{each.user} {each.name}",
            each.failure or each.reason or str(each.status or ""),
            f"{each.took_us / 1000:,.1f}",
            f"penstock trace {each.correlation_id}",
        ]
        for each in chosen
    ]
    return table(("at", "request", "what", "ms", "look it up"), rows, (0, 3))


def log_table(record: Record) -> str:
    """Return lines of logs, the worst first."""
    worst = sorted(record.log, key=lambda line: (line.level == "WARNING", line.at_s))[:LINES_MAX]
    rows = [[clock(line.at_s), line.process, line.level, line.logger, line.message] for line in worst]
    return table(("at", "process", "level", "logger", "message"), rows, (0,))


def facts_list(record: Record) -> str:
    """Return what was run, and where."""
    facts = record.facts
    loops = {
        "open": "open: sent when due, whatever came of those before; times count from that moment",
        "closed": "closed: each user waits for an answer before it sends the next",
    }
    told = {
        "loop": loops[facts.loop],
        "shape": facts.shape,
        "users": ", ".join(facts.users),
        "phases": ", ".join(f"{each.name} {clock(each.end_s - each.begin_s)}" for each in record.phases),
        "gateway": f"{facts.version} {facts.revision[:12]}, {facts.workers or 'no'} workers",
        "command": " ".join(facts.command),
        "machine": ", ".join(f"{name} {text}" for name, text in facts.machine.items()),
        "ended": f"{record.ended}{': ' + record.why if record.why else ''}",
    }
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in told.items() if text) + "</dl>"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items(), key=lambda each: -each[1]))
