"""Requests that have ended, as lines of a terminal: one each for `penstock tail`, several for `penstock trace`."""

import os
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from proxy.admin.record_page import AttemptRow, RecordRow

from .columns import printable
from .top_sections import size, time

BAR_WIDTH: Final = 40
_RED, _YELLOW, _DIM, _END = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def is_colourful() -> bool:
    """Whether it is a person who looks."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def line_of(row: RecordRow, *, colours: bool = False) -> str:
    """Return one line: when, answer, how long, what was asked, who answered, and its id."""
    answer = f"{row.status or '-':>3}"
    if colours and (row.status >= 500 or not row.status):
        answer = f"{_RED}{answer}{_END}"
    elif colours and row.status >= 400:
        answer = f"{_YELLOW}{answer}{_END}"
    parts = [_clock(row.at), answer, f"{time(row.took_us):>8}", printable(f"{row.method} {row.target}")]
    parts += [f"-> {_attempts(row)}"] if row.attempts else []
    parts += [row.reason] if row.reason else []
    parts += [f"({', '.join(row.flags)})"] if row.flags else []
    identity = printable(row.request_id)
    return "  ".join([*parts, f"{_DIM}{identity}{_END}" if colours else identity])


def block_of(row: RecordRow, *, bar: str = "#") -> Iterator[str]:
    """Yield the lines that tell all of a request. bar: what bars are made of."""
    answer = str(row.status) if row.status else "no answer"
    yield f"{printable(f'{row.method} {row.target}')} => {answer}{f' {row.reason}' if row.reason else ''}"
    yield ""
    for name, value in _facts(row):
        if value:
            yield f"  {name:<13}{printable(value)}"
    yield ""
    whole = max(row.took_us, 1)
    yield f"  {_bar(0, row.took_us, whole, bar)}  {time(row.took_us):>8}  all of it"
    for attempt in row.attempts:
        text = f"{attempt.number}. {_who(attempt)}: {attempt.outcome}{', a hedge' if attempt.is_hedge else ''}"
        yield f"  {_bar(attempt.began_us, attempt.took_us, whole, bar)}  {time(attempt.took_us):>8}  {printable(text)}"
    if row.attempt_count > len(row.attempts):
        yield f"  {row.attempt_count} attempts in all: the first ones and the last are kept"


def _facts(row: RecordRow) -> list[tuple[str, str]]:
    return [
        ("when", datetime.fromtimestamp(row.at).astimezone().isoformat(" ", "milliseconds")),
        ("request", row.request_id),
        ("correlation", row.correlation_id),
        ("trace", row.trace_id),
        ("route", f"{row.route} of {row.service}" if row.route else "none"),
        ("client", row.client),
        ("tenant", row.tenant),
        ("principal", row.principal),
        ("worker", row.worker),
        ("in gateway", time(row.gateway_us)),
        ("bytes", f"{size(row.bytes_in)} in, {size(row.bytes_out)} out"),
        ("also", ", ".join(row.flags)),
    ]


def _bar(began_us: int, took_us: int, whole_us: int, bar: str) -> str:
    start = min(BAR_WIDTH - 1, max(0, began_us) * BAR_WIDTH // whole_us)
    length = min(BAR_WIDTH - start, max(1, round(took_us * BAR_WIDTH / whole_us)))
    return (" " * start + bar * length).ljust(BAR_WIDTH)


def _attempts(row: RecordRow) -> str:
    """Return who answered; of several attempts all, with what became of each."""
    if row.attempt_count == 1 and row.attempts[0].outcome == str(row.status):
        return printable(_who(row.attempts[0]))
    return printable(", ".join(f"{_who(each)} {each.outcome}" for each in row.attempts))


def _who(attempt: AttemptRow) -> str:
    return f"{attempt.service}/{attempt.instance}" if attempt.instance else "somebody who has gone"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3]
