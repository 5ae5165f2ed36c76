"""WebSocket handlers: handshake, messages, control frames, closing, and clients that break the rules."""

import struct
from typing import Any

import pytest
import trio
import trio.testing
from wsproto.events import BytesMessage, Ping, TextMessage

from penstock import RegistrationError, Service, SocketClosed, WebSocket, testing
from penstock.handshake import accept_key
from penstock.settings import load_service_settings
from penstock.testing_socket import ClientSocket, NotAccepted, handshake


class Rooms:
    """An echo, and what its handler saw."""

    def __init__(self, **options: Any) -> None:
        self.service = Service("chat", version="1.0.0")
        self.codes: list[tuple[int | None, str]] = []

        @self.service.websocket("/rooms/{room}", **options)
        async def echo(socket: WebSocket, room: str) -> None:
            try:
                async for message in socket:
                    if message == "fail":
                        raise RuntimeError
                    if message == "bye":
                        return
                    await socket.send(message if isinstance(message, bytes) else f"{room}: {message}")
            finally:
                self.codes.append((socket.close_code, socket.close_reason))


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


# ---- handshake ----


def test_the_key_of_the_rfc() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3


KEY = handshake((), compression=False)[0]

REFUSED: dict[str, tuple[list[tuple[str, str]], int, str]] = {
    "no version": ([KEY], 426, "websocket_version"),
    "other version": ([KEY, ("sec-websocket-version", "8")], 426, "websocket_version"),
    "two versions": ([KEY, *[("sec-websocket-version", "13")] * 2], 426, "websocket_version"),
    "no key": ([("sec-websocket-version", "13")], 400, "websocket_key"),
    "short key": ([("sec-websocket-key", "YWJj"), ("sec-websocket-version", "13")], 400, "websocket_key"),
    "no base64": ([("sec-websocket-key", "!" * 24), ("sec-websocket-version", "13")], 400, "websocket_key"),
    "no ascii": ([("sec-websocket-key", "\xe9" * 24), ("sec-websocket-version", "13")], 400, "websocket_key"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_handshake_that_is_wrong(rooms: Rooms, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fields, status, reason = REFUSED[case]
    monkeypatch.setattr("penstock.testing_socket.handshake", lambda *_: fields)
    with pytest.raises(NotAccepted) as raised:
        async with testing.websocket(rooms.service, "/rooms/a"):
            raise AssertionError
    response = raised.value.response
    assert (response.status, response.json()["reason"]) == (status, reason)
    assert response.headers["sec-websocket-version"] == "13"


async def test_without_an_upgrade_it_is_426(rooms: Rooms) -> None:
    response = await testing.call(rooms.service, "GET", "/rooms/a", headers=dict(handshake((), compression=False)))
    assert (response.status, response.json()["reason"]) == (426, "upgrade_required")


@pytest.mark.parametrize(
    ("offered", "chosen"), [(("v1", "v2"), "v2"), (("v1",), "v1"), (("v3",), None), ((), None), (("V1",), None)]
)
async def test_the_preferred_subprotocol_that_is_offered(offered: tuple[str, ...], chosen: str | None) -> None:
    rooms = Rooms(subprotocols=("v2", "v1"))
    async with testing.websocket(rooms.service, "/rooms/a", subprotocols=offered) as socket:
        assert socket.subprotocol == chosen


@pytest.mark.parametrize(
    ("offer", "accepted"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"),
        ("permessage-deflate; client_max_window_bits=99", None),
        ("permessage-deflate; client_max_window_bits=x", None),
        ("permessage-deflate; unheard_of", None),
        ("permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", None),
        ("permessage-deflate; unheard_of, permessage-deflate", "permessage-deflate"),
        ("x-webkit-deflate-frame", None),
        ("", None),
    ],
)
async def test_compression_as_offered(
    rooms: Rooms, offer: str, accepted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = [*handshake((), compression=False), ("sec-websocket-extensions", offer)]
    monkeypatch.setattr("penstock.testing_socket.handshake", lambda *_: fields)
    async with testing.websocket(rooms.service, "/rooms/a") as socket:
        assert socket.response.headers.get("sec-websocket-extensions") == accepted
        await socket.send("x" * 1000)
        assert await socket.receive() == "a: " + "x" * 1000


def test_the_endpoint_is_offered_as_one(rooms: Rooms) -> None:
    (endpoint,) = rooms.service.endpoints
    assert (endpoint.method, endpoint.streams, endpoint.upgrades) == ("GET", True, ("websocket",))
    (offer,) = rooms.service.hello(load_service_settings({})).listed
    assert offer.upgrades == ("websocket",)


def test_registration_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service("chat", version="1.0.0")

    def plain(socket: WebSocket) -> None:
        """Not async."""

    async def too_few(socket: WebSocket) -> None:
        """Without the path's part."""

    with pytest.raises(RegistrationError, match="async def"):
        service.websocket("/a")(plain)  # type: ignore[arg-type]
    with pytest.raises(RegistrationError, match="no parameter 'room'"):
        service.websocket("/{room}")(too_few)
    monkeypatch.setitem(__import__("sys").modules, "wsproto", None)
    with pytest.raises(RegistrationError, match=r"penstock\[websocket\]"):
        service.websocket("/a")(too_few)


# ---- messages ----


@pytest.mark.parametrize("compression", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 300_000, 1_048_576])
async def test_messages_of_any_size_come_back(rooms: Rooms, size: int, compression: bool) -> None:
    async with testing.websocket(rooms.service, "/rooms/a", compression=compression) as socket:
        data = bytes(index * 7919 % 256 for index in range(size))
        await socket.send(data)
        assert await socket.receive() == data
    assert rooms.codes == [(1000, "")]


@pytest.mark.parametrize("compression", [False, True])
async def test_many_small_messages_keep_their_order(rooms: Rooms, compression: bool) -> None:
    async with testing.websocket(rooms.service, "/rooms/é", compression=compression) as socket:
        for number in range(300):
            await socket.send(f"{number} ü")
        got = [await socket.receive() for _ in range(300)]
    assert got == [f"é: {number} ü" for number in range(300)]


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("compression", [False, True])
async def test_a_message_over_the_bound_closes_with_1009(text: bool, compression: bool) -> None:
    rooms = Rooms(message_bytes_max=1000)
    async with testing.websocket(rooms.service, "/rooms/a", compression=compression) as socket:
        await socket.send("é" * 500 if text else b"x" * 1000)
        assert await socket.receive() is not None
        await socket.send("é" * 500 + "x" if text else b"x" * 1001)
        assert await socket.receive() is None
        assert (socket.close_code, socket.close_reason) == (1009, "a message may have 1000 bytes")


async def test_a_message_in_endless_fragments_is_bounded() -> None:
    rooms = Rooms(message_bytes_max=1000)
    async with testing.websocket(rooms.service, "/rooms/a", compression=False) as socket:
        for _ in range(11):
            await raw(socket, BytesMessage(data=b"x" * 100, message_finished=False))
        assert await socket.receive() is None
        assert socket.close_code == 1009


async def test_a_bomb_is_not_blown_up(rooms: Rooms) -> None:
    async with testing.websocket(rooms.service, "/rooms/a") as socket:
        await socket.send(b"\0" * 50_000_000)
        assert await socket.receive() is None
        assert socket.close_code == 1009


async def raw(socket: ClientSocket, event: Any) -> None:
    """Send one frame as it is."""
    await socket._flow.send(socket._connection.send(event))


async def test_fragments_are_one_message(rooms: Rooms) -> None:
    async with testing.websocket(rooms.service, "/rooms/a") as socket:
        for part in ("one", "two", "three"):
            await raw(socket, TextMessage(data=part, message_finished=part == "three"))
            await raw(socket, Ping(payload=b"between"))
        assert await socket.receive() == "a: onetwothree"


async def test_pings_are_answered_and_may_be_sent(rooms: Rooms) -> None:
    async with testing.websocket(rooms.service, "/rooms/a", compression=False) as socket:
        await socket.ping(b"are you there")
        frame = b""
        while len(frame) < 15:
            frame += await socket._flow.receive() or b""
        assert frame == b"\x8a\x0dare you there"


# ---- closing ----


async def test_the_client_closes(rooms: Rooms) -> None:
    async with testing.websocket(rooms.service, "/rooms/a") as socket:
        await socket.close(4001, "enough")
        assert (socket.close_code, socket.close_reason) == (4001, "enough")
        assert await socket.receive() is None
        with pytest.raises(SocketClosed, match="4001 enough"):
            await socket.send("more")
    assert rooms.codes == [(4001, "enough")]


async def test_the_handler_returns(rooms: Rooms) -> None:
    async with testing.websocket(rooms.service, "/rooms/a") as socket:
        await socket.send("bye")
        assert await socket.receive() is None
        assert socket.close_code == 1000


async def test_the_handler_fails(rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    async with testing.websocket(rooms.service, "/rooms/a") as socket:
        await socket.send("fail")
        assert await socket.receive() is None
        assert socket.close_code == 1011
    assert "handler failed" in caplog.text


async def test_the_handler_closes_with_a_code() -> None:
    service = Service("chat", version="1.0.0")
    seen: list[object] = []

    @service.websocket("/")
    async def refuse(socket: WebSocket) -> None:
        assert socket.call is not None
        await socket.close(4003, f"not for {socket.call.tenant}")
        await socket.close(4004)  # once is enough
        seen.append(await socket.receive())
        with pytest.raises(SocketClosed) as raised:
            await socket.send("x")
        seen.append(raised.value.code)

    async with testing.websocket(service, "/", tenant="acme") as socket:
        assert await socket.receive() is None
        assert (socket.close_code, socket.close_reason) == (4003, "not for acme")
    assert seen == [None, 4003]


async def test_one_task_closes_while_another_reads() -> None:
    service = Service("chat", version="1.0.0")
    seen: list[object] = []

    @service.websocket("/")
    async def both(socket: WebSocket) -> None:
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                seen.append(await socket.receive())

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            await socket.close(4000, "enough")
        seen.append(socket.close_code)

    async with testing.websocket(service, "/") as socket:
        assert await socket.receive() is None
        assert (socket.close_code, socket.close_reason) == (4000, "enough")
    assert seen == [None, 4000]


async def test_a_client_that_is_gone_ends_the_iteration(rooms: Rooms) -> None:
    async with testing.websocket(rooms.service, "/rooms/a") as socket:
        await socket.send("hello")
        assert await socket.receive() == "a: hello"
        await socket._flow.end()  # the connection's end, without a close frame
        assert await socket.receive() is None
    assert rooms.codes == [(1006, "the client is gone")]


async def test_a_client_that_never_agrees_is_left(rooms: Rooms, autojump_clock: trio.abc.Clock) -> None:
    async with testing.websocket(rooms.service, "/rooms/a") as socket:
        await socket.send("bye")
        began = trio.current_time()
        while await socket._flow.receive() is not None:
            pass  # the close frame, and then the end: nothing is said to it
        assert 4 < trio.current_time() - began < 6
        socket.vanish()


BAD_FRAMES: dict[str, tuple[bytes, int]] = {
    "not masked": (b"\x81\x01a", 1002),
    "reserved bit": (b"\xa1\x81\0\0\0\0a", 1002),
    "unknown opcode": (b"\x83\x80\0\0\0\0", 1002),
    "long ping": (b"\x89\xfe\0\x7e\0\0\0\0" + b"x" * 126, 1002),
    "fragmented ping": (b"\x09\x80\0\0\0\0", 1002),
    "continuation of nothing": (b"\x80\x80\0\0\0\0", 1002),
    "text inside a message": (b"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b", 1002),
    "no UTF-8": (b"\x81\x81\0\0\0\0\xff", 1007),
    "half a character": (b"\x81\x81\0\0\0\0\xc3", 1007),
    "close code 1005": (b"\x88\x82\0\0\0\0" + struct.pack(">H", 1005), 1002),
    "close code 999": (b"\x88\x82\0\0\0\0" + struct.pack(">H", 999), 1002),
    "close with one byte": (b"\x88\x81\0\0\0\0a", 1002),
    "length of 2^63": (b"\x82\xff" + b"\xff" * 8 + b"\0\0\0\0", 1002),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
async def test_frames_that_break_a_rule_close_the_socket(rooms: Rooms, case: str) -> None:
    data, code = BAD_FRAMES[case]
    async with testing.websocket(rooms.service, "/rooms/a", compression=False) as socket:
        await socket._flow.send(data)
        assert await socket.receive() is None
        assert socket.close_code == code
    assert rooms.codes[0][0] == code


async def test_any_task_may_send() -> None:
    service = Service("chat", version="1.0.0")

    @service.websocket("/")
    async def many(socket: WebSocket) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(socket.send, f"{number}:" + "x" * 100_000)
            nursery.start_soon(socket.receive)

    got = []
    async with testing.websocket(service, "/") as socket:
        for _ in range(20):
            message = await socket.receive()
            assert isinstance(message, str)
            assert message.endswith(":" + "x" * 100_000)
            got.append(int(message.partition(":")[0]))
        await socket.send("done")
        assert await socket.receive() is None
    assert sorted(got) == list(range(20))


@pytest.mark.parametrize("compression", [False, True])
async def test_a_cancelled_receive_loses_nothing(rooms: Rooms, compression: bool) -> None:
    async with testing.websocket(rooms.service, "/rooms/a", compression=compression) as socket:
        with trio.CancelScope() as scope:
            scope.cancel()
            await socket.receive()
        assert scope.cancelled_caught
        await socket.send("hello")
        assert await socket.receive() == "a: hello"


async def test_after_a_send_that_was_torn_nothing_follows() -> None:
    service = Service("chat", version="1.0.0")
    scope = trio.CancelScope()
    torn = trio.Event()

    @service.websocket("/")
    async def tear(socket: WebSocket) -> None:
        with scope:
            await socket.send(b"x" * 1_000_000)  # more than the client takes unread
        with pytest.raises(SocketClosed):
            await socket.send("more")
        torn.set()

    async with testing.websocket(service, "/", compression=False) as socket:
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await torn.wait()
        socket.vanish()


async def test_a_cancelled_send_that_has_not_begun_goes_out_before_the_next() -> None:
    service = Service("chat", version="1.0.0")

    @service.websocket("/")
    async def send(socket: WebSocket) -> None:
        await socket.receive()
        socket._flow._out._yielded_at = 0.0  # the next send looks for a cancellation first
        with trio.CancelScope() as scope:
            scope.cancel()
            await socket.send("one")
        await socket.send("two")

    async with testing.websocket(service, "/") as socket:
        await socket.send("go")
        assert [await socket.receive() for _ in range(3)] == ["one", "two", None]


async def test_a_close_without_a_code(rooms: Rooms) -> None:
    async with testing.websocket(rooms.service, "/rooms/a") as socket:
        await socket._flow.send(b"\x88\x80\0\0\0\0")
        assert await socket.receive() is None
    assert rooms.codes[0][0] == 1005
