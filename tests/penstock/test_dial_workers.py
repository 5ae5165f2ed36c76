"""Dialling the workers of a gateway, with a clock that jumps: who is dialled when, and what one does to the others."""

import logging
import socket
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from frames.fixed import encode_fault, encode_goaway
from frames.frame import FaultCode, FrameType, GoawayReason
from frames.greeting import WORKERS, Hello, Welcome, WorkerPlace, encode_welcome
from penstock.dial import Backoff
from penstock.dial_workers import Dialler
from penstock.link import Link
from penstock.settings import Address

SEED = Address("gw.test", 7420)
HOST = "192.0.2.1"
HELLO = Hello(
    protocol=1,
    features=(WORKERS,),
    service="s",
    version="1.0.0",
    instance="i",
    heartbeat_ms=1000,
    credit_bytes=0,
    endpoints=(),
)


class FakeSocket:
    """Is connected to a port of the gateway."""

    def __init__(self, port: int) -> None:
        self.port = port

    def getpeername(self) -> tuple[str, int]:
        return (HOST, self.port)


class Silent:
    """Takes nothing amiss, and keeps nothing."""

    def frame(self, *_: Any) -> int:
        return 0

    def close(self, _connection: int, /) -> int:
        return 0

    def flush_soon(self) -> None: ...


class World:
    """A gateway whose workers the test starts and ends: by port, which worker answers there."""

    def __init__(self) -> None:
        self.at: dict[int, str | None] = {}
        """By port: who answers; None: nobody says WELCOME. A port that is not there refuses."""
        self.list: tuple[str, ...] = ()
        self.dialled: list[tuple[float, str]] = []
        self.links: dict[int, tuple[str, Link]] = {}
        self.is_over = False
        self.is_leaving = False
        self._began = trio.current_time()
        self._connections = 0

    def places(self) -> tuple[WorkerPlace, ...]:
        return tuple(WorkerPlace(id=each, port=7000 + int(each.split(".")[0])) for each in self.list)

    async def connect(self, host: str, port: int) -> Any:
        self.dialled.append((round(trio.current_time() - self._began, 1), f"{host}:{port}"))
        if port not in self.at:
            raise ConnectionRefusedError(111, "Connection refused")
        return FakeSocket(port)

    def open_link(self, sock: socket.socket, name: str) -> Link:
        assert isinstance(sock, FakeSocket)
        self._connections += 1
        link = Link(
            Silent(),
            self._connections,
            name,
            trio.current_time(),
            cancel=lambda *_: None,
            take=lambda *_: None,
            forget=lambda link: self.links.pop(link.connection, None) and None,
        )
        link.greet(HELLO)
        worker = self.at[sock.port]
        self.links[link.connection] = (worker or "", link)
        if worker is not None:
            self.welcome(link, worker)
        return link

    def welcome(self, link: Link, worker: str) -> None:
        welcome = Welcome(
            protocol=1,
            features=(WORKERS,) if worker != "plain" else (),
            gateway="gw",
            heartbeat_ms=1000,
            credit_bytes=0,
            worker=worker if worker != "plain" else None,
            workers=self.places() if worker != "plain" else None,
        )
        link.receive(FrameType.WELCOME, 0, 0, encode_welcome(welcome), trio.current_time())

    def tell(self, *workers: str) -> None:
        """The list of the workers is another one now: all who are there say so."""
        self.list = workers
        for worker, link in list(self.links.values()):
            if worker:
                self.welcome(link, worker)

    def goaway(self, worker: str, reason: GoawayReason = GoawayReason.SHUTDOWN) -> Link:
        link = next(link for name, link in self.links.values() if name == worker)
        link.receive(FrameType.GOAWAY, 0, 0, encode_goaway(reason, 1000), trio.current_time())
        return link

    def end(self, worker: str) -> None:
        next(link for name, link in self.links.values() if name == worker).end()

    @property
    def reached(self) -> list[str]:
        return sorted(worker for worker, link in self.links.values() if link.opened.is_set())

    async def work(self, link: Link) -> None:
        await link.ended.wait()

    async def run(self) -> None:
        await Dialler(
            SEED,
            self.open_link,
            self.work,
            make_backoff=lambda: Backoff(lambda _, high: high),
            connect=self.connect,
            is_leaving=lambda: self.is_leaving,
        ).run()
        self.is_over = True


@pytest.fixture
async def world(nursery: trio.Nursery, autojump_clock: MockClock) -> World:
    """Two workers, which are both reached after a tenth of a second."""
    world = World()
    world.at = {7420: "1.1", 7000: "0.1", 7001: "1.1"}
    world.list = ("0.1", "1.1")
    nursery.start_soon(world.run)
    await trio.sleep(0.2)
    assert world.reached == ["0.1", "1.1"]
    return world


async def test_all_workers_are_reached_after_the_first_and_at_the_address_that_was_dialled(
    world: World, autojump_clock: MockClock
) -> None:
    assert world.dialled == [(0.0, "gw.test:7420"), (0.1, f"{HOST}:7000")]
    await trio.sleep(100)
    assert len(world.dialled) == 2


