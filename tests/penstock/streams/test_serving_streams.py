"""Streams of a whole service over loopback; the test is the gateway, and writes and reads frames by hand."""

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import trio

from frames.fixed import decode_refused, encode_cancel, encode_credit
from frames.frame import END, CancelReason, FieldId, FrameType, Method, RefusedReason
from penstock import Call, Service, StreamBroken

if TYPE_CHECKING:
    from tests.penstock.conftest import Connection, Frame, Gateway

CLIENT_GONE = encode_cancel(CancelReason.CLIENT_GONE)
ABORTED = encode_cancel(CancelReason.ABORTED)
UP, DOWN, WHOLE, EARLY, BREAKS, SLOW, TWICE = range(7)


class Files:
    """A service whose handlers the test can look at."""

    def __init__(self) -> None:
        self.service = service = Service("files", version="1.0.0")
        self.begun = trio.Event()
        self.cancelled = trio.Event()
        self.go_on = trio.Event()
        self.sent = 0
        self.cause = ""

        @service.put("/up", streams=True)
        async def upload(call: Call) -> Any:
            self.begun.set()
            count = 0
            try:
                async for piece in call.stream():
                    count += len(piece)
            except trio.Cancelled:
                self.cancelled.set()
                raise
            except StreamBroken as error:
                self.cause = error.cause
                raise
            return {"count": count, "trailer": call.stream().trailers.get("x-sum")}

        @service.get("/down", streams=True)
        async def download(call: Call) -> None:
            self.begun.set()
            try:
                async with call.respond(headers={"content-type": "text/plain"}) as response:
                    for _ in range(int(call.query["pieces"])):
                        await response.send(b"x" * int(call.query["bytes"]))
                        self.sent += int(call.query["bytes"])
            except trio.Cancelled:
                self.cancelled.set()
                raise

        @service.put("/whole")
        async def whole(call: Call) -> Any:
            return len(call.body)

        @service.put("/early", streams=True)
        async def early(call: Call) -> Any:
            return 403, None

        @service.get("/breaks", streams=True)
        async def breaks(call: Call) -> None:
            async with call.respond() as response:
                await response.send(b"begun")
                await self.go_on.wait()
                raise ValueError

        @service.put("/slow", streams=True)
        async def slow(call: Call) -> Any:
            await self.go_on.wait()
            return 200, "late"

        @service.put("/twice", streams=True)
        async def twice(call: Call) -> Any:
            async with call.respond() as response:
                async for piece in call.stream():
                    await response.send(piece)


@pytest.fixture
def files() -> Files:
    return Files()


async def connect(
    nursery: trio.Nursery,
    files: Files,
    gateway: "Gateway",
    *,
    credit: int = 65_536,
    features: Any = ("streams",),
    **env: str,
) -> "Connection":
    nursery.start_soon(files.service.serve, gateway.settings(**env))
    connection = await gateway.accept()
    await connection.greet(features=features, credit_bytes=credit)
    return connection


async def collect(connection: "Connection", first: "Frame") -> bytes:
    """The body of a response, granting what came."""
    body = bytearray(first.body)
    frame = first
    while not frame.flags & END:
        received = await connection.receive()
        assert received is not None
        frame = received
        if frame.type == FrameType.DATA:
            body += frame.payload
            if frame.payload:
                await connection.send(FrameType.CREDIT, encode_credit(len(frame.payload)), exchange=first.exchange)
    return bytes(body)


async def test_an_upload_is_granted_as_it_is_read(gateway: "Gateway", files: Files, nursery: trio.Nursery) -> None:
    connection = await connect(nursery, files, gateway)
    await connection.call(1, UP, "/up", method=Method.PUT, body=b"first", flags=0)
    granted, sent = 262_144, 0
    while sent < 2_000_000:
        if granted < 65_536:
            credit = await connection.expect(FrameType.CREDIT)
            assert credit.exchange == 1
            granted += int.from_bytes(credit.payload)
            continue
        await connection.send(FrameType.DATA, b"x" * 65_536, exchange=1)
        granted, sent = granted - 65_536, sent + 65_536
    await connection.send(FrameType.TRAILERS, b"\0\1\0\0\0\5\0\1x-sum7", END, 1)
    frame = await connection.receive()
    while frame is not None and frame.type == FrameType.CREDIT:
        frame = await connection.receive()
    assert frame is not None
    assert frame.flags == END
    assert frame.json() == {"count": sent + 5, "trailer": "7"}


