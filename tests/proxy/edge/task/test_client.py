"""The client's socket: whole writes over a socket that takes parts, the time that each may take, cancellation."""

import socket

import pytest
import trio
from edge_support import socket_pair

from proxy.edge.task import client as module
from proxy.edge.task.client import ClientGone, ClientSocket, ClientTooSlow


def receive_all(far: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            data = far.recv(65_536)
        except BlockingIOError:
            return received
        if not data:
            return received
        received += data


def fill(far: socket.socket, near: ClientSocket) -> None:
    """Leave no room for another byte."""
    sock = socket.socket(fileno=near.descriptor)
    try:
        while True:
            sock.send(b"f" * 4_096)
    except BlockingIOError:
        pass
    finally:
        sock.detach()


async def test_what_was_held_comes_first() -> None:
    with socket_pair(held=b"held") as (client, far):
        far.send(b"more")
        assert await client.receive() == b"held"
        assert await client.receive() == b"more"
        assert client.received_bytes == 4
        assert client.take_held() == b""


async def test_held_can_be_taken_once() -> None:
    with socket_pair(held=b"held") as (client, far):
        assert (client.take_held(), client.take_held()) == (b"held", b"")
        far.close()
        assert await client.receive() == b""


async def test_receive_waits() -> None:
    with socket_pair() as (client, far):
        async with trio.open_nursery() as nursery:

            async def later() -> None:
                await trio.testing.wait_all_tasks_blocked()
                far.send(b"late")

            nursery.start_soon(later)
            assert await client.receive() == b"late"


async def test_a_large_write_in_parts() -> None:
    pieces = [bytes((number % 256,)) * size for number, size in enumerate([1, 0, 700_000, 3, 0, 300_000] * 3)]
    with socket_pair() as (client, far):
        received = b""
        async with trio.open_nursery() as nursery:
            results: list[bool] = []

            async def send() -> None:
                results.append(await client.send(*pieces))

            nursery.start_soon(send)
            while len(received) < sum(map(len, pieces)):
                await trio.lowlevel.wait_readable(far)
                received += far.recv(99_999)
        assert received == b"".join(pieces)
        assert results == [False]  # it had to wait


async def test_more_pieces_than_one_call_takes() -> None:
    with socket_pair() as (client, far):
        assert await client.send(*(b"%04d" % number for number in range(3_000)))
        assert receive_all(far) == b"".join(b"%04d" % number for number in range(3_000))


async def test_nothing_is_nothing() -> None:
    with socket_pair() as (client, far):
        await client.send()
        await client.send(b"", b"")
        assert receive_all(far) == b""


async def test_a_client_that_reads_nothing(autojump_clock: trio.testing.MockClock) -> None:
    with socket_pair(write_s=3.0) as (client, far):
        fill(far, client)
        with pytest.raises(ClientTooSlow):
            await client.send(b"x")
        assert trio.current_time() == pytest.approx(3.0)


async def test_progress_gives_time_again(autojump_clock: trio.testing.MockClock) -> None:
    """Each wait has a time of its own."""
    with socket_pair(write_s=0.2) as (client, far):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, b"x" * 4_000_000)
            left = 4_000_000
            began = trio.current_time()
            while left:
                await trio.sleep(0.02)
                data = far.recv(150_000)
                left -= len(data)
        assert trio.current_time() - began > 0.3


@pytest.mark.parametrize("close", [socket.socket.close, lambda far: far.shutdown(socket.SHUT_RD)])
async def test_a_client_that_is_gone(close: object) -> None:
    with socket_pair() as (client, far):
        close(far)  # type: ignore[operator]
        with pytest.raises(ClientGone):
            await client.send(b"x")


async def test_a_client_that_resets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    with near:
        near.setblocking(False)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        with pytest.raises(ClientGone):
            await ClientSocket(near.fileno(), b"", 1.0).receive()


# ---- cancellation ----


async def test_a_cancelled_read_has_taken_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it gives way to others first."""
    monkeypatch.setattr(module, "YIELD_S", -1.0)
    with socket_pair() as (client, far):
        far.send(b"data")
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.receive()
        assert scope.cancelled_caught
        assert client.received_bytes == 0
        assert await client.receive() == b"data"


async def test_nothing_is_sent_after_half_a_message() -> None:
    with socket_pair() as (client, far):
        with trio.move_on_after(0.01) as scope:
            await client.send(b"x" * 4_000_000)
        assert scope.cancelled_caught
        receive_all(far)
        with pytest.raises(ClientGone):
            await client.send(b"another message")
        assert receive_all(far) == b""


async def test_a_write_that_was_not_begun_is_no_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled before its first byte, a message is not sent; after its last one, nobody else runs."""
    monkeypatch.setattr(module, "YIELD_S", -1.0)
    with socket_pair() as (client, far):
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.send(b"cancelled")
        assert scope.cancelled_caught
        await client.send(b"next")
        assert receive_all(far) == b"next"


async def test_it_gives_way_to_others() -> None:
    """A peer that always has more does not keep the other tasks waiting."""
    with socket_pair() as (client, far):
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            began = trio.current_time()
            while trio.current_time() - began < 0.05:
                far.send(b"x")
                await client.receive()
                await client.send(b"y")
                far.recv(1)
            nursery.cancel_scope.cancel()
        assert turns > 5


# ---- TLS ----


class Rot(int):
    """Stands for a TLS session: XOR with a number; what comes in odd lengths is not whole yet."""

    held = b""
    has_ended = False

    def decrypt(self, ciphertext: bytes, /) -> bytes:
        if b"!" in ciphertext:
            raise OSError("bad record")
        self.held += ciphertext
        if len(self.held) % 2:
            return b""
        plaintext, self.held = bytes(byte ^ self for byte in self.held), b""
        return plaintext

    def encrypt(self, plaintext: bytes, /) -> bytes:
        return bytes(byte ^ self for byte in plaintext)

    def close_notify(self) -> bytes:
        return b"(bye)"


async def test_secured() -> None:
    with socket_pair(secured=Rot(1)) as (client, far):
        await client.send(b"ab", b"cd")
        assert receive_all(far) == b"`cbe"
        far.send(b"`cb")
        with trio.move_on_after(0.01) as scope:
            await client.receive()
        assert scope.cancelled_caught  # no whole record yet; nothing is lost
        far.send(b"e")
        assert await client.receive() == b"abcd"
        assert client.received_bytes == 4  # on the wire
        await client.send_close_notify()
        await client.send_close_notify()
        assert receive_all(far) == b"(bye)"


async def test_a_record_that_is_none() -> None:
    with socket_pair(secured=Rot(1)) as (client, far):
        far.send(b"!")
        with pytest.raises(ClientGone):
            await client.receive()


async def test_without_tls_nothing_is_said_at_the_end() -> None:
    with socket_pair() as (client, far):
        await client.send_close_notify()
        assert receive_all(far) == b""
