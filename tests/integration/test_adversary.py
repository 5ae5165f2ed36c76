"""What went wrong once, or would harm most: answers in the wrong hands, exchanges that nobody ends, wrong closes."""

import os
import socket
import ssl
from functools import partial

import pytest
import trio
import trio.lowlevel
from free_port import free_port
from lab import Lab, open_lab, until
from lab_client import WAIT_S, request
from lab_service import streaming
from lab_streams import CLOSE_MESSAGE, UPGRADE, Reader, chunked
from lab_tls import TlsFiles, make_tls_files

from frames.codec import encode_refused
from frames.frame import END, CancelReason, FrameType, RefusedReason
from frames.greeting import EndpointOffer
from penstock import Call, Service
from penstock.settings.service import load_service
from penstock.websocket import WebSocket
from proxy.edge.task.body import Pace, Refusal, RequestBody
from proxy.edge.task.client import ClientSocket
from proxy.errors import BODY_TIMEOUT

# ---- TLS ----


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("tls"))


class TlsClient:
    """A client on memory: it sends and sees the very bytes on the wire."""

    def __init__(self, stream: trio.SocketStream, files: TlsFiles) -> None:
        self.stream = stream
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(files.authority))
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def shake(self) -> None:
        with trio.fail_after(WAIT_S):
            while True:
                try:
                    self.object.do_handshake()
                except ssl.SSLWantReadError:
                    await self.stream.send_all(self.outgoing.read())
                    self.incoming.write(await self.stream.receive_some(65_536))
                else:
                    break
        await self.stream.send_all(self.outgoing.read())

    def seal(self, plaintext: bytes) -> bytes:
        self.object.write(plaintext)
        return self.outgoing.read()

    def goodbye(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.object.unwrap()
        return self.outgoing.read()

    async def raw_rest(self) -> bytes:
        """All that comes until the end, as it is on the wire."""
        data = b""
        with trio.fail_after(WAIT_S):
            try:
                while piece := await self.stream.receive_some(65_536):
                    data += piece
            except trio.BrokenResourceError:
                pass
        return data


@pytest.mark.parametrize("what", ["close_notify", "garbage"])
@pytest.mark.parametrize("target", ["/streamed", "/gathered"])
async def test_nothing_is_ever_answered_in_plaintext_over_tls(files: TlsFiles, target: str, what: str) -> None:
    """The session ends in the batch in which its request comes; whoever adds a bad record to it must learn nothing."""
    port = free_port()
    async with open_lab(**files.settings(port)) as lab:
        service = Service("sums", version="1.0.0")

        @service.post("/gathered")
        async def gathered(call: Call) -> str:
            return "secret"

        @service.post("/streamed", streams=True)
        async def streamed(call: Call) -> str:
            return "secret"

        await lab.serve(service)
        client = TlsClient(await trio.open_tcp_stream("127.0.0.1", port), files)
        await client.shake()
        sent = client.seal(chunked("POST", target, b"abc"))
        sent += client.goodbye() if what == "close_notify" else b"\x17\x03\x03\x00\x20" + bytes(32)
        await client.stream.send_all(sent)
        assert b"secret" not in await client.raw_rest()
        await client.stream.aclose()


async def test_a_head_is_repaired_while_more_comes_by_tls(files: TlsFiles) -> None:
    """What was decrypted in the batch in which its connection was taken over was lost."""
    port = free_port()
    async with open_lab(edge_parsing="tolerant", **files.settings(port)) as lab:
        service = Service("echoes", version="1.0.0")

        @service.post("/echo")
        async def echo(call: Call) -> bytes:
            return call.body

        await lab.serve(service)
        client = TlsClient(await trio.open_tcp_stream("127.0.0.1", port), files)
        await client.shake()
        head = b"POST /echo HTTP/1.1\nHost: edge\nConnection: close\nContent-Length: 3\n\n"
        first, second = client.seal(head + b"a"), client.seal(b"bc")
        tls = lab.gateway._tls
        assert tls is not None
        feed = tls._feed
        sent: list[int] = []

        def feed_and_send(connection: int, count: int) -> int:
            """The rest comes when the head was refused, before the next step tells of it."""
            result = feed(connection, count)
            if count and not sent:
                sent.append(os.write(client.stream.socket.fileno(), second))
            return result

        tls._feed = feed_and_send
        await client.stream.send_all(first)
        client.incoming.write(await client.raw_rest())
        assert client.object.read(65_536).endswith(b"\r\n\r\nabc")
        await client.stream.aclose()


async def test_close_notify_ends_the_clients_direction_in_a_tunnel(files: TlsFiles) -> None:
    """Although its socket stays open: it waits for ours."""
    port = free_port()
    async with open_lab(**files.settings(port)) as lab:
        service = await lab.raw(**streaming("GET /chat", upgrades=("websocket",)))
        client = TlsClient(await trio.open_tcp_stream("127.0.0.1", port), files)
        await client.shake()
        await client.stream.send_all(client.seal(UPGRADE))
        asked = await service.asked()
        await service.respond(asked, 101, flags=0)
        await trio.sleep(0.01)
        await client.stream.send_all(client.seal(b"last words") + client.goodbye())
        assert await service.read_body(asked) == b"last words"
        await service.data(asked, b"", END)
        await client.raw_rest()
        await client.stream.aclose()


@pytest.mark.parametrize("target", ["/streamed", "/gathered"])
async def test_close_notify_in_a_body_is_a_client_that_has_gone(files: TlsFiles, target: str) -> None:
    port = free_port()
    async with open_lab(**files.settings(port)) as lab:
        await lab.raw("POST /gathered")
        service = await lab.raw(instance="raw-2", service="streams", **streaming("POST /streamed"))
        client = TlsClient(await trio.open_tcp_stream("127.0.0.1", port), files)
        await client.shake()
        await client.stream.send_all(client.seal(chunked("POST", target, b"abc", last=b"")))
        if target == "/streamed":
            asked = await service.asked()
        await trio.sleep(0.01)
        await client.stream.send_all(client.goodbye())
        await client.raw_rest()
        if target == "/streamed":
            assert await service.read_body(asked, 3 - len(asked.body)) in (b"", b"abc")
            assert await service.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)
        await client.stream.aclose()


