"""Exchanges that are cancelled at every point that they pass, by all who can: nothing is left, and the next is well.

Ways in which bodies go: an echo, a download, an upload, a gathered body, a WebSocket. Who ends them: the client
(closes, resets, ends its direction), the service (is lost, aborts, refuses), time, and whoever cancels their task.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress

import h11
import pytest
import trio
import trio.lowlevel
from lab import Lab, open_lab, until
from lab_client import WAIT_S, Client, request
from lab_service import Asked, RawService, streaming
from lab_streams import (
    CLOSE_MESSAGE,
    HELLO_ANSWER,
    HELLO_MESSAGE,
    PIECE,
    UPGRADE,
    Flows,
    Reader,
    chunked,
    reset,
    serve_flows,
)

from frames.codec import encode_cancel, encode_refused
from frames.frame import END, CancelReason, FieldId, FrameType, RefusedReason
from proxy.edge.task import client as client_module

Steps = AsyncIterator[None]


async def echo(client: Client, reader: Reader) -> Steps:
    """An upload and a download in one."""
    await client.send(chunked("POST", "/echo", last=b""))
    yield
    for _ in range(3):
        await client.send(b"a000\r\n" + b"x" * 40_960 + b"\r\n")
        yield
    await client.send(b"0\r\n\r\n")
    yield
    await reader.head()
    yield
    while await reader.chunk():
        pass
    await reader.until(b"\r\n")


async def download(client: Client, reader: Reader) -> Steps:
    await client.send(request("GET", "/down/20"))
    yield
    await reader.head()
    yield
    for _ in range(4):
        assert await reader.exactly(5 * len(PIECE)) == PIECE * 5
        yield


async def upload(client: Client, reader: Reader) -> Steps:
    await client.send(request("PUT", "/up", "Content-Length: 200000"))
    yield
    for _ in range(4):
        await client.send(b"x" * 50_000)
        yield
    await reader.until(b'{"bytes":200000}')


async def gathered(client: Client, reader: Reader) -> Steps:
    await client.send(chunked("PUT", "/gathered", last=b""))
    yield
    for _ in range(3):
        await client.send(b"a000\r\n" + b"x" * 40_960 + b"\r\n")
        yield
    await client.send(b"0\r\n\r\n")
    yield
    await reader.until(b'{"bytes":122880}')


async def tunnel(client: Client, reader: Reader) -> Steps:
    await client.send(UPGRADE)
    yield
    await reader.head()
    yield
    for _ in range(2):
        await client.send(HELLO_MESSAGE)
        yield
        assert await reader.exactly(len(HELLO_ANSWER)) == HELLO_ANSWER
        yield
    await client.send(CLOSE_MESSAGE)
    yield
    await reader.rest()


WAYS: dict[str, Callable[[Client, Reader], Steps]] = {
    "echo": echo,
    "download": download,
    "upload": upload,
    "gathered": gathered,
    "tunnel": tunnel,
}


class Broken(Exception):  # noqa: N818 - it says what is the case
    """The gateway has ended the exchange."""


async def run(steps: Steps, count: int | None = None) -> bool:
    """Take that many steps, or all; False when there are not so many. Raises `Broken`."""
    taken = 0
    async with aclosing(steps):  # type: ignore[type-var]
        try:
            async for _ in steps:
                taken += 1
                if taken == count:
                    return True
        except (trio.BrokenResourceError, AssertionError) as error:
            raise Broken from error
    return count is None


async def nothing_is_left(lab: Lab, flows: Flows) -> None:
    """Nothing of it, here or at the service; and the same service answers a new client."""
    await lab.census()
    await until(lambda: not flows.running)
    client = await lab.client()
    await client.send(chunked("PUT", "/up", b"abc") + request("GET", "/plain"))
    assert (await client.answer()).json() == {"bytes": 3}
    assert (await client.answer()).body == b"plain"
    await client.aclose()


@pytest.fixture
async def flows(lab: Lab) -> Flows:
    return await serve_flows(lab)


# ---- by the client ----


async def end_direction(client: Client) -> None:
    await client.stream.send_eof()


async def close(client: Client) -> None:
    await client.aclose()


async def close_with_reset(client: Client) -> None:
    reset(client)


@pytest.mark.parametrize("leave", [close, close_with_reset, end_direction])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_by_the_client(
    lab: Lab, flows: Flows, way: Callable[[Client, Reader], Steps], leave: Callable[[Client], object]
) -> None:
    count = 1
    while True:
        client = await lab.client()
        if not await run(way(client, Reader(client)), count):
            break
        await leave(client)  # type: ignore[misc]
        if leave is end_direction:
            await lab.census() if way is not tunnel else await trio.lowlevel.checkpoint()
        await client.aclose()
        await nothing_is_left(lab, flows)
        count += 1
    assert count > 4
    assert set(lab.reasons) <= {"client_gone"}


@pytest.mark.parametrize("target", ["/down/1", "/down/0", "/plain", "/nowhere"])
async def test_who_leaves_with_the_answer_has_got_it(
    lab: Lab, flows: Flows, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Whoever runs first after the last byte was written."""
    monkeypatch.setattr(client_module, "YIELD_S", -1.0)  # others run at every chance
    for _ in range(20):
        client = await lab.client()
        await client.send(request("GET", target))
        assert (await client.answer()).status in (200, 404)
        await client.aclose()
    await lab.census()
    assert set(lab.reasons) <= {"no_route"}


