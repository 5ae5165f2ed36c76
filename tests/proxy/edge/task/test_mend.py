"""Mending: reading a refused head to its end, and what is given back."""

import pytest
from edge_support import ScriptedClient

from frames._native import lib
from proxy.edge.task.client import ClientGone
from proxy.edge.task.mend import Unmended, read_and_repair

BAD_LINE_END, NOT_HTTP, BAD_HOST = int(lib.HEAD_BAD_LINE_END), int(lib.EDGE_NOT_HTTP), int(lib.HEAD_BAD_HOST)
BARE = b"GET /a HTTP/1.1\nHost: a\n\n"
MENDED = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
NEXT = b"GET /next"


@pytest.mark.parametrize("at", range(1, len(BARE + NEXT) + 1))
async def test_a_head_cut_anywhere(at: int) -> None:
    """Cut before its end, the rest is waited for; what came behind it stays behind it."""
    data = BARE + NEXT
    client = ScriptedClient(*filter(None, [data[at:]]), held=data[:at])
    repaired = await read_and_repair(client, BAD_LINE_END, 1_024)
    assert repaired == MENDED + (NEXT if at < len(BARE) else data[len(BARE) : at])


async def test_byte_by_byte() -> None:
    client = ScriptedClient(*(BARE[at : at + 1] for at in range(1, len(BARE))), held=BARE[:1])
    assert await read_and_repair(client, BAD_LINE_END, 1_024) == MENDED


async def test_what_is_never_repaired_is_not_waited_for() -> None:
    with pytest.raises(Unmended):
        await read_and_repair(ScriptedClient(held=b"GET /a HTTP/1.1\r\n"), BAD_HOST, 1_024)
    with pytest.raises(Unmended):
        await read_and_repair(ScriptedClient(held=b"\x16\x03\x01"), NOT_HTTP, 1_024)


@pytest.mark.parametrize(
    "held",
    [
        b"GET /a HTTP/1.1\nHost: a\r\n\r\n",  # nobody can say where it ends
        b"GET /a HTTP/1.1\nHost: a\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\nA: b",
        b"\r\nGET /a HTTP/1.1\nHost: a\rb",
    ],
)
async def test_what_cannot_be_repaired_is_not_waited_for(held: bytes) -> None:
    with pytest.raises(Unmended):
        await read_and_repair(ScriptedClient(held=held), BAD_LINE_END, 1_024)


async def test_a_carriage_return_may_be_half_a_line_end() -> None:
    data = b"\r\n" + MENDED
    for at in range(1, len(data)):
        client = ScriptedClient(data[at:], held=data[:at])
        assert await read_and_repair(client, NOT_HTTP, 1_024) == MENDED


async def test_a_client_that_ends() -> None:
    with pytest.raises(ClientGone):
        await read_and_repair(ScriptedClient(held=BARE[:-1], ends=True), BAD_LINE_END, 1_024)


async def test_a_head_without_end() -> None:
    client = ScriptedClient(*[b"a: b\n" * 100] * 100, held=BARE[:-1])
    with pytest.raises(Unmended):
        await read_and_repair(client, BAD_LINE_END, 1_024)
    assert client.received_bytes < 4_000