async def test_a_worker_that_dies_is_dialled_alone_and_its_successor_is_taken_for_it(
    world: World, autojump_clock: MockClock
) -> None:
    world.at[7000] = "0.2"
    world.end("0.1")
    world.list = ("0.2", "1.1")  # what the new one says
    await trio.sleep(0.25)
    assert world.reached == ["0.2", "1.1"]
    assert world.dialled[2:] == [(0.4, f"{HOST}:7000")]
    world.tell("0.2", "1.1")
    await trio.sleep(100)
    assert len(world.dialled) == 3


async def test_one_that_cannot_be_reached_is_tried_for_ever_and_hurts_nobody(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "penstock.dial")
    world.tell("0.1", "1.1", "2.1")
    await trio.sleep(60)
    assert world.reached == ["0.1", "1.1"]
    tries = [at for at, where in world.dialled if where == f"{HOST}:7002"]
    assert len(tries) > 10
    assert tries[-1] > 50
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"gateway {HOST}:7002: cannot be reached: Connection refused" in record.getMessage()
    assert "services.advertised_host" in record.getMessage()
    world.at[7002] = "2.1"
    await trio.sleep(11)
    assert world.reached == ["0.1", "1.1", "2.1"]


async def test_one_that_is_in_no_list_any_more_is_not_tried_any_more(world: World, autojump_clock: MockClock) -> None:
    world.tell("0.1", "1.1", "2.1")
    await trio.sleep(5)
    world.tell("0.1", "1.1")
    await wait_all_tasks_blocked()
    count = len(world.dialled)
    await trio.sleep(60)
    assert len(world.dialled) == count


async def test_a_worker_that_is_replaced_is_left_to_finish_and_not_dialled_again(
    world: World, autojump_clock: MockClock
) -> None:
    world.at[7000] = "0.2"
    world.tell("0.1", "1.1", "0.2")
    await trio.sleep(1)
    assert world.reached == ["0.1", "0.2", "1.1"]  # the new one is there before the old one goes
    world.tell("1.1", "0.2")
    link = world.goaway("0.1")
    await wait_all_tasks_blocked()
    assert not link.ended.is_set()
    link.end()
    await trio.sleep(60)
    assert world.reached == ["0.2", "1.1"]
    assert len(world.dialled) == 3


async def test_a_process_that_is_about_to_end_dials_nobody_any_more(world: World, autojump_clock: MockClock) -> None:
    world.tell("0.1", "1.1", "2.1")
    await trio.sleep(1)
    world.is_leaving = True
    world.at[7002] = "2.1"
    world.tell("0.1", "1.1", "2.1", "2.2")
    world.end("0.1")
    await wait_all_tasks_blocked()
    count = len(world.dialled)
    world.end("1.1")
    await trio.sleep(60)
    assert len(world.dialled) == count
    assert not world.is_over


async def test_when_nobody_is_left_the_gateway_is_sought_where_it_was_at_first(
    world: World, autojump_clock: MockClock
) -> None:
    world.at = {7420: "5.1", 7005: "5.1"}
    world.list = ("5.1",)
    world.end("0.1")
    world.end("1.1")
    await trio.sleep(1)
    assert world.reached == ["5.1"]
    assert {where for _, where in world.dialled[2:]} == {"gw.test:7420"}


async def test_when_all_say_that_they_go_the_gateway_is_sought_while_they_finish(
    world: World, autojump_clock: MockClock
) -> None:
    world.at = {7420: "0.9"}
    world.list = ("0.9",)
    finishing = [world.goaway("0.1"), world.goaway("1.1")]
    await trio.sleep(1)
    assert "0.9" in world.reached
    assert not any(link.ended.is_set() for link in finishing)