async def test_a_download_keeps_to_the_credit(gateway: "Gateway", files: Files, nursery: trio.Nursery) -> None:
    connection = await connect(nursery, files, gateway, credit=10)
    await connection.call(1, DOWN, "/down?pieces=4&bytes=7")
    response = await connection.expect(FrameType.RESPONSE)
    assert (response.status, response.flags, response.body) == (200, 0, b"")
    assert [len((await connection.expect(FrameType.DATA)).payload) for _ in range(2)] == [7, 3]
    await connection.call(2, WHOLE, "/whole", method=Method.PUT)
    assert (await connection.expect(FrameType.RESPONSE)).exchange == 2  # nothing more of 1 meanwhile
    await connection.send(FrameType.CREDIT, encode_credit(18), exchange=1)
    last = [await connection.expect(FrameType.DATA) for _ in range(4)]
    assert [(len(frame.payload), frame.flags) for frame in last] == [(4, 0), (7, 0), (7, 0), (0, END)]


async def test_a_large_download_waits_for_room_and_lets_others_pass(
    gateway: "Gateway", files: Files, nursery: trio.Nursery
) -> None:
    connection = await connect(nursery, files, gateway, credit=16_777_216)
    await connection.call(1, DOWN, "/down?pieces=16&bytes=1048576")
    await connection.call(2, DOWN, "/down?pieces=1&bytes=5")
    await files.begun.wait()
    await connection.call(3, WHOLE, "/whole", method=Method.PUT)
    counts = {1: 0, 2: 0, 3: 0}
    ended: list[int] = []
    while len(ended) < 3:
        frame = await connection.receive()
        assert frame is not None
        counts[frame.exchange] += len(frame.payload) if frame.type == FrameType.DATA else 0
        if frame.flags & END:
            ended.append(frame.exchange)
    assert counts == {1: 16 * 1_048_576, 2: 5, 3: 0}
    assert ended[-1] == 1


@pytest.mark.parametrize("stage", ["receive", "credit", "room"])
async def test_cancel_ends_the_handler_and_nothing_more_is_sent(
    gateway: "Gateway", files: Files, nursery: trio.Nursery, stage: str
) -> None:
    connection = await connect(nursery, files, gateway, credit=100 if stage == "credit" else 16_777_216)
    if stage == "receive":
        await connection.call(1, UP, "/up", method=Method.PUT, flags=0)
    else:
        await connection.call(1, DOWN, "/down?pieces=1000&bytes=1048576")
        await connection.expect(FrameType.RESPONSE)
    await files.begun.wait()
    await connection.send(FrameType.CANCEL, CLIENT_GONE, exchange=1)
    with trio.fail_after(5):
        await files.cancelled.wait()
    await connection.call(2, WHOLE, "/whole", method=Method.PUT)
    frames: list[Frame] = []
    while not frames or frames[-1].exchange != 2:
        frame = await connection.receive()
        assert frame is not None
        frames.append(frame)
    assert not any(frame.flags & END or frame.type == FrameType.CANCEL for frame in frames[:-1])
    await connection.send(FrameType.CREDIT, encode_credit(1), exchange=1)  # late, for what is over: no harm
    await connection.send(FrameType.DATA, b"late", exchange=1)
    await connection.call(3, WHOLE, "/whole", method=Method.PUT)
    assert (await connection.expect(FrameType.RESPONSE)).exchange == 3


