"""Streams and WebSockets of workers that are replaced: they are told to go, and have the time to."""

from pathlib import Path

import pytest
import trio
from lab_client import Client, request
from lab_streams import HELLO_ANSWER, HELLO_MESSAGE, UPGRADE, Reader
from workers_lab import WorkersLab, open_workers

pytestmark = pytest.mark.slow

EACH = 6
"""Of a kind: it is unlikely that all of them are with one worker."""
GOING_AWAY = b"\x03\xe9"
"""1001."""


async def asked(lab: WorkersLab, path: str) -> tuple[Client, Reader]:
    client = await lab.client()
    await client.send(request("GET", path))
    reader = Reader(client)
    assert (await reader.head()).startswith(b"HTTP/1.1 200 ")
    return client, reader


async def whole(reader: Reader) -> bytes:
    """The whole body, by its chunks."""
    body = b""
    while piece := await reader.chunk():
        body += piece
    return body


@pytest.mark.parametrize("way", ["workers restart", "upgrade"])
async def test_they_are_told_to_go_and_have_the_time_to(tmp_path: Path, way: str) -> None:
    async with open_workers(tmp_path, drain_timeout="8s") as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        chats = [await lab.client() for _ in range(EACH)]
        readers = []
        for client in chats:
            await client.send(UPGRADE + HELLO_MESSAGE)
            readers.append(reader := Reader(client))
            assert (await reader.head()).startswith(b"HTTP/1.1 101 ")
            assert await reader.exactly(len(HELLO_ANSWER)) == HELLO_ANSWER
        news = [await asked(lab, "/news") for _ in range(EACH)]
        await lab.command(*way.split())
        long = [await asked(lab, "/long") for _ in range(EACH)]  # the new workers': nobody tells them to go
        for _, reader in news:
            assert (await whole(reader)).endswith(b"newsthe end")
        for reader in readers:
            rest, is_orderly = await reader.rest()
            assert rest[2:4] == GOING_AWAY
            assert is_orderly
        for _, reader in long:
            assert await whole(reader) == b"long" * 20
        for client in (*chats, *(client for client, _ in (*news, *long))):
            await client.aclose()
        assert "were still in progress" not in lab.said
        service.cancel()


async def test_what_takes_long_is_finished(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        long = [await asked(lab, "/long") for _ in range(EACH)]
        await lab.command("workers", "restart")
        for client, reader in long:
            assert await whole(reader) == b"long" * 20
            await client.aclose()
        service.cancel()
