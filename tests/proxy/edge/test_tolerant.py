"""Tolerant parsing: each cause that is tolerated, each that stays refused, and the strict scanner as the judge."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames._native import ffi, lib
from proxy.edge.tolerant import head_end, may_be_repaired, repair

GET = b"GET /a HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
NOT_HTTP = int(lib.EDGE_NOT_HTTP)


def verdict_on(head: bytes) -> int:
    """What the edge's scanner says, as it would come to Python."""
    end = lib.http1_head_end(head, len(head), 1 << 16, ffi.new("uint32_t *"))
    if end == lib.HEAD_END_BAD_LINE:
        return int(lib.HEAD_BAD_LINE_END)
    if not lib.http1_head_may_begin(head, len(head)):
        return NOT_HTTP
    assert end == len(head)
    limits: Any = ffi.new("http1_limits *", (1 << 16, 100, 8192, 65536))
    return int(lib.http1_head_scan(ffi.new("uint8_t[]", head), len(head), limits, ffi.new("http1_head *")))


def is_malformed(verdict: int) -> bool:
    return 0 < verdict < 64


TOLERATED = {
    "bare LF everywhere": (b"GET /a HTTP/1.1\nHost: a\nX: y\n\n", GET + HOST + b"X: y\r\n\r\n"),
    "bare LF and a length": (
        b"GET /a HTTP/1.1\nHost: a\nContent-Length: 3\n\n",
        GET + HOST + b"Content-Length: 3\r\n\r\n",
    ),
    "an empty line first": (b"\r\n" + GET + HOST + b"\r\n", GET + HOST + b"\r\n"),
    "several empty lines first": (b"\r\n" * 3 + GET + HOST + b"\r\n", GET + HOST + b"\r\n"),
    "empty lines of LF first": (b"\n\nGET /a HTTP/1.1\nHost: a\n\n", GET + HOST + b"\r\n"),
    "an empty line of LF first": (b"\n" + GET + HOST + b"\r\n", GET + HOST + b"\r\n"),
    "a space after the version": (b"GET /a HTTP/1.1 \t\r\n" + HOST + b"\r\n", GET + HOST + b"\r\n"),
    "a space after the version, LF": (b"GET /a HTTP/1.1 \nHost: a\n\n", GET + HOST + b"\r\n"),
    "a folded line": (GET + HOST + b"A: b\r\n c\r\n\r\n", GET + HOST + b"A: b c\r\n\r\n"),
    "a line folded twice": (GET + HOST + b"A: b,\r\n \t c,\r\n\td\r\n\r\n", GET + HOST + b"A: b, c, d\r\n\r\n"),
    "a folded line of a field of somebody's own": (
        GET + HOST + b"X-A: b\r\n c\r\n\r\n",
        GET + HOST + b"X-A: b c\r\n\r\n",
    ),
    "a folded line before others": (GET + b"A: b\r\n c\r\n" + HOST + b"\r\n", GET + b"A: b c\r\n" + HOST + b"\r\n"),
    "a folded line, LF": (b"GET /a HTTP/1.1\nHost: a\nA: b\n c\n\n", GET + HOST + b"A: b c\r\n\r\n"),
    "the same length twice": (
        GET + HOST + b"Content-Length: 3\r\n" * 2 + b"\r\n",
        GET + HOST + b"Content-Length: 3\r\n\r\n",
    ),
    "the same length in a list": (
        GET + HOST + b"content-length: 3, 3\r\n\r\n",
        GET + HOST + b"content-length: 3\r\n\r\n",
    ),
    "the same length thrice": (
        GET + HOST + b"Content-Length: 3,3\r\nX: y\r\nCONTENT-LENGTH: 3\r\n\r\n",
        GET + HOST + b"Content-Length: 3\r\nX: y\r\n\r\n",
    ),
    "HTTP/1.0 without Host": (b"GET /a HTTP/1.0\nX: y\n\n", b"GET /a HTTP/1.0\r\nX: y\r\n\r\n"),
}


@pytest.mark.parametrize(("head", "repaired"), TOLERATED.values(), ids=TOLERATED)
def test_what_is_tolerated(head: bytes, repaired: bytes) -> None:
    verdict = verdict_on(head)
    assert is_malformed(verdict)
    assert head_end(head) == len(head)
    assert may_be_repaired(head, verdict)
    assert repair(head, verdict) == repaired
    assert not is_malformed(verdict_on(repaired))


