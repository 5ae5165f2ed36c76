"""Bodies that stream over TLS: each way to its end, cancelled at each checkpoint, and clients that go."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
import trio
from free_port import free_port
from lab import Lab, open_lab, until
from lab_client import WAIT_S, Client, request
from lab_streams import HELLO_ANSWER, Flows, Reader, chunked, serve_flows
from lab_tls import TlsFiles, make_tls_files
from test_cancel_sweep import WAYS, Broken, CancelAtStep, Recorded, Steps, is_whole_answer, run

Way = Callable[[Client, Reader], Steps]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def lab(files: TlsFiles, port: int) -> AsyncIterator[Lab]:
    async with open_lab(**files.settings(port)) as lab:
        yield lab


@pytest.fixture
async def flows(lab: Lab) -> Flows:
    return await serve_flows(lab)


@pytest.fixture
def context(files: TlsFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.authority))


async def secured(port: int, context: ssl.SSLContext) -> Client:
    stream = trio.SSLStream(await trio.open_tcp_stream("127.0.0.1", port), context, server_hostname="localhost")
    with trio.fail_after(WAIT_S):
        await stream.do_handshake()
    return Client(stream)  # type: ignore[arg-type]


async def nothing_is_left(lab: Lab, flows: Flows, port: int, context: ssl.SSLContext) -> None:
    await lab.census()
    await until(lambda: not flows.running)
    client = await secured(port, context)
    await client.send(chunked("PUT", "/up", b"abc") + request("GET", "/plain"))
    assert (await client.answer()).json() == {"bytes": 3}
    assert (await client.answer()).body == b"plain"
    await client.aclose()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_to_the_end(lab: Lab, flows: Flows, port: int, context: ssl.SSLContext, way: Way) -> None:
    client = await secured(port, context)
    reader = Recorded(client)
    await run(way(client, reader))
    assert reader.consumed.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 101 "))
    if way is WAYS["tunnel"]:
        assert reader.consumed.endswith(HELLO_ANSWER * 2)
    await client.aclose()
    await nothing_is_left(lab, flows, port, context)
    assert lab.reasons == {}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_client_that_goes(lab: Lab, flows: Flows, port: int, context: ssl.SSLContext, way: Way) -> None:
    count = 1
    while True:
        client = await secured(port, context)
        if not await run(way(client, Reader(client)), count):
            break
        await client.aclose()  # without close_notify
        await nothing_is_left(lab, flows, port, context)
        count += 1
    await client.aclose()
    assert count > 4


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_given_up_at_each_checkpoint(
    lab: Lab, flows: Flows, port: int, context: ssl.SSLContext, way: Way
) -> None:
    number = 0
    while True:
        number += 1
        client = await secured(port, context)
        reader = Recorded(client)
        instrument = CancelAtStep(lab, number, lambda _: lab.gateway.tasks.give_up_all())
        trio.lowlevel.add_instrument(instrument)
        try:
            with trio.fail_after(WAIT_S):
                await run(way(client, reader))
        except Broken:
            with suppress(trio.BrokenResourceError):
                await reader.rest()
            came = reader.consumed + reader.held
            assert way is WAYS["tunnel"] or not is_whole_answer(came), came[:200]
        finally:
            trio.lowlevel.remove_instrument(instrument)
        await client.aclose()
        await nothing_is_left(lab, flows, port, context)
        if instrument.left > 0:
            break
    assert number > 2


async def test_the_end_of_an_answer_is_said_inside_of_tls(
    lab: Lab, flows: Flows, port: int, context: ssl.SSLContext
) -> None:
    """HTTP/1.0, whose answer ends with the connection: close_notify tells it from an attacker's end."""
    client = await secured(port, context)
    await client.send(b"GET /forever HTTP/1.0\r\n\r\n")
    await Reader(client).until(b"data: begun\n\n")
    await client.aclose()
    client = await secured(port, context)
    await client.send(b"GET /down/3 HTTP/1.0\r\n\r\n")
    answer, is_orderly = await Reader(client).rest()  # SSLStream raises where close_notify is missing
    assert is_orderly
    assert answer.startswith(b"HTTP/1.1 200 ")
    await client.aclose()