async def test_a_failure_after_the_head_is_cancel_aborted(
    gateway: "Gateway", files: Files, nursery: trio.Nursery
) -> None:
    connection = await connect(nursery, files, gateway)
    await connection.call(1, BREAKS, "/breaks")
    await connection.expect(FrameType.RESPONSE)
    assert (await connection.expect(FrameType.DATA)).payload == b"begun"
    files.go_on.set()
    cancel = await connection.expect(FrameType.CANCEL)
    assert (cancel.exchange, cancel.payload) == (1, ABORTED)


async def test_without_the_feature_nothing_streams(gateway: "Gateway", files: Files, nursery: trio.Nursery) -> None:
    connection = await connect(nursery, files, gateway, features=("other",))
    await connection.call(1, UP, "/up", method=Method.PUT, flags=0)
    refused = await connection.expect(FrameType.REFUSED)
    assert decode_refused(refused.payload).reason == RefusedReason.UNSUPPORTED_FEATURE
    await connection.call(2, UP, "/up", method=Method.PUT, body=b"whole")
    assert (await connection.expect(FrameType.RESPONSE)).json()["count"] == 5
    await connection.call(3, DOWN, "/down?pieces=1&bytes=1")
    assert (await connection.expect(FrameType.RESPONSE)).status == 500


async def test_a_body_to_come_for_an_endpoint_that_does_not_stream_is_refused(
    gateway: "Gateway", files: Files, nursery: trio.Nursery
) -> None:
    connection = await connect(nursery, files, gateway)
    await connection.call(1, WHOLE, "/whole", method=Method.PUT, flags=0)
    refused = await connection.expect(FrameType.REFUSED)
    assert decode_refused(refused.payload).reason == RefusedReason.UNSUPPORTED_FEATURE


async def test_after_an_early_answer_the_rest_is_dropped_and_not_granted(
    gateway: "Gateway", files: Files, nursery: trio.Nursery
) -> None:
    connection = await connect(nursery, files, gateway)
    await connection.call(1, EARLY, "/early", method=Method.PUT, flags=0)
    response = await connection.expect(FrameType.RESPONSE)
    assert (response.status, response.flags) == (403, END)
    for _ in range(8):
        await connection.send(FrameType.DATA, b"x" * 65_536, exchange=1)
    await connection.send(FrameType.DATA, b"", END, 1)
    await connection.call(2, WHOLE, "/whole", method=Method.PUT)
    assert (await connection.expect(FrameType.RESPONSE)).exchange == 2


