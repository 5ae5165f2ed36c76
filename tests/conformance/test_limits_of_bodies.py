"""Bounds of bodies and trailers, at exactly the bound and one past it, with the exact status."""

import pytest
from answers import AFTER, compare
from corpus import Answer, Seen, Verdict, chunked, post
from echo_service import start_echo
from feed import Run, feed
from lab import open_lab

BATCH_BYTES = 1_024
BUFFERED_BYTES = 2_048
CALL_BYTES = 4_096
FIELDS = 10
HEAD_BYTES = 2_048
EXTENSIONS_BYTES = 16_384
SETTINGS = {
    "edge_body_bytes": f"{BATCH_BYTES}B",
    "edge_buffered_bytes": f"{BUFFERED_BYTES}B",
    "edge_call_bytes": f"{CALL_BYTES}B",
    "edge_head_fields": str(FIELDS),
    "edge_head_bytes": f"{HEAD_BYTES}B",
    "edge_target_bytes": "1KiB",
}


def counted(size: int) -> bytes:
    return post(f"Content-Length: {size}", body=b"b" * size)


def in_chunks(size: int) -> bytes:
    """Return a body in chunks of at most 1,000 bytes."""
    sizes = [1_000] * (size // 1_000) + ([size % 1_000] if size % 1_000 else [])
    return chunked(b"".join(b"%x\r\n" % part + b"b" * part + b"\r\n" for part in sizes) + b"0\r\n\r\n")


def trailed(*lines: bytes) -> bytes:
    return chunked(b"0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n")


def trailers_of(size: int) -> bytes:
    """Return a request whose trailer section, its empty line included, has so many bytes."""
    return trailed(b"X-A: " + b"a" * (size - len("X-A: \r\n\r\n")))


def extended(size: int) -> bytes:
    """Return a request whose chunks have extensions of so many bytes together, from the semicolon on."""
    each, rest = divmod(size, 64)
    coded = b"".join(b"1;" + b"a" * (part - 1) + b"\r\nb\r\n" for part in [64] * each + ([rest] if rest > 1 else []))
    return chunked(coded + b"0\r\n\r\n")


def body(size: int) -> Seen:
    return Seen("POST", body=b"b" * size)


# Bytes; what comes of them at an endpoint that does not stream; and at one that does, where that differs.
LIMITS: dict[str, tuple[bytes, Answer, Answer]] = {
    "batch": (counted(BATCH_BYTES), body(BATCH_BYTES), body(BATCH_BYTES)),
    "batch-and-one": (counted(BATCH_BYTES + 1), body(BATCH_BYTES + 1), body(BATCH_BYTES + 1)),
    "buffered": (counted(BUFFERED_BYTES), body(BUFFERED_BYTES), body(BUFFERED_BYTES)),
    "buffered-and-one": (counted(BUFFERED_BYTES + 1), 413, body(BUFFERED_BYTES + 1)),
    "buffered-chunked": (in_chunks(BUFFERED_BYTES), body(BUFFERED_BYTES), body(BUFFERED_BYTES)),
    "buffered-chunked-and-one": (in_chunks(BUFFERED_BYTES + 1), 413, body(BUFFERED_BYTES + 1)),
    "call": (counted(CALL_BYTES), 413, body(CALL_BYTES)),
    "call-and-one": (counted(CALL_BYTES + 1), 413, 413),
    "call-chunked": (in_chunks(CALL_BYTES), 413, body(CALL_BYTES)),
    "call-chunked-and-one": (in_chunks(CALL_BYTES + 1), 413, 413),
    "chunk-much-larger": (chunked(b"fffffff\r\n" + b"b" * 8_192), 413, 413),
    "trailers": (trailed(*[b"X-A: 1"] * FIELDS), Seen("POST"), Seen("POST", trailers={"x-a": "\n".join("1" * FIELDS)})),
    "trailers-and-one": (trailed(*[b"X-A: 1"] * (FIELDS + 1)), 400, 400),
    "trailer-bytes": (trailers_of(HEAD_BYTES), Seen("POST"), Seen("POST")),
    "trailer-bytes-and-one": (trailers_of(HEAD_BYTES + 1), 400, 400),
    "extensions": (extended(EXTENSIONS_BYTES), body(EXTENSIONS_BYTES // 64), body(EXTENSIONS_BYTES // 64)),
    "extensions-and-more": (extended(EXTENSIONS_BYTES + 2), 400, 400),
}


@pytest.mark.parametrize("streams", [False, True], ids=["whole body", "streams"])
@pytest.mark.parametrize("name", LIMITS)
async def test_limit(name: str, streams: bool) -> None:
    data, whole, streamed = LIMITS[name]
    answer = streamed if streams else whole
    verdict = Verdict((answer,), closes=isinstance(answer, int))
    data = (data.replace(b"/echo", b"/flow") if streams else data) + AFTER
    runs = [Run(data), Run(data, (len(data) // 2,)), Run(data, tuple(range(100, len(data), 100)))]
    async with open_lab(**SETTINGS) as lab:
        await start_echo(lab)
        outcomes = await feed(lab.addresses.edge, runs)
    for outcome in outcomes:
        assert (outcome.is_reset, outcome.is_open) == (False, False), outcome.came
        assert compare(outcome.came.replace(b"/flow", b"/echo"), verdict, streams=streams) == []
