"""`penstock top`: what it shows of figures, and what keys do; how it looks is drawn into a console of a fixed size."""

import os
import pty
import time
from collections.abc import Iterator
from io import StringIO

import msgspec
import pytest
from rich.console import Console
from top_support import instance, route, sample, worker

from proxy.admin.top import Top
from proxy.admin.top_between import Wanted, top_between
from proxy.cli import top as top_command
from proxy.cli.columns import printable
from proxy.cli.keys import pressed_keys
from proxy.cli.top_screen import View, screen, shares
from proxy.cli.top_sections import SORTS, percent, rate, size
from proxy.cli.top_sections import time as shown_time

AS_IT_BEGINS = View()


def figures(routes: int = 2, instances: int = 2, *, ready: bool = True) -> Top:
    paths = [f"/things/{number}" for number in range(routes)]
    before = [route(0, path=path) for path in paths]
    after = [route(10 * (number + 1), number % 2, path=path) for number, path in enumerate(paths)]
    seen = [instance(f"t-{number}", in_flight=number) for number in range(instances)]
    totals = {"requests": 100, "responses_2xx": 90, "responses_5xx": 10, "retries": 4}
    return top_between(
        sample(worker(10, routes=before, routes_now=routes)),
        sample(
            worker(
                12, totals=totals, reasons={"deadline": 2}, routes=after, routes_now=routes, instances=seen, cpu_s=1.9
            )
        ),
        Wanted(limit=500),
        ready=ready,
        reasons=() if ready else ("No service that could be asked has registered.",),
        at=0.0,
    )


def drawn(top: Top, view: View = AS_IT_BEGINS, width: int = 110, height: int = 40) -> list[str]:
    out = StringIO()
    Console(file=out, width=width, height=height, force_terminal=False).print(screen(top, view, width, height))
    return out.getvalue().splitlines()


def test_what_is_shown() -> None:
    lines = drawn(figures())
    assert lines[0].startswith("Penstock gw-1 1.2.3  ready  settings 1, over 2 s")
    assert lines[1].startswith("50.0 req/s   5xx 11.8 %   refused 1.00/s   p50 0.10 ms   p99 0.10 ms")
    assert lines[2] == "sent again 2.00/s"
    assert any(
        line.split() == ["GET", "/things/1", "things", "10.5", "0.50", *["0.10", "ms"] * 2, "-", "0"] for line in lines
    )
    assert any(line.split()[:4] == ["things/t-1", "healthy", "-", "-"] for line in lines)
    assert any(line.split()[:2] == ["deadline", "504"] for line in lines)
    assert any(line.split()[:3] == ["0.1", "7", "50.0"] for line in lines)
    assert lines[-1].startswith("q quit")


def test_why_it_is_not_ready() -> None:
    lines = drawn(figures(ready=False))
    assert "NOT READY" in lines[0]
    assert "  No service that could be asked has registered." in lines


@pytest.mark.parametrize(("width", "height"), [(110, 24), (80, 24), (60, 20), (200, 60)])
def test_it_fits_the_terminal(width: int, height: int) -> None:
    lines = drawn(figures(300, 300), width=width, height=height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert sum("things/t-" in line for line in lines) >= 3


def test_a_list_that_is_long_is_scrolled_and_ends_at_its_end() -> None:
    top = figures(50, 1)
    first = [line for line in drawn(top) if line.startswith("GET")]
    third = [line for line in drawn(top, View(skipped=2)) if line.startswith("GET")]
    last = [line for line in drawn(top, View(skipped=10_000)) if line.startswith("GET")]
    assert third[0] == first[2]
    assert len(last) == len(first)
    assert "/things/0 " in last[-1]


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [([10, 10], 6, [3, 3]), ([1, 10], 6, [1, 5]), ([0, 0], 6, [0, 0]), ([10, 10], -5, [3, 3]), ([10, 2], 8, [6, 2])],
)
def test_room_is_shared(wanted: list[int], room: int, given: list[int]) -> None:
    assert shares(wanted, room) == given


def test_what_keys_do() -> None:
    view, seen = View(), []
    for _ in SORTS:
        view = top_command.pressed_in(view, "s")
        seen.append(view.sort)
    assert seen == ["errors", "p99", "in-flight", "rate"]
    assert top_command.pressed_in(view, "p").is_paused
    assert top_command.pressed_in(top_command.pressed_in(view, "p"), "p") == view
    assert top_command.pressed_in(view, "down").skipped == 1
    assert top_command.pressed_in(view, "up").skipped == 0
    assert top_command.pressed_in(view, "x") == view


def test_routes_are_put_in_the_order_that_is_wanted() -> None:
    by_rate = [line for line in drawn(figures(4)) if line.startswith("GET")]
    by_errors = [line for line in drawn(figures(4), View(sort="errors")) if line.startswith("GET")]
    assert "/things/3" in by_rate[0]
    assert "/things/2" in by_rate[1]
    assert "/things/3" in by_errors[0]
    assert "/things/1" in by_errors[1]


def test_numbers_are_as_long_as_they_tell_something() -> None:
    assert [rate(value) for value in (None, 0, 0.04, 3.14159, 31.4159, 31_415.9)] == [
        *("-", "0", "0.04", "3.14"),
        *("31.4", "31,416"),
    ]
    assert [shown_time(value) for value in (None, -1, 7, 540, 8_300, 83_000, 8_300_000)] == [
        *("-", "-", "0.007 ms"),
        *("0.54 ms", "8.30 ms", "83 ms", "8.3 s"),
    ]
    assert [percent(value) for value in (None, 0.0, 0.0123, 0.5)] == ["-", "0.0 %", "1.23 %", "50.0 %"]
    assert [size(value) for value in (12, 2_048, 40 << 20, 3 << 30)] == ["12 B", "2.0 KiB", "40 MiB", "3.0 GiB"]


def test_what_services_say_does_not_command_the_terminal() -> None:
    assert printable("a\x1b]0;owned\x07b\u202e") == "a\\x1b]0;owned\\x07b\\u202e"
    assert printable("grüß") == "grüß"
    top = figures(1, 1)
    bad = msgspec.structs.replace(top.instances[0], instance="\x1b[2J", why="\x1b[31m", breaker="")
    assert "\x1b" not in "".join(drawn(msgspec.structs.replace(top, instances=[bad])))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input is a terminal; the value is a person's end of it."""
    person, program = pty.openpty()
    with os.fdopen(program, "r", closefd=True) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield person
    os.close(person)


def test_keys_come_one_at_a_time_and_the_terminal_is_as_before(terminal: int) -> None:
    import sys
    import termios

    before = termios.tcgetattr(sys.stdin.fileno())
    with pressed_keys() as key:
        os.write(terminal, b"s")
        assert key(10) == "s"
        os.write(terminal, b"\x1b[B")
        assert key(10) == "down"
        assert key(0) == ""
    assert termios.tcgetattr(sys.stdin.fileno()) == before


def test_without_a_terminal_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pressed_keys() as key:
        assert key(1) == ""