# ---- time ----


async def test_a_deadline_that_is_over_before_its_body_is_waited_for(lab: Lab) -> None:
    await lab.raw("PUT /gathered")
    client = await lab.client()
    data = chunked("PUT", "/gathered", b"abc", last=b"", fields="X-Request-Timeout-Ms: 1\r\n")
    await client.send(data[:10])
    await trio.sleep(0.05)
    await client.send(data[10:])
    assert (await client.answer()).status in (408, 504)


async def receive_all(body: RequestBody) -> None:
    while await body.receive():
        pass


async def test_much_that_came_fast_is_no_leave_to_trickle_for_hours(autojump_clock: object) -> None:
    """Ten times as much as a minute's worth; then a byte every now and then, so that the stream is never idle."""
    ours, far = socket.socketpair()
    with ours, far:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_000_000)
        body = RequestBody(
            ClientSocket(ours.fileno(), b"", 30.0),
            length=1_000_000,
            byte_count_max=1_000_000,
            pace=Pace(100, 10.0),
            trailer_bytes=1_000,
            trailer_fields=10,
        )
        for _ in range(60):
            far.send(bytes(1_000))
            await body.receive()
        began = trio.current_time()

        async def trickle() -> None:
            while True:
                await trio.sleep(25)
                far.send(b"x")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trickle)
            with pytest.raises(Refusal) as refused:
                await receive_all(body)
            nursery.cancel_scope.cancel()
        assert refused.value.answer.reason is BODY_TIMEOUT
        assert 60 <= trio.current_time() - began < 70


# ---- answers of our own ----


