"""The chunked decoder as Python sees it: pieces, ends, trailers, errors, wherever the bytes are cut."""

import pytest

from frames._native import ffi, lib
from frames.chunked import BodyError, BodyErrorCode, ChunkedDecoder, Chunks, may_be_trailer

END = b"0\r\n\r\n"


def feed_in_pieces(data: bytes, size: int) -> tuple[bytes, Chunks]:
    """Return the body, and what the last call came to."""
    decoder = ChunkedDecoder()
    body = b""
    chunks = Chunks([], False, b"", [])
    for at in range(0, len(data), size):
        chunks = decoder.feed(data[at : at + size])
        body += b"".join(chunks.pieces)
        if chunks.is_done:
            break
    return body, chunks


def test_the_codes_are_those_of_the_library() -> None:
    names = ffi.typeof("enum http1_body_error").elements
    assert {f"BODY_{code.name}": code.value for code in BodyErrorCode} == {v: k for k, v in names.items() if k}


def test_a_body_in_one_call() -> None:
    chunks = ChunkedDecoder().feed(b"5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\nX-Sum: 1 \r\n\r\nGET")
    assert chunks == ([b"hello", b", world"], True, b"GET", [(b"x-sum", b"1")])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 100])
def test_a_body_in_pieces(size: int) -> None:
    data = b"b\r\nhello world\r\n1;a\r\n!\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"
    body, chunks = feed_in_pieces(data, size)
    assert body == b"hello world!"
    assert (chunks.is_done, chunks.rest, chunks.trailers) == (True, b"", [(b"x-a", b"1"), (b"x-b", b"2")])


@pytest.mark.parametrize("count", [1, 16, 17, 127, 128, 129, 256, 3000])
@pytest.mark.parametrize("tail", [b"", END, b"0\r\nX: y\r\n\r\nGET"])
def test_many_small_chunks(count: int, tail: bytes) -> None:
    sent = [b"%04d" % number for number in range(count)]
    chunks = ChunkedDecoder().feed(b"".join(b"4\r\n" + text + b"\r\n" for text in sent) + tail)
    assert b"".join(chunks.pieces) == b"".join(sent)
    assert all(chunks.pieces)
    assert chunks.is_done == bool(tail)
    assert chunks.rest == tail.partition(b"\r\n\r\n")[2]
    assert chunks.trailers == ([(b"x", b"y")] if b"X" in tail else [])


def test_a_piece_that_is_all_data_is_not_copied() -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(b"20000\r\n").pieces == []
    data = bytes(65536)
    assert decoder.feed(data).pieces[0] is data


def test_how_much_is_to_come_at_least() -> None:
    decoder = ChunkedDecoder()
    assert decoder.body_bytes_min == 0
    decoder.feed(b"3\r\nabc\r\nff\r\nx")
    assert decoder.body_bytes_min == 3 + 255


def test_behind_the_end_nothing_is_read() -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(END).is_done
    assert decoder.feed(b"5\r\n") == ([], True, b"5\r\n", [])


def test_what_must_not_be_a_trailer_is_left_out() -> None:
    lines = b"Content-Length: 5\r\nX-A: 1\r\nAuthorization: x\r\nX_Tenant_Id: b\r\nContent-Digest: c\r\n"
    assert ChunkedDecoder().feed(b"0\r\n" + lines + b"\r\n").trailers == [(b"x-a", b"1"), (b"content-digest", b"c")]
    assert may_be_trailer(b"x-a")
    assert not may_be_trailer(b"host")


@pytest.mark.parametrize(
    ("data", "code", "is_trailer"),
    [
        (b"x", BodyErrorCode.BAD_SIZE, False),
        (b"100000000000000000", BodyErrorCode.SIZE_TOO_LARGE, False),
        (b"1;;", BodyErrorCode.BAD_EXTENSION, False),
        (b"1\n", BodyErrorCode.BAD_LINE_END, False),
        (b"1\r\nab", BodyErrorCode.BAD_DATA_END, False),
        (b"1;" + b"a" * 256, BodyErrorCode.LINE_TOO_LONG, False),
        ((b"1;" + b"a" * 250 + b"\r\nx\r\n") * 66, BodyErrorCode.EXTENSIONS_TOO_LARGE, False),
        (b"0\r\nX : y\r\n\r\n", BodyErrorCode.BAD_TRAILER_NAME, True),
        (b"0\r\nX: \0\r\n\r\n", BodyErrorCode.BAD_TRAILER_VALUE, True),
        (b"0\r\nX: y\n", BodyErrorCode.BAD_TRAILER_LINE, True),
        (b"0\r\nX: " + b"y" * 16381, BodyErrorCode.TRAILERS_TOO_LARGE, True),
        (b"0\r\n" + b"X:\r\n" * 101 + b"\r\n", BodyErrorCode.TOO_MANY_TRAILERS, True),
    ],
)
def test_errors(data: bytes, code: BodyErrorCode, is_trailer: bool) -> None:
    for size in (len(data), 1):
        with pytest.raises(BodyError, match=f"^{code.name.lower()}$") as raised:
            feed_in_pieces(data, size)
        assert (raised.value.code, raised.value.is_trailer) == (code, is_trailer)


def test_an_error_stays() -> None:
    decoder = ChunkedDecoder()
    for _ in range(2):
        with pytest.raises(BodyError, match="bad_size"):
            decoder.feed(b"-1\r\n")


def test_the_bounds_of_trailers_are_the_caller_s() -> None:
    section = b"A: 1\r\nB: 2\r\n\r\n"
    assert ChunkedDecoder(len(section), 2).feed(b"0\r\n" + section).is_done
    with pytest.raises(BodyError, match="trailers_too_large"):
        ChunkedDecoder(len(section) - 1, 2).feed(b"0\r\n" + section)
    with pytest.raises(BodyError, match="too_many_trailers"):
        ChunkedDecoder(len(section), 1).feed(b"0\r\n" + section)


def test_trailers_never_pass_the_array() -> None:
    lines = b"X:\r\n" * (lib.HTTP1_FIELDS_MAX + 1)
    with pytest.raises(BodyError, match="too_many_trailers"):
        ChunkedDecoder(1 << 20, 1 << 20).feed(b"0\r\n" + lines + b"\r\n")