async def test_a_dial_that_reaches_another_worker_than_meant_goes_on_until_it_reaches_the_right_one(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world.tell("0.1", "1.1", "0.2")  # the old worker of the slot still answers at its port
    await trio.sleep(0.15)
    assert world.reached == ["0.1", "0.1", "1.1"]
    world.goaway("0.1", GoawayReason.REPLACED).end()  # the older of the two connections
    world.at[7000] = "0.2"
    await trio.sleep(5)
    assert world.reached == ["0.1", "0.2", "1.1"]
    assert not world.is_over
    assert "PENSTOCK_INSTANCE" not in caplog.text


async def test_a_worker_that_welcomes_and_goes_away_in_one_breath_has_replaced_the_older_connection(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world.at[7002] = None
    world.tell("0.1", "1.1", "2.1")
    await trio.sleep(0.15)
    older = world.goaway("0.1", GoawayReason.REPLACED)
    newer = next(link for worker, link in world.links.values() if not worker)
    world.welcome(newer, "0.1")
    newer.receive(FrameType.GOAWAY, 0, 0, encode_goaway(GoawayReason.SHUTDOWN, 1000), trio.current_time())
    await wait_all_tasks_blocked()
    older.end()
    await trio.sleep(5)
    assert not world.is_over
    assert "PENSTOCK_INSTANCE" not in caplog.text


async def test_a_new_worker_that_does_not_know_yet_which_one_it_is_is_dialled_once(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world.at[7002] = "plain"
    world.tell("0.1", "1.1", "2.1")
    await trio.sleep(5)
    assert world.reached == ["0.1", "1.1", "plain"]
    link = next(link for worker, link in world.links.values() if worker == "plain")
    world.welcome(link, "2.1")
    await trio.sleep(60)
    assert len(world.dialled) == 3
    link.end()
    await trio.sleep(5)
    assert len(world.dialled) == 4
    assert not world.is_over


async def test_who_says_only_later_which_worker_it_is_may_be_a_second_connection_to_one(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world.at[7002] = "plain"
    world.tell("0.1", "1.1", "2.1")
    await trio.sleep(0.15)
    (newer,) = [link for worker, link in world.links.values() if worker == "plain"]
    older = world.goaway("0.1", GoawayReason.REPLACED)
    world.welcome(newer, "0.1")
    older.end()
    await trio.sleep(5)
    assert not world.is_over
    assert "PENSTOCK_INSTANCE" not in caplog.text


async def test_a_goaway_that_comes_before_the_welcome_of_the_newer_connection_is_understood_when_it_is_there(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world.at[7000] = None  # it will say WELCOME later
    world.tell("0.1", "1.1", "0.2")
    await trio.sleep(0.15)
    older = world.goaway("0.1", GoawayReason.REPLACED)
    newer = next(link for worker, link in world.links.values() if not worker)
    world.welcome(newer, "0.1")
    await wait_all_tasks_blocked()
    older.end()
    await trio.sleep(5)
    assert not world.is_over
    assert "PENSTOCK_INSTANCE" not in caplog.text


async def test_another_process_with_our_name_is_given_way_to_by_all_links(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world.goaway("0.1", GoawayReason.REPLACED)
    await trio.sleep(3)
    assert len(world.dialled) == 2  # nobody is dialled while it may be one of ours
    world.end("0.1")
    await trio.sleep(3)
    assert world.reached == ["1.1"]
    assert not world.is_over
    world.goaway("1.1", GoawayReason.REPLACED).end()
    await trio.sleep(3)
    assert world.is_over
    assert len(world.dialled) == 2
    assert caplog.text.count("PENSTOCK_INSTANCE") == 1


async def test_a_worker_that_will_not_have_us_is_tried_slowly_while_the_others_serve(
    world: World, autojump_clock: MockClock
) -> None:
    world.at[7002] = None
    world.tell("0.1", "1.1", "2.1")
    for _ in range(3):
        await trio.sleep(10.5)
        for worker, link in list(world.links.values()):
            if not worker:
                link.receive(FrameType.FAULT, 0, 0, encode_fault(FaultCode.FORBIDDEN, "no"), trio.current_time())
    tries = [at for at, where in world.dialled if where == f"{HOST}:7002"]
    assert 2 <= len(tries) <= 6
    assert world.reached == ["0.1", "1.1"]


async def test_a_greeting_is_finished_though_nobody_wants_it_any_more(world: World, autojump_clock: MockClock) -> None:
    world.at[7002] = None
    world.tell("0.1", "1.1", "2.1")
    await trio.sleep(0.15)
    greeted = next(link for worker, link in world.links.values() if not worker)
    world.tell("0.1", "1.1")
    await trio.sleep(1)
    assert not greeted.ended.is_set()  # the gateway may have sent a call already
    world.welcome(greeted, "2.1")
    await trio.sleep(10)
    assert not greeted.ended.is_set()


async def test_a_gateway_of_one_process_is_one_connection(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    world = World()
    world.at = {7420: "plain"}
    nursery.start_soon(world.run)
    await trio.sleep(1)
    world.goaway("plain")
    await trio.sleep(0.5)
    assert len(world.dialled) == 1  # as always: it is dialled again when it has gone
    world.end("plain")
    await trio.sleep(1)
    assert [where for _, where in world.dialled] == ["gw.test:7420"] * 2


async def test_a_socket_that_is_closed_at_once_is_a_try_in_vain(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    world, closed = World(), list[int]()

    class Gone(FakeSocket):
        def getpeername(self) -> tuple[str, int]:
            raise OSError(107, "Transport endpoint is not connected")

        def close(self) -> None:
            closed.append(self.port)

    async def connect(_host: str, port: int) -> Any:
        world.dialled.append((0.0, ""))
        return Gone(port)

    setattr(world, "connect", connect)  # noqa: B010
    nursery.start_soon(world.run)
    await trio.sleep(0.5)
    assert len(world.dialled) == len(closed) == 3
    assert not world.links


async def test_a_link_that_was_good_makes_the_next_try_soon_again(world: World, autojump_clock: MockClock) -> None:
    world.tell("0.1", "1.1", "2.1")
    await trio.sleep(30)  # tried in vain, and now seldom
    world.at[7002] = "2.1"
    await trio.sleep(30)
    at = trio.current_time()
    world.end("2.1")
    await trio.sleep(0.3)
    assert "2.1" in world.reached
    assert trio.current_time() - at < 0.5