@pytest.mark.parametrize("target", ["/streamed", "/%67athered", "/%67athered-too"])
async def test_what_refuses_head_has_no_body(lab_without_retries: Lab, target: str) -> None:
    """The client would take it for the beginning of its next answer."""
    lab = lab_without_retries
    service = await lab.raw(**streaming("GET /streamed"))
    other = await lab.raw("GET /gathered", "GET /gathered-too", service="other")
    client, overloaded = await lab.client(), encode_refused(RefusedReason.OVERLOADED)
    if target == "/streamed":
        await client.send(request("HEAD", target) + request("GET", target))
        await service.send(FrameType.REFUSED, overloaded, exchange=(await service.asked()).exchange)
    elif target == "/%67athered":
        await client.send(request("HEAD", target) + request("GET", "/streamed"))
        await other.send(FrameType.REFUSED, overloaded, exchange=(await other.asked()).exchange)
    else:  # its instance is gone when its body has come
        await client.send(chunked("HEAD", target, b"abc", last=b""))
        await until(lambda: bool(lab.left.get("handed over")))
        await other.aclose()
        await until(lambda: lab.count("framed_open_now") == 1)
        await client.send(b"0\r\n\r\n" + request("GET", "/streamed"))
    answer = await client.answer("HEAD")
    assert (answer.status // 100 in (4, 5), answer.body) == (True, b"")
    assert int(answer.headers[b"content-length"]) > 0
    await service.respond(await service.asked(), body=b"the next")
    assert (await client.answer()).body == b"the next"


# ---- handlers ----


async def test_a_socket_that_is_closed_while_another_task_reads_it(lab: Lab) -> None:
    """Its direction was never ended, and the exchange stayed as long as a stream may be idle."""
    service = Service("chats", version="1.0.0")

    @service.websocket("/chat")
    async def chat(socket: WebSocket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, socket)
            await trio.sleep(0.01)
            await socket.close(1000)

    async def read(socket: WebSocket) -> None:
        async for _ in socket:
            pass

    await lab.serve(service)
    client = await lab.client()
    await client.send(UPGRADE)
    reader = Reader(client)
    await reader.head()
    assert await reader.rest() == (b"\x88\x02\x03\xe8", True)


async def test_an_answer_that_its_handler_forgets_to_end(lab: Lab) -> None:
    service = Service("forgetful", version="1.0.0")

    @service.get("/", streams=True)
    async def forget(call: Call) -> None:
        response = call.respond()
        await response.__aenter__()
        await response.send(b"half")
        await trio.sleep(0.01)

    await lab.serve(service)
    client = await lab.client()
    await client.send(request("GET", "/"))
    _, is_orderly = await Reader(client).rest()
    assert not is_orderly


@pytest.mark.parametrize("reads", [True, False])
async def test_sockets_are_told_when_their_service_drains(lab: Lab, reads: bool) -> None:
    service, stop, codes = Service("chats", version="1.0.0"), trio.Event(), []

    @service.websocket("/chat")
    async def chat(socket: WebSocket) -> None:
        if not reads:
            await stop.wait()
            await trio.sleep(0.01)
        async for message in socket:
            await socket.send(message)
        codes.append(socket.close_code)

    settings = load_service({"PENSTOCK_GATEWAYS": "tcp://{}:{}".format(*lab.addresses.services)}).settings
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(service.serve, settings, stop=stop))
        client = await lab.client()
        await client.send(UPGRADE)
        reader = Reader(client)
        await reader.head()
        stop.set()
        assert (await reader.exactly(4)) == b"\x88\x1e\x03\xe9"
        await client.send(CLOSE_MESSAGE)
        assert await reader.rest() == (b"the service is shutting down", True)
    assert codes == [1001]


# ---- services that do not keep up ----


async def test_a_service_that_has_not_read_for_long_still_learns_what_was_cancelled(lab: Lab) -> None:
    """A stream's handler has no deadline: without its CANCEL it would wait for ever."""
    offers = streaming("GET /stream", "POST /stuck")
    offers["endpoints"] = (offers["endpoints"][0], EndpointOffer(id=2, method="POST", path="/stuck"))  # type: ignore[index]
    service, client = await lab.raw(**offers), await lab.client()
    await client.send(request("GET", "/stream"))
    asked = await service.asked()
    wire, clients = lab.gateway.wire, [client]

    async def fill(byte_count: int) -> int:
        """Have a request with such a body wait, and return by how much more waits now."""
        before = max(wire.unsent)
        clients.append(await lab.client())
        await clients[-1].send(request("POST", "/stuck", body=b"x" * byte_count))
        await until(lambda: lab.count("requests") == len(clients))
        await trio.lowlevel.checkpoint()
        return max(wire.unsent) - before

    while not lab.reasons:
        await fill(60_000)
    beside = await fill(100) - 100
    await fill(wire.settings.framed_output_bytes_max - max(wire.unsent) - beside)
    assert max(wire.unsent) == wire.settings.framed_output_bytes_max
    await client.aclose()
    await until(lambda: "client_gone" in lab.reasons)
    while (frame := (await service.next())[0]).type is not FrameType.CANCEL:
        pass
    assert frame.exchange == asked.exchange


async def test_a_body_that_is_gathered_for_one_instance_and_streamed_to_the_next(lab: Lab) -> None:
    """A newer version of a service may stream where the older did not, while both are there."""
    older, client = await lab.raw("PUT /things"), await lab.client()
    await client.send(chunked("PUT", "/things", b"abc", last=b""))
    await until(lambda: bool(lab.left.get("handed over")))
    newer = await lab.raw(instance="raw-2", **streaming("PUT /things"))
    await older.aclose()
    await until(lambda: lab.count("framed_open_now") == 1)
    await client.send(b"0\r\n\r\n" + request("PUT", "/things", body=b"next"))
    asked = await newer.asked()
    assert asked.body == b"abc"
    await newer.respond(asked, flags=0)
    await newer.data(asked, b"piece by piece", END)
    assert (await client.answer()).body == b"piece by piece"
    asked = await newer.asked()
    assert asked.body == b"next"
    await newer.respond(asked, body=b"whole")
    assert (await client.answer()).body == b"whole"
