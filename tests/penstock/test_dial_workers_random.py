"""A gateway whose workers come, go, die and are told of each other late, as the seed draws it, and the one dialler of a
service. Whatever happens: a new worker is reached before the old one goes, in the end each worker is, and by one
connection; and what the dialler does itself it does not take for another process of its name.
"""

import math
import random
import socket
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from frames.fixed import encode_goaway
from frames.frame import FrameType, GoawayReason
from frames.greeting import WORKERS, Hello, Welcome, WorkerPlace, encode_welcome
from penstock.dial_workers import Dialler
from penstock.link import Link
from penstock.settings import Address

SLOTS = 3
SEED_PORT = 7420
HELLO = Hello(
    protocol=1,
    features=(WORKERS,),
    service="s",
    version="1.0.0",
    instance="i",
    heartbeat_ms=60_000,
    credit_bytes=0,
    endpoints=(),
)


def port_of(slot: int) -> int:
    return 7000 + slot


class FakeSocket:
    def __init__(self, port: int) -> None:
        self.port = port

    def getpeername(self) -> tuple[str, int]:
        return ("192.0.2.1", self.port)


class Silent:
    """Where the service's frames go."""

    def frame(self, *_: Any) -> int:
        return 0

    def close(self, _connection: int, /) -> int:
        return 0

    def flush_soon(self) -> None: ...