# ---- by whoever cancels its task ----


class CancelAtStep(trio.abc.Instrument):
    """Calls something once, when tasks of the lane have taken so many steps."""

    def __init__(self, lab: Lab, number: int, call: Callable[[trio.lowlevel.Task], None]) -> None:
        self.left = number
        self._call = call
        self._nursery = lab.gateway.tasks._hand_over._nursery

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        root: trio.lowlevel.Task | None = task
        while root is not None and root.parent_nursery is not self._nursery:
            root = root.parent_nursery.parent_task if root.parent_nursery else None
        if root is not None:
            self.left -= 1
            if not self.left:
                self._call(root)


def is_whole_answer(data: bytes) -> bool:
    """Whether a client would take these bytes for a whole answer of the service."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("host", "edge")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(data)
    status = 0
    with suppress(h11.RemoteProtocolError):
        while (event := reader.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Response):
                status = event.status_code
            if isinstance(event, h11.EndOfMessage):
                return status == 200
            if isinstance(event, h11.ConnectionClosed):
                return False
    return False


class Recorded(Reader):
    """Keeps all that came."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.consumed = b""

    async def until(self, end: bytes) -> bytes:
        found = await super().until(end)
        self.consumed += found
        return found

    async def exactly(self, byte_count: int) -> bytes:
        found = await super().exactly(byte_count)
        self.consumed += found
        return found


