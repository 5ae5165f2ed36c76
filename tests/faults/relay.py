"""A relay that harms what goes through it: between a client and a gateway, or a gateway and a service.

    python tests/faults/relay.py 127.0.0.1:9000 127.0.0.1:8080 latency --milliseconds 100
    python tests/faults/relay.py 127.0.0.1:9000 127.0.0.1:8080 reset --direction down --after 1000

It needs neither rights nor a kernel that can do such things, and knows nothing of what it relays. Up is from who has
connected to the target, down is back. A test arms it when it likes: bytes are counted from then on.

    latency      each piece waits, or, from the first byte on, the connection to the target does
    jitter       each piece waits for a time that is drawn
    cut          both sides see an end, in good order
    reset        both sides see a reset
    half_close   the receiver sees an end; the other direction goes on
    slow         a rate
    slicing      one byte at a time, each in a packet of its own
    black_hole   nothing more comes, and nobody is told
"""

import argparse
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Final, NamedTuple

import trio

READ_BYTES: Final = 65_536
SLICES_PER_SECOND: Final = 50
POLL_S: Final = 0.002
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for no time: close sends RST."""


class Kind(Enum):
    """What is done."""

    LATENCY = "latency"
    JITTER = "jitter"
    CUT = "cut"
    RESET = "reset"
    HALF_CLOSE = "half_close"
    SLOW = "slow"
    SLICING = "slicing"
    BLACK_HOLE = "black_hole"


class Direction(Enum):
    """Which way the bytes go that it is done to."""

    UP = "up"
    DOWN = "down"


class Fault(NamedTuple):
    """One fault. after_bytes: so many of the direction pass unharmed; bytes_per_second: for slow.

    milliseconds: of a latency; of a jitter the most.
    """

    kind: Kind
    direction: Direction = Direction.UP
    after_bytes: int = 0
    milliseconds: int = 20
    bytes_per_second: int = 16


class Ended(Exception):  # noqa: N818 - it says what is the case
    """The connection was ended, by a fault or by one of its sides."""


class Link(NamedTuple):
    """The two sockets of one connection through the relay."""

    near: trio.socket.SocketType
    far: trio.socket.SocketType

    def reset(self) -> None:
        """Close both with a reset."""
        for one in self:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.close()

    def cut(self) -> None:
        """End both in good order."""
        for one in self:
            with suppress(OSError):
                one.shutdown(socket.SHUT_WR)


class Relay:
    """Listens, connects to the target for each connection that comes, and passes bytes both ways."""

    def __init__(self, target: tuple[str, int], fault: Fault | None = None, *, seed: int = 0) -> None:
        """fault: armed from the beginning."""
        self.target = target
        self.fault = fault
        self._passed = dict.fromkeys(Direction, 0)
        self._random = random.Random(seed)
        self._is_time: Callable[[], bool] = lambda: True

    def arm(self, fault: Fault | None, is_time: Callable[[], bool] = lambda: True) -> None:
        """From now on do this, to every connection; None: nothing. is_time: what ends a connection waits for it."""
        self.fault = fault
        self._is_time = is_time
        self._passed = dict.fromkeys(Direction, 0)

    async def run(self, listener: trio.socket.SocketType) -> None:
        """Relay until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                near, _ = await listener.accept()
                nursery.start_soon(self._connection, near)

    async def _connection(self, near: trio.socket.SocketType) -> None:
        with near, trio.socket.socket() as far:
            link = Link(near, far)
            with suppress(Ended, OSError):
                await self._before_connecting(link)
                await far.connect(self.target)
                for one in link:
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, link, near, far, Direction.UP)
                    nursery.start_soon(self._pump, link, far, near, Direction.DOWN)

    async def _before_connecting(self, link: Link) -> None:
        fault = self.fault
        if fault is None or fault.after_bytes:
            return
        if fault.kind in (Kind.LATENCY, Kind.JITTER):
            await self._wait(fault)
        elif fault.kind in (Kind.CUT, Kind.RESET):
            await link.far.connect(self.target)
            await self._end(link, fault.kind)

    async def _pump(
        self, link: Link, source: trio.socket.SocketType, sink: trio.socket.SocketType, direction: Direction
    ) -> None:
        try:
            while data := await source.recv(READ_BYTES):
                await self._pass(link, sink, direction, data)
            sink.shutdown(socket.SHUT_WR)
        except ConnectionResetError:
            link.reset()
        except (OSError, Ended, trio.ClosedResourceError):
            with suppress(OSError, trio.ClosedResourceError):  # what is not read would make an end a reset
                while await source.recv(READ_BYTES):
                    pass

    async def _pass(self, link: Link, sink: trio.socket.SocketType, direction: Direction, data: bytes) -> None:
        fault = self.fault
        if fault is None or fault.direction is not direction:
            await _send(sink, data)
            return
        unharmed = max(0, fault.after_bytes - self._passed[direction])
        self._passed[direction] += len(data)
        await _send(sink, data[:unharmed])
        if unharmed < len(data):
            await self._harm(link, sink, fault, data[unharmed:])

    async def _harm(self, link: Link, sink: trio.socket.SocketType, fault: Fault, data: bytes) -> None:
        if fault.kind in (Kind.LATENCY, Kind.JITTER):
            await self._wait(fault)
            await _send(sink, data)
        elif fault.kind in (Kind.CUT, Kind.RESET):
            await self._end(link, fault.kind)
        elif fault.kind is Kind.HALF_CLOSE:
            await self._until_it_is_time()
            sink.shutdown(socket.SHUT_WR)
            raise Ended
        elif fault.kind is Kind.SLOW:
            step = max(1, fault.bytes_per_second // SLICES_PER_SECOND)
            await _send_in_slices(sink, data, step, step / fault.bytes_per_second)
        elif fault.kind is Kind.SLICING:
            await _send_in_slices(sink, data, 1, 0)
        else:
            await trio.sleep_forever()

    async def _wait(self, fault: Fault) -> None:
        milliseconds = fault.milliseconds
        await trio.sleep((milliseconds if fault.kind is Kind.LATENCY else self._random.uniform(0, milliseconds)) / 1000)

    async def _until_it_is_time(self) -> None:
        while not self._is_time():  # noqa: ASYNC110 - what it waits for has no event
            await trio.sleep(POLL_S)

    async def _end(self, link: Link, kind: Kind) -> None:
        await self._until_it_is_time()
        if kind is Kind.RESET:
            link.reset()
        else:
            link.cut()
        raise Ended


async def _send(sink: trio.socket.SocketType, data: bytes) -> None:
    while data:
        data = data[await sink.send(data) :]


async def _send_in_slices(sink: trio.socket.SocketType, data: bytes, count: int, pause_s: float) -> None:
    for at in range(0, len(data), count):
        await _send(sink, data[at : at + count])
        await trio.sleep(pause_s)


@asynccontextmanager
async def open_relay(target: tuple[str, int], fault: Fault | None = None) -> AsyncIterator[tuple[Relay, int]]:
    """Run a relay on a free port of loopback, and give it and its port."""
    relay = Relay(target, fault)
    with trio.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relay.run, listener)
            yield relay, listener.getsockname()[1]
            nursery.cancel_scope.cancel()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main(say: Callable[[str], None] = print) -> None:
    """Relay as the command line says, until interrupted."""
    parser = argparse.ArgumentParser(description="Relay connections, and harm what goes through.")
    parser.add_argument("listen", type=_address, help="host:port")
    parser.add_argument("target", type=_address, help="host:port")
    parser.add_argument("fault", type=Kind, nargs="?", help=", ".join(kind.value for kind in Kind))
    parser.add_argument("--direction", type=Direction, default=Direction.UP, help="up (default) or down")
    parser.add_argument("--after", type=int, default=0, help="so many bytes of a direction pass unharmed")
    parser.add_argument("--milliseconds", type=int, default=100, help="of a latency; of a jitter the most")
    parser.add_argument("--rate", type=int, default=1_024, help="bytes per second, for slow")
    given = parser.parse_args()
    fault = given.fault and Fault(given.fault, given.direction, given.after, given.milliseconds, given.rate)

    async def run() -> None:
        with trio.socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            await listener.bind(given.listen)
            listener.listen(64)
            say(f"{given.listen[0]}:{given.listen[1]} to {given.target[0]}:{given.target[1]}, {fault or 'no fault'}")
            await Relay(given.target, fault).run(listener)

    with suppress(KeyboardInterrupt):
        trio.run(run)


if __name__ == "__main__":
    main()
