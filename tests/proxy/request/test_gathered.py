"""The frames of one answer: a transcript in, a verdict out."""

import pytest

from frames.fields import Field, encode_response
from frames.fixed import encode_cancel, encode_credit
from frames.frame import END, CancelReason, FieldId, FrameType, Method
from frames.limits import PAYLOAD_BYTES_MAX
from frames.wire_values import Event, EventKind
from proxy.errors import BAD_RESPONSE, BYTES_IN_FLIGHT_FULL, SERVICE_LOST
from proxy.request.gathered import Ended, Gathered, Whole
from proxy.request.stage import Answer

Frame = tuple[FrameType, int, bytes, int, int]
"""Type, flags, payload, status, body bytes."""


def response(status: int = 200, body: bytes = b"", flags: int = END, *fields: Field) -> Frame:
    payload = encode_response(status, fields, b"") + body
    return FrameType.RESPONSE, flags, payload, status, len(body)


def data(body: bytes, flags: int = 0) -> Frame:
    return FrameType.DATA, flags, body, 0, 0


def length(value: bytes) -> Field:
    return FieldId.BODY_LENGTH, b"", value


CANCEL: Frame = (FrameType.CANCEL, 0, encode_cancel(CancelReason.ABORTED), 0, 0)
CREDIT: Frame = (FrameType.CREDIT, 0, encode_credit(9), 0, 0)
REFUSED: Frame = (FrameType.REFUSED, 0, bytes(8), 0, 0)
TRAILERS: Frame = (FrameType.TRAILERS, END, bytes(4), 0, 0)


def run(
    *frames: Frame,
    method: Method = Method.GET,
    may_stream: bool = True,
    keeps: bool = True,
    memory: int = 1 << 30,
    grants: bool = True,
) -> Ended | None:
    """Feed frames until there is a verdict, which must be at the last one."""
    held = 0

    def reserve(count: int) -> bool:
        nonlocal held
        held += count
        return held <= memory

    gathered = Gathered(method, 100, reserve, may_stream=may_stream, keeps=keeps)
    ended = None
    for frame_type, flags, payload, status, body_bytes in frames:
        assert ended is None, "there was a verdict before"
        event: Event = (7, 1, EventKind.STREAM, frame_type, flags, 0, len(payload), status, body_bytes, 0, 0)
        ended = gathered.take(event, payload)
        if gathered.owed and grants:
            gathered.granted()
    return ended


def test_one_frame_is_passed_on_as_it_is() -> None:
    frame = response(201, b"body", END, (0, b"a", b"b"))
    ended = run(frame)
    assert ended == Ended(Whole(201, frame[2], 4))
    assert isinstance(ended.outcome, Whole)
    assert ended.outcome.body == b"body"


@pytest.mark.parametrize("last", [data(b"e", END), data(b"", END), TRAILERS])
def test_what_streams_is_put_behind_its_head(last: Frame) -> None:
    first = response(200, b"ab", 0)
    body = b"ab" + b"cd" * 30 + (last[2] if last[0] is FrameType.DATA else b"")
    ended = run(response(103, b"", 0), first, data(b"cd" * 30), CREDIT, last)
    assert ended == Ended(Whole(200, first[2][:-2] + body, len(body)))


def test_what_is_not_wanted_is_not_kept() -> None:
    frames = [data(bytes(60)) for _ in range(40_000)]
    assert run(response(200, b"a", 0), *frames, data(b"", END), keeps=False, memory=0) == Ended(Whole(200, b"", 0))


@pytest.mark.parametrize(
    ("frames", "method"),
    [
        ([response(200, b"four", END, length(b"4"))], Method.GET),
        ([response(200, b"fo", 0, length(b"4")), data(b"ur", END)], Method.GET),
        ([response(200, b"fo", 0, length(b"4")), data(b"ur"), TRAILERS], Method.GET),
        ([response(200, b"", END, length(b"4"))], Method.HEAD),
        ([response(304, b"", END, length(b"4"))], Method.GET),
    ],
)
def test_a_declared_length_that_is_right(frames: list[Frame], method: Method) -> None:
    ended = run(*frames, method=method)
    assert ended is not None
    assert isinstance(ended.outcome, Whole)


BAD = {
    "DATA first": [data(b"a")],
    "TRAILERS first": [TRAILERS],
    "switching": [response(101, b"", 0)],
    "an interim one that ends": [response(103, b"", END)],
    "too many interim ones": [response(103, b"", 0)] * 17,
    "a second one": [response(200, b"", 0), response(200, b"", 0)],
    "an interim one behind it": [response(200, b"", 0), response(103, b"", 0)],
    "refused after all": [response(200, b"", 0), REFUSED],
    "longer than declared": [response(200, b"abc", 0, length(b"2"))],
    "longer than declared, later": [response(200, b"a", 0, length(b"2")), data(b"bc")],
    "no length": [response(200, b"a", 0, length(b"-1"))],
    "a length of many digits": [response(200, b"a", 0, length(b"1" * 17))],
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_answer(what: str) -> None:
    assert run(*BAD[what]) == Ended(Answer(BAD_RESPONSE), CancelReason.BAD_RESPONSE)


@pytest.mark.parametrize("last", [data(b"b", END), TRAILERS])
def test_shorter_than_declared(last: Frame) -> None:
    assert run(response(200, b"a", 0, length(b"3")), last) == Ended(Answer(BAD_RESPONSE))


def test_who_does_not_stream_answers_in_one_frame() -> None:
    assert run(response(200, b"", 0), may_stream=False) == Ended(Answer(BAD_RESPONSE), CancelReason.BAD_RESPONSE)


def test_more_than_was_granted() -> None:
    assert run(response(200, b"", 0), data(bytes(100)), grants=False) is None
    ended = run(response(200, b"", 0), data(bytes(100)), data(b"a"), grants=False)
    assert ended == Ended(Answer(BAD_RESPONSE), CancelReason.BAD_RESPONSE)


def test_it_is_broken_off() -> None:
    assert run(CANCEL) == run(response(200, b"", 0), CANCEL) == Ended(Answer(SERVICE_LOST))


def test_longer_than_a_frame_can_carry() -> None:
    head = len(encode_response(200))
    most = bytes(PAYLOAD_BYTES_MAX - head)
    assert run(response(200, most, 0)) is None
    whole = run(response(200, most, 0), data(b"", END))
    assert whole is not None
    assert isinstance(whole.outcome, Whole)
    ended = run(response(200, most, 0), data(b"a"))
    assert ended is not None
    assert isinstance(ended.outcome, Answer)
    assert (ended.outcome.reason, ended.cancel) == (BAD_RESPONSE, CancelReason.PAYLOAD_TOO_LARGE)


def test_no_memory_for_it() -> None:
    first = response(200, b"ab", 0)
    ended = run(first, data(bytes(50)), memory=len(first[2]) + 49)
    assert ended == Ended(Answer(BYTES_IN_FLIGHT_FULL), CancelReason.PAYLOAD_TOO_LARGE)
