"""Random pipelines of tagged requests whose framing is disturbed: what tells two parsers apart, if anything does."""

import random
from collections.abc import Callable

from answers import AFTER

Draw = random.Random


def inner(tag: str) -> bytes:
    """Return a request that stands in a body, and must never be served."""
    return f"GET /echo/{tag} HTTP/1.1\r\nHost: edge\r\n\r\n".encode()


def one_request(draw: Draw, tag: str) -> bytes:
    """Return a well-formed request with its tag in its target."""
    path = draw.choice(("/echo/", "/flow/")) + tag
    method = draw.choice(("GET", "POST", "PUT"))
    head = [f"{method} {path} HTTP/1.1", "Host: edge"]
    head += draw.sample(["X-A: 1", "Accept: */*", "X-Long: " + "v" * 60], draw.randrange(3))
    body = draw.choice((b"", b"abc", inner(tag + "inside"), b"0\r\n\r\n" + inner(tag + "inside"), draw.randbytes(9)))
    kind = draw.randrange(3)
    if kind == 0:
        return ("\r\n".join(head) + "\r\n\r\n").encode()
    if kind == 1:
        return ("\r\n".join([*head, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body
    return ("\r\n".join([*head, "Transfer-Encoding: chunked"]) + "\r\n\r\n").encode() + chunks(draw, body)


def chunks(draw: Draw, body: bytes) -> bytes:
    """Return a body in the chunked coding, in random chunks, with extensions and trailers now and then."""
    coded = b""
    while body:
        size = draw.randint(1, len(body))
        extension = draw.choice((b"", b"", b";a", b';a="b"'))
        coded += b"%x" % size + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    return coded + b"0\r\n" + draw.choice((b"", b"", b"X-T: 1\r\n")) + b"\r\n"


def _swap(old: bytes, *news: bytes) -> Callable[[bytes, Draw], bytes]:
    """Return a mutation that replaces one occurrence of old."""

    def mutate(data: bytes, draw: Draw) -> bytes:
        places = [at for at in range(len(data)) if data.startswith(old, at)]
        if not places:
            return data
        at = draw.choice(places)
        return data[:at] + draw.choice(news) + data[at + len(old) :]

    return mutate


def _insert(*pieces: bytes) -> Callable[[bytes, Draw], bytes]:
    def mutate(data: bytes, draw: Draw) -> bytes:
        at = draw.randint(0, len(data))
        return data[:at] + draw.choice(pieces) + data[at:]

    return mutate


def _drop(data: bytes, draw: Draw) -> bytes:
    at = draw.randint(0, len(data))
    return data[:at] + data[at + draw.randint(1, 4) :]


def _change_digit(data: bytes, draw: Draw) -> bytes:
    places = [at for at, byte in enumerate(data) if byte in b"0123456789"]
    at = draw.choice(places)
    return data[:at] + bytes((draw.choice(b"0123456789abcdef"),)) + data[at + 1 :]


def _truncate(data: bytes, draw: Draw) -> bytes:
    return data[: draw.randint(len(data) // 2, len(data))]


_LENGTH, _CODING = b"Content-Length: ", b"Transfer-Encoding: chunked"

MUTATIONS: tuple[Callable[[bytes, Draw], bytes], ...] = (
    _swap(
        _LENGTH,
        b"Content-Length:",
        b"content-length:\t",
        b"Content-Length : ",
        b"Content-Length: +",
        b"Content-Length: 0",
        b"Content-Length: -",
        b"Content_Length: ",
        b"X-Content-Length: ",
        b" Content-Length: ",
        b"Content-Length: 1, ",
        b"Content-Length: 0x",
        b"Content-Length: 3\r\nContent-Length: ",
        b"Content-Length\x00: ",
    ),
    _swap(
        _CODING,
        b"transfer-encoding:chunked",
        b"Transfer-Encoding:\tCHUNKED ",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked\x0b",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer_Encoding: chunked",
        b"Transfer-Encoding:\r\n chunked",
        b'Transfer-Encoding: "chunked"',
        b"X: y\nTransfer-Encoding: chunked",
        _CODING + b"\r\n" + _CODING,
        b" Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked;a=b",
        b"Transfer-Encoding:",
        b"Transfer-Encoding: chunked\r",
    ),
    _swap(
        b"Host: edge\r\n",
        b"Host: edge\r\nContent-Length: 5\r\n",
        b"Host: edge\r\n" + _CODING + b"\r\n",
        b"Host: edge\r\nContent-Length: 0\r\n",
        b"",
        b"Host: edge\r\nHost: edge\r\n",
        b"Host:edge\r\n",
        b"Host: edge\r\nConnection: content-length\r\n",
        b"Host: edge\r\nConnection: close\r\n",
    ),
    _swap(b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\r\n ", b" \r\n", b"", b"\x00\r\n"),
    _swap(b"0\r\n", b"00\r\n", b"-0\r\n", b"0 \r\n", b"0;a\r\n", b"0;\r\n", b"0x0\r\n", b"1\r\n", b"0\n", b"\r\n"),
    _swap(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.1 ", b"HTTP/1.2", b"http/1.1", b"HTTP/2.0"),
    _swap(b"\r\n", b";a=b\r\n", b';a="\n"\r\n', b" ;a\r\n", b"\t\r\n"),
    _swap(b"POST", b"GET", b"HEAD", b"OPTIONS", b"post", b"P OST"),
    _insert(b"\r\n", b"\n", b"\0", b" ", b"0\r\n\r\n", b"\r\n\r\n", b"Content-Length: 3\r\n", _CODING + b"\r\n"),
    _drop,
    _change_digit,
    _change_digit,
    _truncate,
)


def pipeline(draw: Draw, tag: str) -> bytes:
    """Return one to five requests, zero to three times disturbed, and a last one that asks for the end."""
    data = b"".join(one_request(draw, f"{tag}x{number}") for number in range(draw.randint(1, 5)))
    for _ in range(draw.choice((0, 1, 1, 1, 2, 3))):
        data = draw.choice(MUTATIONS)(data, draw)
    data += AFTER
    return _truncate(data, draw) if draw.random() < 0.15 else data


def cuts(draw: Draw, size: int) -> tuple[int, ...]:
    """Return where to cut so many bytes: not at all, or at one to four places."""
    return tuple(sorted({draw.randint(1, size - 1) for _ in range(draw.choice((0, 0, 1, 2, 4)))}))