FAULTS = {
    "credit_exceeded": [(b"x" * 65_536, 0)] * 5,
    "length_exceeded": [(b"x" * 101, 0)],
    "length_short": [(b"x" * 99, END)],
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_the_gateway_does_wrong_breaks_one_stream(
    gateway: "Gateway", files: Files, nursery: trio.Nursery, fault: str
) -> None:
    connection = await connect(nursery, files, gateway)
    length = b"100" if fault.startswith("length") else b"1000000"
    endpoint = SLOW if fault == "credit_exceeded" else UP
    extra = [(FieldId.BODY_LENGTH, b"", length)]
    await connection.call(1, endpoint, "/x", method=Method.PUT, flags=0, extra=extra)
    for data, flags in FAULTS[fault]:
        await connection.send(FrameType.DATA, data, flags, 1)
    files.go_on.set()
    response = await connection.expect(FrameType.RESPONSE)
    if endpoint == UP:
        assert (response.status, files.cause) == (500, fault)
    else:
        assert response.body == b"late"  # it never looked
    await connection.call(2, WHOLE, "/whole", method=Method.PUT)
    assert (await connection.expect(FrameType.RESPONSE)).exchange == 2


async def test_a_lost_connection_ends_the_handlers(gateway: "Gateway", files: Files, nursery: trio.Nursery) -> None:
    connection = await connect(nursery, files, gateway)
    await connection.call(1, UP, "/up", method=Method.PUT, flags=0)
    await files.begun.wait()
    await connection.stream.aclose()
    with trio.fail_after(5):
        await files.cancelled.wait()


async def test_the_gateway_keeps_the_time(gateway: "Gateway", files: Files, nursery: trio.Nursery) -> None:
    connection = await connect(nursery, files, gateway)
    await connection.call(1, SLOW, "/slow", method=Method.PUT, flags=0, remaining_ms=1)
    await trio.sleep(0.05)
    files.go_on.set()
    assert (await connection.expect(FrameType.RESPONSE)).body == b"late"


async def test_no_time_at_all_is_not_begun(gateway: "Gateway", files: Files, nursery: trio.Nursery) -> None:
    connection = await connect(nursery, files, gateway)
    await connection.call(1, UP, "/up", method=Method.PUT, flags=0, remaining_ms=0)
    assert (await connection.expect(FrameType.RESPONSE)).status == 504


async def test_streams_count_towards_the_concurrency(gateway: "Gateway", files: Files, nursery: trio.Nursery) -> None:
    connection = await connect(nursery, files, gateway, service_concurrency="1")
    await connection.call(1, UP, "/up", method=Method.PUT, flags=0)
    await connection.call(2, UP, "/up", method=Method.PUT, flags=0)
    refused = await connection.expect(FrameType.REFUSED)
    assert (refused.exchange, decode_refused(refused.payload).reason) == (2, RefusedReason.OVERLOADED)
    await connection.send(FrameType.DATA, b"x", exchange=2)  # it was on its way
    await connection.send(FrameType.DATA, b"x", END, 1)
    assert (await connection.expect(FrameType.RESPONSE)).json()["count"] == 1


async def test_a_drain_waits_for_streams_and_then_cuts_them_off(gateway: "Gateway", files: Files) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            await files.service.serve(gateway.settings(service_drain="300ms"), stop=stop)

        nursery.start_soon(serve)
        connection = await gateway.accept()
        await connection.greet(features=("streams",), credit_bytes=1000)
        await connection.call(1, BREAKS, "/breaks")
        await connection.expect(FrameType.RESPONSE)
        await connection.expect(FrameType.DATA)
        stop.set()
        await connection.expect(FrameType.GOAWAY)
        assert (await connection.expect(FrameType.CANCEL)).payload == ABORTED


async def test_many_streams_share_a_connection(gateway: "Gateway", files: Files, nursery: trio.Nursery) -> None:
    connection = await connect(nursery, files, gateway, credit=100_000)
    count, size = 50, 300_000
    for exchange in range(1, count + 1):
        await connection.call(exchange, TWICE, "/twice", method=Method.PUT, flags=0)
    granted = dict.fromkeys(range(1, count + 1), 262_144)
    sent = dict.fromkeys(granted, 0)
    back = dict.fromkeys(granted, 0)
    ended: set[int] = set()

    async def feed(exchange: int) -> None:
        piece = min(granted[exchange], size - sent[exchange], 65_536)
        if piece:
            granted[exchange] -= piece
            sent[exchange] += piece
            await connection.send(FrameType.DATA, b"x" * piece, END if sent[exchange] == size else 0, exchange)

    for exchange in itertools.chain.from_iterable([list(granted)] * 4):
        await feed(exchange)
        while len(connection._frames) > 0:
            await take(connection, granted, back, ended)
    while len(ended) < count:
        await feed(await take(connection, granted, back, ended))
    assert back == dict.fromkeys(granted, size)


async def take(connection: "Connection", granted: dict[int, int], back: dict[int, int], ended: set[int]) -> int:
    frame = await connection.receive()
    assert frame is not None
    if frame.type == FrameType.CREDIT:
        granted[frame.exchange] += int.from_bytes(frame.payload)
    elif frame.type == FrameType.DATA:
        back[frame.exchange] += len(frame.payload)
        if frame.payload:
            await connection.send(FrameType.CREDIT, encode_credit(len(frame.payload)), exchange=frame.exchange)
        if frame.flags & END:
            ended.add(frame.exchange)
    return frame.exchange
