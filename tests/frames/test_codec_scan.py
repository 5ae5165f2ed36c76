"""Scans of parts: truncated input, splits, full arrays, and what a Scan gives back."""

import threading
from typing import Any

import pytest
from frame_support import as_found, scan_pieces
from frame_vectors import BAD, GOOD

from frames import codec
from frames.codec import FRAMES_PER_SCAN_MAX, scan
from frames.frame import END, FieldId, FrameErrorCode, FrameType, Method

HEARTBEAT = codec.encode_frame(FrameType.HEARTBEAT, 0, 0, bytes(8))
REQUEST = codec.encode_frame(
    *(FrameType.REQUEST, END, 7),
    codec.encode_request(100, 1, Method.GET, b"/a", [(FieldId.TENANT, b"", b"acme"), (0, b"accept", b"*/*")], b"body"),
)


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_every_truncation_yields_nothing_and_says_what_is_needed(vector: dict[str, Any]) -> None:
    data = vector["data"]
    for length in range(len(data)):
        found = scan(data[:length])
        needed = 0 if length == 0 else 16 if length < 16 else len(data)
        assert (found.frames, found.consumed, found.needed, found.error) == ([], 0, needed, 0), length


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_truncation_behind_whole_frames_counts_from_the_unfinished_one(vector: dict[str, Any]) -> None:
    data = vector["data"]
    found = scan(HEARTBEAT + REQUEST + data[:-1])
    assert (len(found.frames), found.consumed) == (2, len(HEARTBEAT + REQUEST))
    assert found.needed == (len(data) if len(data) > 16 else 16)


@pytest.mark.parametrize("vector", GOOD + BAD, ids=lambda vector: vector["name"])
def test_any_split_is_read_as_the_whole(vector: dict[str, Any]) -> None:
    data = HEARTBEAT + vector["data"][:300] + (REQUEST if len(vector["data"]) < 300 else b"")
    whole = as_found(scan(data))
    assert scan_pieces([data[at : at + 1] for at in range(len(data))]) == whole
    for at in range(1, len(data)):
        assert scan_pieces([data[:at], data[at:]]) == whole


def test_bad_header_is_refused_before_its_payload_is_there() -> None:
    vector = next(vector for vector in BAD if vector["name"] == "payload_over_limit")
    assert scan(vector["data"][:15]).needed == 16
    assert scan(vector["data"][:16]).error is FrameErrorCode.TOO_LONG


@pytest.mark.parametrize(
    ("frame_type", "flags", "exchange", "most"),
    [
        *((FrameType.HELLO, 0, 0, 262_144), (FrameType.WELCOME, 0, 0, 262_144), (FrameType.FAULT, 0, 0, 1_028)),
        *((FrameType.DATA, 0, 1, 65_536), (FrameType.RESPONSE, 0, 1, 1_048_576), (FrameType.REQUEST, 0, 1, 1_048_576)),
        (FrameType.TRAILERS, END, 1, 1_048_576),
    ],
)
def test_longest_payload_of_each_type_is_awaited_and_one_more_is_not(
    frame_type: int, flags: int, exchange: int, most: int
) -> None:
    header = codec.encode_frame(frame_type, flags, exchange)[4:]
    assert scan(most.to_bytes(4) + header).needed == 16 + most
    assert scan((most + 1).to_bytes(4) + header).error is FrameErrorCode.TOO_LONG


def test_longest_request_is_read() -> None:
    target, fields = b"/" + b"t" * 8_191, [(0, b"n" * 255, b"v" * 7_000)] * 128
    head = codec.encode_request(1, 0, Method.PUT, target, fields)
    body = b"b" * (1_048_576 - len(head))
    found = scan(codec.encode_frame(FrameType.REQUEST, END, 1, head + body))
    (frame,) = found.frames
    assert (frame.payload_bytes, found.target(frame), found.body(frame)) == (1_048_576, target, body)
    assert found.fields(frame) == fields


def test_full_frames_array_ends_the_scan_without_error() -> None:
    data = HEARTBEAT * (FRAMES_PER_SCAN_MAX + 3)
    first = scan(data)
    assert (len(first.frames), first.needed, first.error) == (FRAMES_PER_SCAN_MAX, 0, FrameErrorCode.OK)
    second = scan(data[first.consumed :])
    assert (len(second.frames), second.consumed) == (3, 3 * len(HEARTBEAT))


def test_full_fields_array_ends_the_scan_before_the_frame_that_does_not_fit() -> None:
    frame = codec.encode_frame(FrameType.TRAILERS, END, 1, codec.encode_trailers([(0, b"n", b"v")] * 127))
    count = 16 * FRAMES_PER_SCAN_MAX // 127
    data = frame * (count + 1)
    first = scan(data)
    assert (first.consumed, first.needed, first.error) == (count * len(frame), 0, FrameErrorCode.OK)
    assert len(scan(data[first.consumed :]).frames) == 1


def test_rows_are_the_frames_as_plain_tuples() -> None:
    found = scan(HEARTBEAT + REQUEST)
    assert list(found.rows()) == [tuple(frame) for frame in found.frames]
    assert all(type(row) is tuple for row in found.rows())
    row = list(found.rows())[1]
    assert (found.target(row), found.body(row)) == (b"/a", b"body")
    assert found.fields(row) == [(1, b"", b"acme"), (0, b"accept", b"*/*")]


def test_a_later_scan_leaves_an_earlier_one_as_it_was() -> None:
    first = scan(REQUEST)
    before = as_found(first)
    scan(HEARTBEAT * 200)
    assert as_found(first) == before


def test_threads_do_not_share_what_c_writes_into() -> None:
    wrong: list[Any] = []

    def scan_often(data: bytes) -> None:
        expected = as_found(scan(data))
        wrong.extend(found for found in (as_found(scan(data)) for _ in range(200)) if found != expected)

    threads = [threading.Thread(target=scan_often, args=(data * 20,)) for data in (REQUEST, HEARTBEAT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_repr_says_counts_and_state() -> None:
    assert repr(scan(HEARTBEAT + b"\0")) == "<Scan frames=1 consumed=24 needed=16 error=OK>"


def test_frame_too_long_for_any_type_is_not_encoded() -> None:
    with pytest.raises(codec.FrameError, match="1048577 bytes; 1048576 is the most") as caught:
        codec.encode_frame(FrameType.RESPONSE, 0, 1, bytes(1_048_577))
    assert caught.value.code is FrameErrorCode.TOO_LONG


@pytest.mark.parametrize(("frame_type", "flags", "exchange"), [(256, 0, 0), (1, -1, 0), (6, 0, 2**64)])
def test_header_values_out_of_range_are_not_encoded(frame_type: int, flags: int, exchange: int) -> None:
    with pytest.raises(codec.FrameError, match="out of range"):
        codec.encode_frame(frame_type, flags, exchange)
