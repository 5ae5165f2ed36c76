"""Feeding many connections at once, each in pieces, in step with a gateway that runs in the same Trio run.

Pieces are kept apart by letting the gateway run between them: what is sent over loopback is there at once, and a few
turns of the scheduler are enough for it to be taken in. No clock is asked. If a turn were missed, two pieces would come
as one, which must make no difference.
"""

import re
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import trio
from lab_client import WAIT_S

CONNECTIONS_AT_ONCE = 200
_TURNS = 4
_FINAL = re.compile(rb"HTTP/1\.1 [2-5]")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Run:
    """What one connection is fed: bytes in pieces that end at the cuts. ends: then the sending side is closed."""

    data: bytes
    cuts: tuple[int, ...] = ()
    ends: bool = False

    @property
    def pieces(self) -> list[bytes]:
        bounds = [0, *self.cuts, len(self.data)]
        return [self.data[start:end] for start, end in pairwise(bounds)]


class Outcome(NamedTuple):
    """What came on a connection. is_reset: its end was a reset; is_open: it never ended."""

    came: bytes
    is_reset: bool = False
    is_open: bool = False


async def let_run() -> None:
    """Let everything else run until it has taken in what was sent."""
    for _ in range(_TURNS):
        await trio.lowlevel.checkpoint()


class Connection:
    """A plain socket: for thousands of them, a stream each would take longer than the gateway does."""

    def __init__(self, address: tuple[str, int], number: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((f"127.0.0.{2 + number % 200}", 0))  # no address runs out of ports
        self.socket.connect(address)
        self.socket.setblocking(False)
        self.is_reset = False
        self.came = bytearray()
        self._can_send = True

    async def send(self, data: bytes) -> None:
        while data and self._can_send:
            try:
                data = data[self.socket.send(data) :]
            except BlockingIOError:
                self._take()  # it may wait for us to read
                await trio.lowlevel.checkpoint()
            except (BrokenPipeError, ConnectionResetError):
                self._can_send = False

    def end(self) -> None:
        """Close the sending side."""
        if self._can_send:
            with suppress(OSError):  # it is gone already
                self.socket.shutdown(socket.SHUT_WR)

    def _take(self) -> bool:
        """Take what is there. Returns False when nothing will come any more."""
        try:
            while data := self.socket.recv(65536):
                self.came += data
        except BlockingIOError:
            return True
        except ConnectionResetError:
            self.is_reset = True
        return False

    async def end_after(self, count: int) -> None:
        """Close the sending side when so many final answers have come, or the other side has closed."""
        with trio.move_on_after(WAIT_S):
            while self._take() and len(_FINAL.findall(self.came)) < count:
                await trio.lowlevel.wait_readable(self.socket)
        self.end()

    async def finish(self) -> bytes:
        """Return all that came, once the other side has closed."""
        while self._take():
            await trio.lowlevel.wait_readable(self.socket)
        return bytes(self.came)

    def close(self) -> None:
        self.socket.close()


async def feed(address: tuple[str, int], runs: Sequence[Run]) -> list[Outcome]:
    """Return how each connection went on until the gateway closed it."""
    outcomes: list[Outcome] = []
    for start in range(0, len(runs), CONNECTIONS_AT_ONCE):
        outcomes += await _feed_some(address, runs[start : start + CONNECTIONS_AT_ONCE])
    return outcomes


async def feed_until(address: tuple[str, int], runs: Sequence[Run], counts: Sequence[int | None]) -> list[Outcome]:
    """Feed all runs at once; end each when so many answers have come (None: never). Returns as feed does."""
    return await _feed_some(address, runs, counts)


async def _feed_some(address: tuple[str, int], runs: Sequence[Run], counts: Sequence[int | None] = ()) -> list[Outcome]:
    connections = [Connection(address, number) for number in range(len(runs))]
    pieces = [run.pieces for run in runs]
    try:
        for step in range(max(map(len, pieces))):
            for connection, parts in zip(connections, pieces, strict=True):
                if step < len(parts):
                    await connection.send(parts[step])
            await let_run()
        for connection, run in zip(connections, runs, strict=True):
            if run.ends:
                connection.end()
        for connection, count in zip(connections, counts, strict=False):
            if count is not None:
                await connection.end_after(count)
        outcomes: list[Outcome] = []
        for connection in connections:
            with trio.move_on_after(WAIT_S) as waited:
                await connection.finish()
            outcomes.append(Outcome(bytes(connection.came), connection.is_reset, waited.cancelled_caught))
        return outcomes
    finally:
        for connection in connections:
            connection.close()