@pytest.mark.parametrize("how", ["cancelled", "given up"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_at_each_checkpoint(
    lab: Lab, flows: Flows, way: Callable[[Client, Reader], Steps], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over = lab.gateway.tasks._hand_over
    guard, scopes = hand_over._guard, {}

    async def in_a_scope(*args: object) -> None:
        task = trio.lowlevel.current_task()
        with trio.CancelScope() as scopes[task]:
            await guard(*args)  # type: ignore[arg-type]
        del scopes[task]

    monkeypatch.setattr(hand_over, "_guard", in_a_scope)

    def end(root: trio.lowlevel.Task) -> None:
        if how == "given up":
            lab.gateway.tasks.give_up_all()
        elif root in scopes:
            scopes[root].cancel()

    number = 0
    while True:
        number += 1
        client = await lab.client()
        reader = Recorded(client)
        instrument = CancelAtStep(lab, number, end)
        trio.lowlevel.add_instrument(instrument)
        try:
            with trio.fail_after(WAIT_S):
                await run(way(client, reader))
        except Broken:
            with suppress(trio.BrokenResourceError):
                await reader.rest()
            came = reader.consumed + reader.held
            assert way is tunnel or not is_whole_answer(came), came[:200]
        finally:
            trio.lowlevel.remove_instrument(instrument)
        await client.aclose()
        await nothing_is_left(lab, flows)
        if instrument.left > 0:
            break
    assert number > 2


# ---- by the service ----

FIELDS_OF_100_KB = [(FieldId.BODY_LENGTH, b"", b"100000")]


async def asked_only(service: RawService, asked: Asked) -> None:
    pass


async def with_interim(service: RawService, asked: Asked) -> None:
    await service.respond(asked, 103, flags=0)


async def with_head(service: RawService, asked: Asked) -> None:
    await service.respond(asked, fields=FIELDS_OF_100_KB, flags=0)


async def with_half(service: RawService, asked: Asked) -> None:
    await service.respond(asked, flags=0)
    await service.data(asked, b"x" * 50_000)


async def lose(service: RawService, asked: Asked) -> None:
    await service.aclose()


async def abort(service: RawService, asked: Asked) -> None:
    await service.send(FrameType.CANCEL, encode_cancel(CancelReason.ABORTED), exchange=asked.exchange)


async def refuse(service: RawService, asked: Asked) -> None:
    await service.send(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED, 0), exchange=asked.exchange)


ASKED_BY = {
    "download": request("GET", "/down"),
    "upload": chunked("PUT", "/up", b"abc"),
    "upload without end": chunked("PUT", "/up", b"abc", last=b""),
    "plain": request("PUT", "/up", body=b"abc"),
}


@pytest.mark.parametrize("end", [lose, abort, refuse])
@pytest.mark.parametrize("stage", [asked_only, with_interim, with_head, with_half])
@pytest.mark.parametrize("data", ASKED_BY.values(), ids=ASKED_BY)
async def test_by_the_service(
    lab_without_retries: Lab,
    data: bytes,
    stage: Callable[[RawService, Asked], object],
    end: Callable[[RawService, Asked], object],
) -> None:
    lab = lab_without_retries
    service, client = await lab.raw(**streaming("GET /down", "PUT /up")), await lab.client()
    await client.send(data)
    asked = await service.asked()
    await stage(service, asked)  # type: ignore[misc]
    reader = Reader(client)
    if stage is not asked_only:
        await reader.head()
    await end(service, asked)  # type: ignore[misc]
    if stage in (asked_only, with_interim):
        answer = await client.answer() if stage is asked_only else None
        head = (await reader.head()) if answer is None else b"HTTP/1.1 %d " % answer.status
        is_refused = end is refuse and stage is asked_only  # after any RESPONSE it must not be
        assert head.startswith(b"HTTP/1.1 503 " if is_refused else b"HTTP/1.1 502 ")
    else:
        _, is_orderly = await reader.rest()
        assert not is_orderly
    await client.aclose()
    await lab.census()
    if end is lose:
        service = await lab.raw(**streaming("GET /down", "PUT /up"))
    other = await lab.client()
    await other.send(request("GET", "/down"))
    while True:
        _, again = await service.next()
        if again is not None:
            break
    await service.respond(again, body=b"next")
    assert (await other.answer()).body == b"next"


@pytest.mark.parametrize("end", [lose, abort])
async def test_a_tunnel_by_the_service(lab: Lab, end: Callable[[RawService, Asked], object]) -> None:
    service, client = await lab.raw(**streaming("GET /chat", upgrades=("websocket",))), await lab.client()
    await client.send(UPGRADE)
    asked = await service.asked()
    await service.respond(asked, 101, flags=0)
    await service.data(asked, b"words")
    reader = Reader(client)
    await reader.until(b"words")
    await end(service, asked)  # type: ignore[misc]
    assert await reader.rest() == (b"", False)
    assert lab.reasons == {"response_aborted": 1}


# ---- by time ----


async def test_by_the_deadline_before_the_head() -> None:
    async with open_lab(edge_deadline="60ms") as lab:
        service = await lab.raw(**streaming("GET /down", "PUT /up"))
        for data in (request("GET", "/down"), chunked("PUT", "/up", b"abc"), request("PUT", "/up", body=b"abc")):
            client = await lab.client()
            await client.send(data + request("GET", "/down"))
            asked = await service.asked()
            await service.read_body(asked) if b"chunked" in data else None
            answer = await client.answer()
            assert (answer.status, answer.reason) == (504, "deadline")
            assert await service.cancelled() == (asked.exchange, CancelReason.DEADLINE)  # once
            asked = await service.asked()  # the connection goes on
            await service.respond(asked, body=b"next")
            assert (await client.answer()).body == b"next"
            await lab.census()
        assert lab.reasons == {"deadline": 3}


async def test_a_gathered_body_by_the_deadline() -> None:
    async with open_lab(edge_deadline="60ms") as lab:
        service, client = await lab.raw("PUT /gathered"), await lab.client()
        await client.send(chunked("PUT", "/gathered", b"abc", last=b""))
        answer = await client.answer()
        assert (answer.status, answer.reason, answer.headers[b"connection"]) == (408, "body_timeout", b"close")
        await client.ended()
        client = await lab.client()
        await client.send(chunked("PUT", "/gathered", b"abc", last=b""))
        await until(lambda: lab.count("handed_over_now") == 1)
        await client.send(b"0\r\n\r\n")
        asked = await service.asked()
        assert asked.remaining_ms <= 60
        assert (await client.answer()).reason == "deadline"
        assert await service.cancelled() == (asked.exchange, CancelReason.DEADLINE)


async def test_no_deadline_holds_while_a_body_comes_or_after_the_head() -> None:
    async with open_lab(edge_deadline="40ms") as lab:
        service, client = await lab.raw(**streaming("POST /echo")), await lab.client()
        await client.send(chunked("POST", "/echo", b"abc", last=b""))
        asked = await service.asked()
        await trio.sleep(0.1)
        await client.send(b"0\r\n\r\n")
        assert await service.read_body(asked) == b"abc"
        await service.respond(asked, flags=0)
        await trio.sleep(0.1)
        await service.data(asked, b"late", END)
        assert (await client.answer()).body == b"late"
        assert lab.reasons == {}


@pytest.mark.parametrize("stage", ["upload", "answer", "tunnel"])
async def test_by_silence(stage: str) -> None:
    async with open_lab(edge_stream_idle_timeout="60ms") as lab:
        service = await lab.raw(**streaming("GET /chat", "PUT /up", upgrades=("websocket",)))
        client = await lab.client()
        await client.send(chunked("PUT", "/up", b"abc", last=b"") if stage == "upload" else UPGRADE)
        asked = await service.asked()
        if stage != "upload":
            await service.respond(asked, 101 if stage == "tunnel" else 200, flags=0)
            await Reader(client).head()
            assert await Reader(client).rest() == (b"", False)
        else:
            assert await service.read_body(asked, 3, grants=False) == b"abc"
            answer = await client.answer()
            assert (answer.status, answer.reason) == (504, "stream_idle")
            await client.ended()
        assert await service.cancelled() == (asked.exchange, CancelReason.DEADLINE)
        assert lab.reasons == {"stream_idle": 1}


# ---- what waits for room, or for credit ----


async def send_until_it_breaks(client: Client, data: bytes) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await client.send(data)


async def test_writers_that_wait_for_room_are_let_go(lab: Lab) -> None:
    """Uploads to a service that grants much and reads nothing."""
    service = await lab.raw(**streaming("PUT /up", credit_bytes=8_000_000))
    clients = [await lab.client() for _ in range(40)]
    async with trio.open_nursery() as nursery:
        data = request("PUT", "/up", "Content-Length: 4000000") + b"x" * 4_000_000
        for client in clients:
            nursery.start_soon(send_until_it_breaks, client, data)
        await until(lambda: lab.left.get("writers that wait for room", 0) > 10)
        assert max(lab.gateway.wire.unsent) < 2_000_000
        nursery.cancel_scope.cancel()
    for client in clients:
        reset(client)
    await until(lambda: set(lab.left) <= {"buffers"})  # what was sent before waits for the service still
    assert lab.reasons == {"client_gone": 40}
    await service.aclose()


@pytest.mark.parametrize("leave", [close, close_with_reset, end_direction])
async def test_writers_that_wait_for_credit_are_let_go(lab: Lab, leave: Callable[[Client], object]) -> None:
    """What a client has sent is not taken any further, and is not read to its end."""
    service, client = await lab.raw(**streaming("PUT /up", credit_bytes=10)), await lab.client()
    await client.send(chunked("PUT", "/up", last=b""))
    asked = await service.asked()
    await client.send(b"3e8\r\n" + b"x" * 1_000 + b"\r\n")
    await service.expect(FrameType.DATA)
    await client.send(b"3\r\nabc\r\n")
    await leave(client)  # type: ignore[misc]
    assert await service.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)
    await lab.census()
    assert lab.reasons == {"client_gone": 1}


async def test_a_client_that_leaves_behind_many_requests(lab: Lab) -> None:
    """It has sent more than is read ahead."""
    service, client = await lab.raw(**streaming("GET /down")), await lab.client()
    await client.send(request("GET", "/down") * 2_000)
    asked = await service.asked()
    await client.aclose()
    assert await service.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)
