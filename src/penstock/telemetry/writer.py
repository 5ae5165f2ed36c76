"""Lines on their way out: a thread of its own writes them, so that whoever gives one never waits.

What waits is bounded, by lines and by bytes. When there is no room, because the reader reads no more or the disk is
slow, lines are dropped and counted. What cannot be written, because the disk is full or the reader has gone, is counted
likewise. The next lines that get through are preceded by one that says how many are missing.

A descriptor is written to directly: a thread that is stuck in a Python stream holds its lock, and then the interpreter
cannot end.
"""

import os
import queue
import select
import stat
import threading
from collections.abc import Callable
from io import UnsupportedOperation
from typing import IO, Final, NamedTuple

LINES_MAX: Final = 8_192
BYTES_MAX: Final = 4 << 20
"""More would only delay the moment at which it is noticed that nobody reads."""
BATCH_BYTES: Final = 64 << 10
CLOSE_TIMEOUT_S: Final = 1.0

Sink = Callable[[memoryview], int]
"""Writes a part of the bytes, at least one, and returns how many; waits as long as it must. May raise `OSError`."""


class Counts(NamedTuple):
    """What became of lines. dropped: there was no room; failed: they could not be written; waiting: now."""

    written: int
    dropped: int
    failed: int
    waiting: int


class _Lines(NamedTuple):
    text: bytes  # with the end of each line
    lines: int


class LineWriter:
    """Writes lines in the order in which they were given.

    Resource handling: the thread ends with `close`, which gives it a second to write what waits. The sink stays open.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        prepare: Callable[[bytes], bytes] = bytes,
        tell_dropped: Callable[[int], bytes] | None = None,
        lines_max: int = LINES_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        """Write to the sink. prepare: what is done to lines in the thread, before they are written, such as taking
        secrets out; tell_dropped: makes the line, without its end, which says how many are missing (None: there is
        none).
        """
        self._sink = sink
        self._prepare = prepare
        self._tell = tell_dropped
        self._lines_max = lines_max
        self._bytes_max = bytes_max
        self._waiting: queue.SimpleQueue[_Lines | None] = queue.SimpleQueue()
        self._given = _Tally()
        self._taken = _Tally()
        self._refused = 0  # by whoever gives
        self._lost = 0  # by the thread
        self._told = 0
        self._is_torn = False  # the last line that was written is not whole
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._is_closed = False

    @property
    def dropped(self) -> int:
        """Lines that were not written."""
        return self._refused + self._lost

    @property
    def counts(self) -> Counts:
        """What became of the lines so far; those that are being written are counted as written."""
        taken, lost = self._taken.lines, self._lost
        return Counts(taken - lost, self._refused, lost, self._given.lines - taken)

    @property
    def has_ended(self) -> bool:
        """Whether nothing is written any more: until then, its descriptor must stay open, or be another's."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def write(self, text: bytes, count: int = 1) -> bool:
        """Have lines written, given without the last one's end. False: there is no room, they are counted as dropped.

        To be called by one thread at a time.
        """
        lines_now, bytes_now = self._given.lines - self._taken.lines, self._given.bytes - self._taken.bytes
        has_room = lines_now + count <= self._lines_max and bytes_now + len(text) <= self._bytes_max
        if self._is_closed or not has_room:
            self._refused += count
            return False
        self._given.add(len(text), count)
        self._waiting.put(_Lines(text, count))
        return True

    def close(self) -> None:
        """Write what waits, for a second at most, and end the thread."""
        if not self._is_closed:
            self._is_closed = True
            self._waiting.put(None)
            if self._thread.is_alive():
                self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            goes_on = self._write_batch(self._waiting.get())
        self._tell_dropped()

    def _write_batch(self, first: _Lines | None) -> bool:
        """Write what waits already together with the first; False when it was the last."""
        batch, size, lines = [], 0, first
        while lines is not None:
            batch.append(lines)
            size += len(lines.text)
            if size >= BATCH_BYTES or self._waiting.empty():
                break
            lines = self._waiting.get()
        self._tell_dropped()
        if batch:
            count = sum(each.lines for each in batch)
            self._taken.add(size, count)
            text = b"".join(self._prepare(each.text) + b"\n" for each in batch)
            self._lost += min(count, self._put(text))
        return lines is not None

    def _tell_dropped(self) -> None:
        missing = self.dropped - self._told
        if missing and self._tell is not None and not self._put(self._tell(missing) + b"\n"):
            self._told += missing

    def _put(self, text: bytes) -> int:
        """Write, and return how many lines were not."""
        if self._is_torn:
            text = b"\n" + text
        at, view = 0, memoryview(text)
        try:
            while at < len(text):
                at += self._sink(view[at:])
        except (OSError, ValueError):  # the disk is full, the reader has gone, the stream is closed
            if at:
                self._is_torn = text[at - 1] != ord("\n")
            return max(1, text.count(b"\n", at))
        self._is_torn = False
        return 0


class _Tally:
    """How much went by; each is changed by one side only, so that no lock is needed."""

    def __init__(self) -> None:
        self.lines = 0
        self.bytes = 0

    def add(self, count_bytes: int, count_lines: int) -> None:
        """Take in that lines went by."""
        self.lines += count_lines
        self.bytes += count_bytes


def sink_of(stream: IO[str] | None) -> Sink:
    """Return what writes to a stream: to its descriptor, where it has one. None: what is written is gone."""
    if stream is None:
        return len
    try:
        descriptor = stream.fileno()
    except (OSError, UnsupportedOperation, AttributeError):
        return _sink_of_text(stream)
    stream.flush()
    return sink_of_descriptor(descriptor)


def sink_of_descriptor(descriptor: int) -> Sink:
    """Return what writes to a descriptor, and waits for room where it is one that does not block.

    Several processes may write to one pipe: what is no longer than PIPE_BUF is not torn by the others (pipe(7)), so
    no more than that is written at once, in whole lines. One line that is longer has to take its chance.
    """
    is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)

    def write(data: memoryview) -> int:
        part = data[: _whole_lines(data)] if is_pipe and len(data) > select.PIPE_BUF else data
        while True:
            try:
                return os.write(descriptor, part)
            except BlockingIOError:  # somebody who has the same terminal or pipe has made it so
                waiting = select.poll()
                waiting.register(descriptor, select.POLLOUT)
                waiting.poll()

    return write


def _whole_lines(data: memoryview) -> int:
    """How many bytes the lines have that may be written at once; those of the first, where that is too long."""
    count = bytes(data[: select.PIPE_BUF]).rfind(b"\n") + 1
    return count or bytes(data).find(b"\n") + 1 or len(data)


def _sink_of_text(stream: IO[str]) -> Sink:
    def write(data: memoryview) -> int:
        stream.write(bytes(data).decode(errors="backslashreplace"))
        stream.flush()
        return len(data)

    return write
