"""Each of the 256 bytes in each place of a request where a class of bytes is allowed (RFC 9112, RFC 9110, RFC 3986).

The table below says for each place which bytes may stand there; whatever else stands there must be refused with 400.
"""

import string
from collections.abc import Callable
from typing import NamedTuple

import pytest
from answers import AFTER, compare
from corpus import Answer, Seen, Verdict, chunked, get, lines
from echo_service import start_echo
from feed import Run, feed
from lab import open_lab

ALPHANUMERIC = frozenset((string.ascii_letters + string.digits).encode())
TOKEN = ALPHANUMERIC | frozenset(b"!#$%&'*+-.^_`|~")
PCHAR = ALPHANUMERIC | frozenset(b"-._~!$&'()*+,;=:@")  # without percent-encoding
QUERY = PCHAR | frozenset(b"/?" + b"{}|^[]`\\")  # the second part is what browsers send as it is
TEXT = frozenset(b"\t") | frozenset(range(0x20, 0x7F)) | frozenset(range(0x80, 0x100))
QUOTED = TEXT - frozenset(b'"')
HEXADECIMAL = frozenset(string.hexdigits.encode())
ABC = b"abc"


class Place(NamedTuple):
    """Where the byte stands. allowed: bytes with which the request is served, as seen; status: of the others."""

    write: Callable[[bytes], bytes]
    allowed: frozenset[int]
    seen: Callable[[bytes], Answer]
    status: Callable[[int], int] = lambda _: 400


def text(data: bytes) -> str:
    return data.decode("latin-1")


def sized(byte: bytes) -> bytes:
    """Return a body whose one chunk has a size of this one digit."""
    size = int(byte, 16) if byte[0] in HEXADECIMAL else 3
    data = byte + b"\r\n" + b"x" * size + b"\r\n" if size else b""
    return chunked(data + b"0\r\n\r\n")


def extended(extension: bytes) -> bytes:
    return chunked(b"3" + extension + b"\r\nabc\r\n0\r\n\r\n")


def trailed(trailer: bytes) -> bytes:
    return chunked(b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n\r\n")


def named(byte: bytes) -> dict[str, str | None]:
    """Return the field that is made of X, the byte, and ``A: 1``."""
    return {"x": "A: 1"} if byte == b":" else {text(b"x" + byte.lower() + b"a"): "1"}


PLACES = {
    "method": Place(
        lambda byte: lines(b"G" + byte + b"T /echo HTTP/1.1", "Host: edge"),
        frozenset(b"E"),
        lambda _: Seen(),
        lambda byte: 501 if byte in TOKEN else 400,
    ),
    "path": Place(
        lambda byte: get(target=b"/echo/a" + byte + b"c"),
        PCHAR | frozenset(b"/?"),
        lambda byte: Seen(target=text(b"/echo/a" + byte + b"c")),
    ),
    "query": Place(
        lambda byte: get(target=b"/echo?a" + byte + b"c"),
        QUERY,
        lambda byte: Seen(target=text(b"/echo?a" + byte + b"c")),
    ),
    "host": Place(
        lambda byte: lines("GET /echo HTTP/1.1", b"Host: ed" + byte + b"ge"),
        ALPHANUMERIC | frozenset(b"-._~!$&'()*+,;="),
        lambda byte: Seen(fields={"host": text(b"ed" + byte + b"ge")}),
    ),
    "field name": Place(
        lambda byte: get(b"X" + byte + b"A: 1"), TOKEN | frozenset(b":"), lambda byte: Seen(fields=named(byte))
    ),
    "field value": Place(
        lambda byte: get(b"X-A: a" + byte + b"b"), TEXT, lambda byte: Seen(fields={"x-a": text(b"a" + byte + b"b")})
    ),
    "content length": Place(
        lambda byte: lines("POST /echo HTTP/1.1", "Host: edge", b"Content-Length: 0" + byte) + b"x" * 9,
        frozenset(),  # but for digits and white space, which have a test of their own
        lambda _: 400,
    ),
    "chunk size": Place(sized, HEXADECIMAL, lambda byte: Seen("POST", body=b"x" * int(byte, 16))),
    "chunk extension": Place(
        lambda byte: extended(b";a" + byte + b"b"), TOKEN | frozenset(b"=;"), lambda _: Seen("POST", body=ABC)
    ),
    "chunk extension's value": Place(
        lambda byte: extended(b";a=b" + byte + b"c"), TOKEN | frozenset(b";"), lambda _: Seen("POST", body=ABC)
    ),
    "chunk extension's quoted value": Place(
        lambda byte: extended(b';a="b' + byte + b'c"'), QUOTED, lambda _: Seen("POST", body=ABC)
    ),
    "trailer name": Place(
        lambda byte: trailed(b"X" + byte + b"A: 1"),
        TOKEN | frozenset(b":"),
        lambda byte: Seen("POST", body=ABC, trailers=named(byte)),
    ),
    "trailer value": Place(
        lambda byte: trailed(b"X-A: a" + byte + b"b"),
        TEXT,
        lambda byte: Seen("POST", body=ABC, trailers={"x-a": text(b"a" + byte + b"b")}),
    ),
}
SKIPPED = {"content length": frozenset(b"0123456789 \t")}


def verdict_of(place: Place, byte: int) -> Verdict:
    if byte in place.allowed:
        return Verdict((place.seen(bytes((byte,))),), closes=False)
    return Verdict((place.status(byte),), closes=True)


@pytest.mark.parametrize("streams", [False, True], ids=["whole body", "streams"])
@pytest.mark.parametrize("name", PLACES)
async def test_every_byte(name: str, streams: bool) -> None:
    place = PLACES[name]
    tried = [byte for byte in range(256) if byte not in SKIPPED.get(name, ())]
    swap = (b"/echo", b"/flow") if streams else (b"", b"")
    wrong = []
    async with open_lab() as lab:
        await start_echo(lab)
        runs = [Run(place.write(bytes((byte,))).replace(*swap) + AFTER) for byte in tried]
        outcomes = await feed(lab.addresses.edge, runs)
    for byte, outcome in zip(tried, outcomes, strict=True):
        verdict = verdict_of(place, byte)
        if outcome.is_reset or outcome.is_open:
            wrong.append(f"{byte:02x}: {'reset' if outcome.is_reset else 'never closed'}")
            continue
        came = outcome.came.replace(b"/flow", b"/echo")
        wrong += [f"{byte:02x}: {said}"[:300] for said in compare(came, verdict, streams=streams)]
    if wrong:
        pytest.fail(f"{len(wrong)} bytes are wrong in the {name}:\n" + "\n".join(wrong), pytrace=False)


def test_the_table_leaves_room_for_both() -> None:
    sizes = {name: len(place.allowed) for name, place in PLACES.items()}
    assert sizes["field value"] == 256 - 32 - 1 + 1  # all but the controls, of which HTAB is allowed
    assert sizes["field name"] == 77 + 1
    assert sizes["chunk size"] == 22
    assert all(size < 256 for size in sizes.values())
