"""The line that shows how a run goes, at a terminal and elsewhere, and the colours of a verdict."""

import fcntl
import io
import os
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest
from loadtests.record import Event, Interval, LogLine, MachineSample, Phase, ProcessSample, Record, Sample, Times
from loadtests.runner.colour import coloured
from loadtests.runner.live import Live, fitted, live_words
from runner_lab import FACTS

from proxy.loading.histogram import Histogram

LEVELS = ("warning", "error")
MACHINE = MachineSample(busy_s_total=1, steal_s_total=0, total_s_total=2, available_bytes=1, spin_us=1)
WORDS = ["steady, 0:20 left", "225/s", "13 users", "p50 7.9 p99 101.5 ms", "2 failed", "stop steady-1"]


def worker(slot: int, rss_bytes: int) -> ProcessSample:
    return ProcessSample(
        name=f"worker-{slot}", role="worker", pid=9, rss_bytes=rss_bytes, descriptors=1, threads=1, cpu_s_total=1.0
    )


def test_the_live_line_tells_how_it_goes() -> None:
    times = Times.of(Histogram.of([1_000, 2_000, 9_000]))
    interval = Interval(begin_s=5.0, length_s=1.0, users=7, sent=400, answered=399, failed=1, times=times)
    event = Event(begin_s=1.0, end_s=2.0, kind="kill", target="worker-0", outcome="", is_done=True)
    logged = [LogLine(at_s=1.0, process="x", level=level, logger="", message="", text="") for level in LEVELS]
    processes = [worker(0, 2 << 20), worker(1, 7 << 19)]
    sample = Sample(at_s=1.0, processes=processes, gateway=None, machine=MACHINE)
    record = Record(facts=FACTS, intervals=[interval], events=[event], log=logged, samples=[sample])
    phases = [Phase("warm up", "warm_up", 0.0, 5.0), Phase("steady", "load", 5.0, 610.0)]
    words = live_words(record, phases, 6.0)
    assert words == [
        "steady, 10:04 left",
        "399/s",
        "7 users",
        "p50 2.0 p99 9.0 ms",
        "1 failed",
        "1 errors logged",
        "kill worker-0",
        "workers 2.0 + 3.5 MiB",
    ]
    assert live_words(Record(facts=FACTS), phases, 611.0) == ["ending, 0:00 left", "0 failed"]


def test_words_that_have_no_room_are_left_out_whole() -> None:
    assert fitted(WORDS, None) == "steady, 0:20 left  225/s  13 users  p50 7.9 p99 101.5 ms  2 failed  stop steady-1"
    assert fitted(WORDS, 79).endswith("  2 failed")
    assert fitted(WORDS, 32) == "steady, 0:20 left  225/s"
    assert fitted(WORDS, 6) == "steady"
    assert fitted([], 6) == ""


class Terminal:
    """A terminal, and what a program has shown at it: only what a line rewritten in place needs."""

    def __init__(self, columns: int) -> None:
        self._ours, theirs = os.openpty()
        self.stream: TextIO = os.fdopen(theirs, "w")
        self.resize(columns)

    def resize(self, columns: int) -> None:
        self._columns = columns
        fcntl.ioctl(self.stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def lines(self) -> list[str]:
        """The lines that stand there since they were looked at last; one that has no room goes on in the next."""
        self.stream.write("\0")  # so that its end is seen: a terminal gives what was written in pieces
        self.stream.flush()
        shown = b""
        while not shown.endswith(b"\0"):
            shown += os.read(self._ours, 65_536)
        lines, at = [""], 0
        for letter in shown[:-1].decode():
            if letter == "\r":
                at = 0
            elif letter == "\n":
                lines.append("")
            else:
                if at == self._columns:
                    lines.append("")
                    at = 0
                lines[-1] = lines[-1][:at] + letter + lines[-1][at + 1 :]
                at += 1
        return lines

    def close(self) -> None:
        self.stream.close()
        os.close(self._ours)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal(80)
    yield made
    made.close()


def test_the_line_is_rewritten_in_place_and_never_wraps(terminal: Terminal) -> None:
    live = Live(terminal.stream)
    live.show(["x" * 200], 0.0)
    terminal.stream.write("^C")  # as a terminal shows it
    assert len(terminal.lines()) == 1
    live.show(WORDS, 1.0)
    live.show(["short"], 2.0)
    assert [line.rstrip() for line in terminal.lines()] == ["short"]
    terminal.resize(120)
    live.show(WORDS, 3.0)
    assert [line.rstrip() for line in terminal.lines()] == [fitted(WORDS, None)]
    terminal.resize(40)  # what is written over the longer line has to be as short as the terminal is now
    live.show(["short"], 4.0)
    assert [line.rstrip() for line in terminal.lines()] == ["short"]


def test_what_is_told_meanwhile_has_a_line_of_its_own(terminal: Terminal) -> None:
    live = Live(terminal.stream)
    live.show(WORDS[:2], 0.0)
    live.close()
    live.close()
    terminal.stream.write("SIGINT\n")
    live.show(WORDS[:1], 1.0)
    live.close()
    assert terminal.lines() == ["steady, 0:20 left  225/s", "SIGINT", "steady, 0:20 left", ""]


def test_a_terminal_that_does_not_tell_its_size_has_eighty_columns(terminal: Terminal) -> None:
    terminal.resize(0)
    Live(terminal.stream).show(["x" * 200], 0.0)
    terminal.resize(80)
    assert terminal.lines() == ["x" * 77]


def test_elsewhere_there_is_a_line_now_and_then() -> None:
    stream = io.StringIO()
    live = Live(stream)
    for at_s in range(25):
        live.show([f"at {at_s}", "x" * 200], at_s)
    live.close()
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == ["0", "10", "20"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("held      run  complete", "\x1b[32mheld \x1b[0m     run  complete"),
        ("broken    run  lost", "\x1b[31mbroken \x1b[0m   run  lost"),
        ("unproven  run  short", "\x1b[33munproven \x1b[0m run  short"),
        ("HELD: 3 of 3 held", "\x1b[1;32mHELD:\x1b[0m 3 of 3 held"),
        ("BROKEN: run", "\x1b[1;31mBROKEN:\x1b[0m run"),
        ("PROVES NOTHING of: run", "\x1b[1;33mPROVES NOTHING\x1b[0m of: run"),
        ("record   build/x", "record   build/x"),
    ],
)
def test_a_verdict_has_colours_at_a_terminal_alone(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, line: str, shown: str
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert coloured(line, terminal.stream) == shown
    assert coloured(line, io.StringIO()) == line
    monkeypatch.setenv("TERM", "dumb")
    assert coloured(line, terminal.stream) == line
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(line, terminal.stream) == line
