"""Departures: the end of sockets that nobody reads."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from proxy.edge.task.departures import Departures


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours and the client's, over TCP, with something to read that nobody reads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    far.send(b"unread")
    with near, far:
        yield near, far


@pytest.fixture
async def departures(nursery: trio.Nursery) -> AsyncIterator[Departures]:
    departures = Departures()
    nursery.start_soon(departures.run)
    await wait_all_tasks_blocked()
    yield departures
    assert len(departures) == 0


def reset(far: socket.socket) -> None:
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()


def end(far: socket.socket) -> None:
    far.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("leave", [reset, end, socket.socket.close])
async def test_who_leaves_is_told_of_once(
    departures: Departures,
    sockets: tuple[socket.socket, socket.socket],
    leave: Callable[[socket.socket], None],
) -> None:
    near, far = sockets
    left = trio.Event()
    calls = []

    def call() -> None:
        calls.append(1)
        left.set()

    with departures.calling(near.fileno(), call):
        await trio.sleep(0.01)
        assert calls == []
        leave(far)
        with trio.fail_after(5):
            await left.wait()
        await trio.sleep(0.01)
    assert calls == [1]


@pytest.mark.parametrize(("leave", "count"), [(reset, 1), (end, 0)])
async def test_one_direction_may_end(
    departures: Departures,
    sockets: tuple[socket.socket, socket.socket],
    leave: Callable[[socket.socket], None],
    count: int,
) -> None:
    near, far = sockets
    calls: list[int] = []
    with departures.calling(near.fileno(), lambda: calls.append(1), may_end=True):
        leave(far)
        await trio.sleep(0.02)
    assert len(calls) == count


async def test_afterwards_nobody_is_told(departures: Departures, sockets: tuple[socket.socket, socket.socket]) -> None:
    near, far = sockets
    calls: list[int] = []
    with departures.calling(near.fileno(), lambda: calls.append(1)):
        far.close()
    await trio.sleep(0.01)
    assert calls == []
    with departures.calling(near.fileno(), lambda: calls.append(2)):  # again, and it is gone already
        await trio.sleep(0.01)
    assert calls == [2]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_it_may_end_before_those_that_it_watches(sockets: tuple[socket.socket, socket.socket]) -> None:
    near, _ = sockets
    before = open_descriptors()
    departures = Departures()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(departures.run)
        await wait_all_tasks_blocked()
        with departures.calling(near.fileno(), lambda: None):
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await wait_all_tasks_blocked()
    assert open_descriptors() == before