REFUSED = {
    "mixed line ends": GET + b"Host: a\nX: y\r\n\r\n",
    "CR LF, and LF at the end of the head": GET + b"Host: a\r\nX: y\n\r\n",
    "LF, and one CR LF": b"GET /a HTTP/1.1\nHost: a\r\nX: y\n\n",
    "a bare CR": GET + b"Host: a\r\nX: y\rZ: 1\r\n\r\n",
    "a bare CR among LF": b"GET /a HTTP/1.1\nHost: a\nX: y\rz\n\n",
    "CR CR LF": GET + b"Host: a\r\r\n\r\n",
    "two spaces after the method": b"GET  /a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tab after the method": b"GET\t/a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space before the method": b" GET /a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "another version": b"GET /a HTTP/2.0\n" + b"Host: a\n\n",
    "no version": b"GET /a\nHost: a\n\n",
    "a space before the colon": GET + HOST + b"A : b\r\n\r\n",
    "a space before the colon, LF": b"GET /a HTTP/1.1\nHost: a\nA : b\n\n",
    "no colon": GET + HOST + b"A\r\n\r\n",
    "no name": GET + HOST + b": b\r\n\r\n",
    "a fold before the first field": GET + b" A: b\r\n" + HOST + b"\r\n",
    "a folded Host": GET + b"Host: a\r\n b\r\nA: c\r\n\r\n",
    "a folded Host that is empty first": GET + b"Host:\r\n a\r\n\r\n",
    "a folded length": GET + HOST + b"Content-Length:\r\n 3\r\n\r\n",
    "a folded Connection": GET + HOST + b"Connection: close,\r\n x\r\n\r\n",
    "a folded tenant": GET + HOST + b"X-Tenant-Id: a\r\n b\r\n\r\n",
    "a folded token": GET + HOST + b"Authorization: Bearer\r\n a.b.c\r\n\r\n",
    "a folded API key": GET + HOST + b"X-Api-Key:\r\n a\r\n\r\n",
    "a folded version": GET + HOST + b"X-Service-Version: 1.0.0\r\n -x\r\n\r\n",
    "a folded trace": GET + HOST + b"traceparent: a\r\n b\r\n\r\n",
    "a folded address": GET + HOST + b"X-Forwarded-For: 1.2.3.4,\r\n 5.6.7.8\r\n\r\n",
    "a folded address in another spelling": GET + HOST + b"X_Real_IP: 1.2.3.4\r\n 5\r\n\r\n",
    "a folded line that looks like a field": GET + HOST + b"A: b\r\n Content-Length: 3\r\n\r\n",
    "a folded line that looks like a field, spaced": GET + HOST + b"A: b\r\n\tContent-Length :3\r\n\r\n",
    "a folded line that is empty": GET + HOST + b"A: b\r\n \r\n\r\n",
    "a folded line that is empty before another": GET + HOST + b"A: b\r\n \r\n c\r\n\r\n",
    "two lengths": GET + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
    "two lengths in a list": GET + HOST + b"Content-Length: 3, 4\r\n\r\n",
    "a length written in two ways": GET + HOST + b"Content-Length: 3\r\nContent-Length: 03\r\n\r\n",
    "a length with a hole": GET + HOST + b"Content-Length: 3,\r\n\r\n",
    "a signed length": GET + HOST + b"Content-Length: +3\r\nContent-Length: +3\r\n\r\n",
    "an empty length": GET + HOST + b"Content-Length:\r\nContent-Length:\r\n\r\n",
    "a length in hexadecimal": GET + HOST + b"Content-Length: 0x3\r\n\r\n",
    "two Hosts": GET + HOST + HOST + b"\r\n",
    "two Hosts, LF": b"GET /a HTTP/1.1\nHost: a\nHost: a\n\n",
    "no Host, LF": b"GET /a HTTP/1.1\nA: b\n\n",
    "chunked, LF": b"POST /a HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n",
    "chunked, folded": GET + HOST + b"A: b\r\n c\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked, and the same length twice": GET
    + HOST
    + b"Content-Length: 3\r\n" * 2
    + b"Transfer-Encoding: chunked\r\n\r\n",
    "an encoding by another name": b"POST /a HTTP/1.1\nHost: a\nTransfer_Encoding: chunked\n\n",
    "an encoding in a folded line": GET + HOST + b"A: b\r\n transfer-encoding\r\n\r\n",
    "an encoding that is folded itself": GET + HOST + b"A: b\r\n c\r\nTransfer-\r\n Encoding: chunked\r\n\r\n",
    "a control byte in a value, LF": b"GET /a HTTP/1.1\nHost: a\nA: b\x01c\n\n",
    "a NUL in a value": GET + HOST + b"A: b\0c\r\n\r\n",
    "not HTTP at all": b"\x16\x03\x01\n\n",
    "the tenant twice": GET + HOST + b"X-Tenant-Id: a\r\nX-Tenant-Id: a\r\n\r\n",
    "length and encoding": GET + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED)
