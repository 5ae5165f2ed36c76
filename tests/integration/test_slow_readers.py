"""Memory is independent of the length of bodies and of who reads them slowly: what is held stays within the windows."""

import hashlib
import tracemalloc
from contextlib import suppress

import trio
from lab import Lab, until
from lab_client import WAIT_S, Client, request
from lab_service import streaming
from lab_streams import PIECE, Reader, serve_flows

from penstock.port import STREAM_WINDOW_BYTES
from proxy.edge.task.client import READ_BYTES

READERS = 20
PIECES = 512  # 8 MiB
WINDOW_BYTES = 131_072


def held_for_clients(lab: Lab) -> int:
    """Bytes of bodies that came from services, and that their clients have not taken."""
    carriages = lab.gateway.tasks.open_streams()._carriages.values()
    return sum(sum(map(len, carriage._stream._in._chunks)) for carriage in carriages)


async def settled(lab: Lab, name: str) -> None:
    """Wait until a counter rises no more."""
    with trio.fail_after(WAIT_S):
        last = -1
        while last != (last := lab.count(name)):  # noqa: ASYNC110
            await trio.sleep(0.1)


async def test_slow_readers(lab: Lab) -> None:
    flows = await serve_flows(lab)
    clients = [await lab.client() for _ in range(READERS)]
    tracemalloc.start()
    try:
        for client in clients:
            client.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 65_536)
            await client.send(request("GET", f"/down/{PIECES}"))
        await until(lambda: flows.running == READERS)
        await settled(lab, "frames_in")
        allocated, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    growth = lab.gateway.tasks.open_streams()._growth
    assert 0 < held_for_clients(lab) <= READERS * WINDOW_BYTES + growth.held
    assert lab.count("buffer_bytes_now") < READERS * 65_536
    assert max(lab.gateway.wire.unsent) == 0
    assert flows.running == READERS
    # With all that handlers, clients and gateway in this process hold: far from the 160 MiB that are on their way.
    assert allocated < 2 * READERS * WINDOW_BYTES + growth.held + 8_000_000

    expected = hashlib.sha256(PIECE * PIECES).digest()
    async with trio.open_nursery() as nursery:

        async def read(client: Client) -> None:
            reader = Reader(client)
            await reader.head()
            body = hashlib.sha256()
            for _ in range(PIECES):
                body.update(await reader.exactly(len(PIECE)))
            assert body.digest() == expected

        for client in clients:
            nursery.start_soon(read, client)
    await until(lambda: not flows.running)


async def test_uploads_to_a_service_that_reads_nothing(lab: Lab) -> None:
    service = await lab.raw(**streaming("PUT /up", credit_bytes=STREAM_WINDOW_BYTES))
    clients = [await lab.client() for _ in range(READERS)]
    length = len(PIECE) * PIECES
    async with trio.open_nursery() as nursery:

        async def send(client: Client) -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await client.send(request("PUT", "/up", f"Content-Length: {length}") + PIECE * PIECES)

        for client in clients:
            nursery.start_soon(send, client)
        await until(lambda: lab.count("handed_over_now") == READERS)
        await settled(lab, "frames_out")
        carriages = lab.gateway.tasks.open_streams()._carriages.values()
        sent = sum(carriage._stream.sent_bytes for carriage in carriages)
        taken = sum(carriage.client.received_bytes for carriage in carriages)
        assert sent <= READERS * STREAM_WINDOW_BYTES
        assert taken - sent <= READERS * READ_BYTES  # each one read, and no more
        assert max(lab.gateway.wire.unsent) < 1_000_000
        nursery.cancel_scope.cancel()
    await service.aclose()
    for client in clients:
        answer, _ = await Reader(client).rest()
        assert answer.startswith(b"HTTP/1.1 502 ") or not answer
