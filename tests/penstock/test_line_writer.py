"""Lines are written in order, or counted: whatever has become of who should read them."""

import fcntl
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.telemetry.writer import LineWriter, sink_of_descriptor

WAIT_S = 10


def tell(count: int) -> bytes:
    return b"(%d missing)" % count


class Gate:
    """A sink that is stuck until it is let go, and fails while it is told to."""

    def __init__(self) -> None:
        self.written = b""
        self.error: OSError | None = None
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, data: memoryview) -> int:
        self.entered.set()
        assert self.open.wait(WAIT_S)
        if self.error is not None:
            raise self.error
        self.written += data
        return len(data)


def test_what_waits_is_bounded_by_bytes() -> None:
    gate = Gate()
    writer = LineWriter(gate, tell_dropped=tell, bytes_max=100)
    writer.start()
    assert writer.write(b"first")
    assert gate.entered.wait(WAIT_S)
    assert writer.write(b"a" * 60)
    assert not writer.write(b"b" * 60)
    assert writer.write(b"c" * 40)
    assert writer.dropped == 1
    gate.open.set()
    writer.close()
    assert gate.written.splitlines() == [b"first", b"(1 missing)", b"a" * 60, b"c" * 40]


def test_several_lines_at_once_are_counted_each() -> None:
    gate = Gate()
    writer = LineWriter(gate, tell_dropped=tell, lines_max=4)
    writer.start()
    assert writer.write(b"first")
    assert gate.entered.wait(WAIT_S)
    assert writer.write(b"a\nb\nc", 3)
    assert not writer.write(b"d\ne", 2)
    assert writer.write(b"f")
    gate.open.set()
    writer.close()
    assert gate.written.split() == [b"first", b"(2", b"missing)", b"a", b"b", b"c", b"f"]
    assert writer.dropped == 2


def test_what_comes_after_the_end_is_dropped() -> None:
    gate = Gate()
    gate.open.set()
    writer = LineWriter(gate)
    writer.start()
    assert writer.write(b"before")
    writer.close()
    assert not writer.write(b"after")
    assert (gate.written, writer.dropped) == (b"before\n", 1)


def test_the_end_does_not_wait_for_who_reads_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.telemetry.writer.CLOSE_TIMEOUT_S", 0.01)
    gate = Gate()
    writer = LineWriter(gate)
    writer.start()
    writer.write(b"line")
    writer.close()
    assert gate.written == b""
    gate.open.set()


def test_a_full_disk_loses_lines_and_says_so_when_there_is_room_again() -> None:
    gate = Gate()
    gate.open.set()
    gate.error = OSError("no space left on device")
    writer = LineWriter(gate, tell_dropped=tell)
    writer.start()
    for _ in range(3):
        writer.write(b"lost")
    while writer.dropped < 3:
        pass
    gate.error = None
    writer.write(b"kept")
    writer.close()
    assert gate.written.splitlines() == [b"(3 missing)", b"kept"]
    assert writer.dropped == 3


def test_dev_full() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        writer = LineWriter(sink_of_descriptor(descriptor), tell_dropped=tell)
        writer.start()
        for _ in range(100):
            assert writer.write(b"line")
        writer.close()
        assert writer.dropped == 100
    finally:
        os.close(descriptor)


@contextmanager
def files_of_at_most(byte_count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte_count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_that_was_torn_by_a_full_disk_does_not_spoil_the_next(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb", buffering=0) as file:
        with files_of_at_most(4096):  # as a disk that has no more
            writer = LineWriter(sink_of_descriptor(file.fileno()), tell_dropped=tell)
            writer.start()
            for _ in range(50):
                writer.write(b"x" * 99)
            while writer.dropped < 10:
                pass
        writer.write(b"after")
        writer.close()
    lines = log.read_bytes().splitlines()
    assert lines[:40] == [b"x" * 99] * 40
    assert lines[40:] == [b"x" * 96, b"(10 missing)", b"after"]


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    writer = LineWriter(sink_of_descriptor(writing))
    writer.start()
    for number in range(1000):
        assert writer.write(b"%099d" % number)
    said = b""
    while said.count(b"\n") < 1000:
        said += os.read(reading, 65536)
    writer.close()
    assert [int(line) for line in said.splitlines()] == list(range(1000))
    assert writer.dropped == 0
    os.close(reading)
    os.close(writing)


def test_a_reader_that_has_gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = LineWriter(sink_of_descriptor(writing), tell_dropped=tell)
    writer.start()
    for _ in range(5):
        writer.write(b"line")
    writer.close()
    assert writer.dropped == 5
    os.close(writing)


def test_lines_are_prepared_in_the_thread_that_writes() -> None:
    gate, threads = Gate(), []
    gate.open.set()

    def prepare(line: bytes) -> bytes:
        threads.append(threading.current_thread())
        return line.upper()

    writer = LineWriter(gate, prepare=prepare)
    writer.start()
    writer.write(b"line")
    writer.close()
    assert gate.written == b"LINE\n"
    assert threads != [threading.current_thread()]


def test_what_became_of_lines_is_counted_apart() -> None:
    gate = Gate()
    writer = LineWriter(gate, lines_max=2)
    writer.start()
    writer.write(b"first")
    assert gate.entered.wait(WAIT_S)
    for _ in range(3):
        writer.write(b"line")
    assert writer.counts == (1, 1, 0, 2)
    gate.error = OSError("no space left on device")
    gate.open.set()
    writer.close()
    assert writer.counts == (0, 1, 3, 0)


def test_several_processes_may_write_to_one_pipe() -> None:
    reading, writing = os.pipe()
    writers = [LineWriter(sink_of_descriptor(writing)) for _ in range(4)]
    line = b"x" * 130  # so that PIPE_BUF is no multiple of it
    for writer in writers:
        for _ in range(2000):
            assert writer.write(line)
        writer.start()
    said = b""
    while said.count(b"\n") < 8000:
        said += os.read(reading, 65536)
    for writer in writers:
        writer.close()
    assert set(said.splitlines()) == {line}
    os.close(reading)
    os.close(writing)


def test_a_line_that_is_longer_than_a_pipe_takes_at_once() -> None:
    reading, writing = os.pipe()
    writer = LineWriter(sink_of_descriptor(writing))
    writer.start()
    lines = [b"a" * 100, b"b" * 10_000, b"c" * 100]
    for line in lines:
        writer.write(line)
    said = b""
    while said.count(b"\n") < 3:
        said += os.read(reading, 65536)
    writer.close()
    assert said.splitlines() == lines
    os.close(reading)
    os.close(writing)