def test_what_stays_refused(head: bytes) -> None:
    verdict = verdict_on(head)
    assert is_malformed(verdict)
    repaired = repair(head, verdict)
    assert repaired is None or is_malformed(verdict_on(repaired))


@pytest.mark.parametrize("verdict", [0, 2, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 32, 33, 64, 72, 1 << 16])
def test_causes_that_are_never_tolerated(verdict: int) -> None:
    for head, _ in TOLERATED.values():
        assert not may_be_repaired(head, verdict)
        assert repair(head, verdict) is None


@pytest.mark.parametrize(
    ("received", "end"),
    [
        (b"", None),
        (b"\r\n\r\n", None),
        (b"\n\n\n", None),
        (b"GET /", None),
        (b"GET / HTTP/1.1\r\n", None),
        (b"GET / HTTP/1.1\r\nA: b\r\n", None),
        (b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody\r\n\r\n", 24),
        (b"\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n", 26),
        (b"GET / HTTP/1.1\nA: b\n\nbody", 21),
        (b"GET / HTTP/1.1\nA: b\n\r\n", None),
        (b"GET / HTTP/1.1\n\n", 16),
    ],
)
def test_the_end_of_a_head(received: bytes, end: int | None) -> None:
    assert head_end(received) == end


def test_what_is_not_exactly_one_head_is_not_repaired() -> None:
    head, _ = TOLERATED["bare LF everywhere"]
    assert repair(head + b"x", lib.HEAD_BAD_LINE_END) is None
    assert repair(head[:-1], lib.HEAD_BAD_LINE_END) is None
    assert repair(b"", lib.HEAD_BAD_LINE_END) is None


def test_what_speaks_another_protocol_is_not_waited_for() -> None:
    assert not may_be_repaired(b"\x16\x03\x01", NOT_HTTP)
    assert may_be_repaired(b"\r\n", NOT_HTTP)


LINES = st.sampled_from(
    [
        b"Host: a",
        b"A: b",
        b" c",
        b"\td:e",
        b"",
        b"Content-Length: 3",
        b"Content-Length: 3,3",
        b"A : b",
        b"X-Y: z",
        b"A:",
    ]
)


@given(
    st.sampled_from([b"", b"\r\n", b"\n"]),
    st.sampled_from([b"GET /a HTTP/1.1", b"GET /a HTTP/1.1 ", b"GET  /a HTTP/1.1", b"GET /a HTTP/1.0"]),
    st.lists(LINES, max_size=6),
    st.sampled_from([b"\r\n", b"\n"]),
)
def test_whatever_is_repaired_keeps_its_meaning(
    before: bytes, first: bytes, lines: list[bytes], line_end: bytes
) -> None:
    received = before + line_end.join([first, *lines, b"", b""])
    end = head_end(received)
    if end is None:
        return
    head = received[:end]
    verdict = verdict_on(head)
    repaired = repair(head, verdict)
    if repaired is None or is_malformed(verdict_on(repaired)):
        return
    assert is_malformed(verdict)
    assert repaired.startswith(b" ".join(first.split()) + b"\r\n")
    assert repaired.count(b"Content-Length: 3") == (b"Content-Length" in head)
    assert repaired.count(b"Host: a") == head.count(b"Host: a")
    words = [word for line in lines for word in line.split() if b"ontent-Length" not in line]
    assert all(word in repaired for word in words[: 0 if b"" in lines else None])
    assert b"\n\n" not in repaired.replace(b"\r\n", b"\n")[:-2]


@given(st.binary(max_size=60), st.sampled_from([1, 3, 4, 5, 8, NOT_HTTP]))
def test_any_bytes_are_repaired_or_refused(data: bytes, verdict: int) -> None:
    for head in (data, GET + HOST + data + b"\r\n\r\n", b"GET /a HTTP/1.1\nHost: a\n" + data + b"\n\n"):
        repaired = repair(head, verdict)
        assert repaired is None or repaired.endswith(b"\r\n\r\n")
