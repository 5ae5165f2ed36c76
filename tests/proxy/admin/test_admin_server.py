import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from admin_support import STATE
from trio.testing import MockClock

from proxy.admin import server
from proxy.admin.connection import REQUEST_S
from proxy.admin.server import serve_admin

GET = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """The port of an admin listener that is served meanwhile."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_admin, listener, lambda: STATE)
        yield listener.getsockname()[1]
        nursery.cancel_scope.cancel()
    assert listener.fileno() == -1


async def get(stream: trio.SocketStream, path: bytes = b"health") -> bytes:
    await stream.send_all(GET.replace(b"health", path))
    return bytes(await stream.receive_some())


@pytest.mark.parametrize("path", [b"health", b"ready", b"metrics", b"services", b"routes"])
async def test_every_page_over_a_socket(path: bytes) -> None:
    async with serving() as port, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        assert (await get(stream, path)).startswith(b"HTTP/1.1 200 ")
        assert (await get(stream)).startswith(b"HTTP/1.1 200 ")


async def test_half_a_head_then_silence_is_closed_and_others_are_served(autojump_clock: MockClock) -> None:
    async with serving() as port:
        began = trio.current_time()
        async with await trio.open_tcp_stream("127.0.0.1", port) as slow:
            await slow.send_all(b"GET /health HT")
            async with await trio.open_tcp_stream("127.0.0.1", port) as other:
                assert (await get(other)).startswith(b"HTTP/1.1 200 ")
            assert await slow.receive_some() == b""
        assert trio.current_time() - began >= REQUEST_S


async def test_connections_are_bounded_and_wait_for_a_free_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 2)
    async with serving() as port:
        streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
        for stream in streams[:2]:
            assert (await get(stream)).startswith(b"HTTP/1.1 200 ")
        await streams[2].send_all(GET)
        await trio.testing.wait_all_tasks_blocked(0.01)
        with trio.move_on_after(0) as scope:
            await streams[2].receive_some()
        assert scope.cancelled_caught, "a third connection was served while two were open"
        await streams[0].aclose()
        assert (await streams[2].receive_some()).startswith(b"HTTP/1.1 200 ")
        for stream in streams[1:]:
            await stream.aclose()


async def test_a_connection_that_is_reset_frees_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 1)
    async with serving() as port:
        for _ in range(3):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            assert (await get(stream)).startswith(b"HTTP/1.1 200 ")
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await stream.aclose()
