"""Where an HTTP answer ends."""

import pytest

from proxy.loading.response import Ended, ResponseError, ResponseReader

CASES = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Ended(200, 3, True)),
    "a length of zero": (b"HTTP/1.1 404 No\r\ncontent-length:0\r\n\r\n", Ended(404, 0, True)),
    "no body by its status": (b"HTTP/1.1 204 No Content\r\n\r\n", Ended(204, 0, True)),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Ended(304, 0, True)),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nA: b\r\n\r\n",
        Ended(200, 3, True),
    ),
    "a connection that closes": (
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\na",
        Ended(200, 1, False),
    ),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", Ended(200, 1, False)),
    "interim answers before it": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nA: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        Ended(200, 1, True),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_ends_with_its_last_byte(case: str) -> None:
    data, ended = CASES[case]
    reader = ResponseReader()
    for _ in range(2):  # the next one begins anew
        assert reader.feed(data) == ended
        assert not reader.has_begun
        told = [reader.feed(data[at : at + 1]) for at in range(len(data))]
        assert told == [None] * (len(data) - 1) + [ended]


def test_the_answer_to_head_has_no_body() -> None:
    reader = ResponseReader(is_head=True)
    assert reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") == Ended(200, 0, True)


def test_the_end_of_the_connection_ends_what_nothing_else_does() -> None:
    reader = ResponseReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nab") is None
    assert reader.feed(b"c") is None
    assert reader.end() == Ended(200, 3, False)


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", CASES["chunks"][0][:-4]]
)
def test_the_end_of_the_connection_breaks_off_what_has_an_end(data: bytes) -> None:
    reader = ResponseReader()
    assert reader.feed(data) is None
    assert reader.end() is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x00\x00\x01\x02\x01\x00\r\n\r\n", "does not begin like an answer"),
        (b"HTTP/2 200\r\n\r\n", "does not begin like an answer"),
        (b"HTTP/1.1 abc\r\n\r\n", "does not begin like an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "Content-Length is no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", "Content-Length is no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "more bytes than its Content-Length says"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "not chunked as it must be: bad_size"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000, "its head has more than 65,536 bytes"),
    ],
)
def test_what_is_no_answer(data: bytes, why: str) -> None:
    with pytest.raises(ResponseError, match=why):
        ResponseReader().feed(data)