class Process:
    """A worker. `list` is None until it is told one: till then it does not say that it is a worker."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.slot = int(name[0])
        self.list: tuple[str, ...] | None = None
        self.accepts = True
        self.is_draining = False
        self.current: Link | None = None
        self.links: list[Link] = []

    @property
    def is_usable(self) -> bool:
        """Whether it can send the service something."""
        link = self.current
        return link is not None and link.opened.is_set() and not link.ended.is_set()


class Gateway:
    """All workers, what carries bytes to the service, and what happens to them."""

    def __init__(self, nursery: trio.Nursery, seed: int) -> None:
        self.nursery = nursery
        self.draw = random.Random(seed)
        self.processes: list[Process] = []
        self.down: dict[int, float] = {}
        """Until when nobody reaches a port."""
        self.dials: list[float] = []
        self.opened: list[Link] = []
        self.closed_by_service: list[Link] = []
        self.unusable: list[str] = []
        self.is_over = False
        self._sending: dict[Link, trio.MemorySendChannel[tuple[FrameType, bytes] | None]] = {}
        self._generations = [0] * SLOTS
        self._ending: set[Link] = set()

    # ---- the network ----

    async def connect(self, _host: str, port: int) -> Any:
        self.dials.append(trio.current_time())
        await self.pause(0.01)
        if self.down.get(port, 0) > trio.current_time():
            if self.draw.random() < 0.5:
                await trio.sleep_forever()
            raise ConnectionRefusedError(111, "Connection refused")
        return FakeSocket(port)

    def open_link(self, sock: socket.socket, name: str) -> Link:
        assert isinstance(sock, FakeSocket)
        link = Link(
            Silent(),
            len(self.opened) + 1,
            name,
            trio.current_time(),
            cancel=lambda *_: None,
            take=lambda *_: None,
            forget=self.ended_by_service,
        )
        self.opened.append(link)
        link.greet(HELLO)
        send, receive = trio.open_memory_channel[tuple[FrameType, bytes] | None](math.inf)
        self._sending[link] = send
        self.nursery.start_soon(self.carry, link, receive)
        self.nursery.start_soon(self.accept, link, sock.port)
        return link

    async def carry(self, link: Link, receive: "trio.MemoryReceiveChannel[tuple[FrameType, bytes] | None]") -> None:
        """Bring frames to the service, in their order; None: the end."""
        async for frame in receive:
            await self.pause(0.02)
            if frame is None:
                self._ending.add(link)
                link.end()
            elif not link.ended.is_set():
                link.receive(frame[0], 0, 0, frame[1], trio.current_time())

    def ended_by_service(self, link: Link) -> None:
        if link not in self._ending and link.opened.is_set():
            self.closed_by_service.append(link)

    async def accept(self, link: Link, port: int) -> None:
        """Wait in the queue of a listening socket until one of its processes takes the connection, and says WELCOME."""
        await self.pause(0.02)
        while not link.ended.is_set():
            taking = [each for each in self.processes if each.accepts and port in (SEED_PORT, port_of(each.slot))]
            if taking:
                self.greet(self.draw.choice(taking), link)
                return
            await trio.sleep(0.05)

    def greet(self, process: Process, link: Link) -> None:
        older = process.current
        process.current = link
        process.links.append(link)
        self.welcome(process, link)
        if older is not None:
            self.send(older, FrameType.GOAWAY, encode_goaway(GoawayReason.REPLACED, 1_000))
            self.nursery.start_soon(self.end_later, older)
        if process.is_draining:
            self.send(link, FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1_000))

    def welcome(self, process: Process, link: Link) -> None:
        listed = process.list
        welcome = Welcome(
            protocol=1,
            features=() if listed is None else (WORKERS,),
            gateway="gw",
            heartbeat_ms=60_000,
            credit_bytes=0,
            worker=None if listed is None else process.name,
            workers=None
            if listed is None
            else tuple(WorkerPlace(id=each, port=port_of(int(each[0]))) for each in listed),
        )
        self.send(link, FrameType.WELCOME, encode_welcome(welcome))

    def send(self, link: Link, kind: FrameType, payload: bytes) -> None:
        if not link.ended.is_set():
            self._sending[link].send_nowait((kind, payload))

    async def end_later(self, link: Link) -> None:
        await self.pause(1.0)
        self._sending[link].send_nowait(None)

    async def pause(self, most_s: float) -> None:
        await trio.sleep(self.draw.choice((0, 0, self.draw.uniform(0, most_s))))

    # ---- the supervisor ----

    def start(self, slot: int) -> Process:
        self._generations[slot] += 1
        process = Process(f"{slot}.{self._generations[slot]}")
        self.processes.append(process)
        return process

    @property
    def serving(self) -> list[Process]:
        return [each for each in self.processes if not each.is_draining]

    async def tell(self, without: Process | None = None) -> None:
        """Tell all that do not drain of those that take services."""
        taking = tuple(each.name for each in self.serving if each is not without)
        for process in self.draw.sample(self.serving, len(self.serving)):
            await self.pause(0.05)
            process.list = taking
            if process.current is not None and not process.current.ended.is_set():
                self.welcome(process, process.current)

    async def replace(self, slot: int) -> None:
        old = next(each for each in self.serving if each.slot == slot)
        new = self.start(slot)
        await self.pause(0.5)
        old.accepts = False
        await self.tell(without=old)
        with trio.move_on_after(5):
            while not new.is_usable:  # noqa: ASYNC110
                await trio.sleep(0.05)
        was_down = self.down.get(port_of(slot), -math.inf) > trio.current_time() - 20  # it is tried seldom after that
        if not new.is_usable and not was_down:
            self.unusable.append(new.name)
        old.is_draining = True
        self.nursery.start_soon(self.finish, old)

    async def finish(self, old: Process) -> None:
        await self.pause(8.0)
        if old.current is not None:
            self.send(old.current, FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1_000))
        await self.pause(1.0)
        self.end(old)

    def end(self, process: Process) -> None:
        process.accepts = False
        self.processes.remove(process)
        for link in process.links:
            self._sending[link].send_nowait(None)

    async def die(self, slot: int) -> None:
        self.end(next(each for each in self.serving if each.slot == slot))
        await self.pause(2.0)
        self.start(slot)
        await self.tell()

    async def lose(self, slot: int) -> None:
        """A connection breaks."""
        process = next(each for each in self.serving if each.slot == slot)
        if process.current is not None:
            self._sending[process.current].send_nowait(None)

    async def hide(self, slot: int) -> None:
        """A worker cannot be reached for a while."""
        self.down[port_of(slot)] = trio.current_time() + self.draw.uniform(0, 20)

    async def repeat(self, slot: int) -> None:
        """A worker says again what it has said, as when a HELLO comes again."""
        for process in self.processes:
            if process.slot == slot and process.current is not None and not process.is_draining:
                self.welcome(process, process.current)


async def work(link: Link) -> None:
    """What a service does with an open link, but for heartbeats."""
    while not link.ended.is_set():
        with trio.move_on_after(1):
            await link.ended.wait()
        link.heard_at = trio.current_time()
        link.check_time(trio.current_time())


async def story(gateway: Gateway, clock: MockClock) -> None:
    for slot in range(SLOTS):
        gateway.start(slot)
    dialler = Dialler(Address("gw.test", SEED_PORT), gateway.open_link, work, connect=gateway.connect)

    async def dial() -> None:
        await dialler.run()
        gateway.is_over = True

    gateway.nursery.start_soon(dial)
    await gateway.pause(0.5)
    await gateway.tell()
    operations: list[Callable[[int], Any]] = [gateway.replace, gateway.die, gateway.lose, gateway.hide, gateway.repeat]
    for _ in range(25):
        await gateway.draw.choices(operations, (8, 2, 2, 1, 2))[0](gateway.draw.randrange(SLOTS))
        await gateway.pause(3.0)
    await trio.sleep(60)  # the longest time between two tries, and whoever was down


@pytest.mark.parametrize("seed", range(40))
async def test_each_worker_is_reached_by_one_connection_in_the_end(seed: int, autojump_clock: MockClock) -> None:
    random.seed(seed)  # that of the backoff
    async with trio.open_nursery() as nursery:
        gateway = Gateway(nursery, seed)
        await story(gateway, autojump_clock)
        assert not gateway.is_over
        assert not gateway.unusable
        assert not gateway.closed_by_service
        assert len(gateway.processes) == SLOTS
        assert all(process.is_usable for process in gateway.processes)
        assert all(process.current is not None and not process.current.is_going for process in gateway.processes)
        assert sum(not link.ended.is_set() for link in gateway.opened) == SLOTS
        assert not [at for at in gateway.dials if at > trio.current_time() - 20]
        assert len(gateway.dials) < 400
        nursery.cancel_scope.cancel()
