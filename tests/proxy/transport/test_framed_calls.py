"""What services ask over their connections, and frames of exchanges that nobody knows. The wire is a fake."""

import pytest
from framed_support import CALLING, SLIM, TURNED_AWAY, Bench, FakeCalls
from msgspec.structs import replace

from frames.fixed import decode_refused, encode_cancel, encode_credit
from frames.frame import DIALLED, END, CancelReason, FrameType, RefusedReason
from frames.greeting import decode_welcome
from frames.wire_values import CloseCause


def test_calls_are_given_to_who_carries_them() -> None:
    bench = Bench(calls=(calls := FakeCalls()))
    bench.join(5, CALLING)
    assert decode_welcome(bench.port.payloads[-1]).features == ("streams", "digest", "calls")
    bench.transport.call(5, DIALLED | 1, END, b"asked")
    bench.come(5, FrameType.CANCEL, encode_cancel(CancelReason.DEADLINE), exchange=DIALLED | 1)
    bench.transport.closed(5, CloseCause.EOF, 0)
    assert calls.taken == [("call", 5, DIALLED | 1, END, b"asked"), ("cancel", 5, DIALLED | 1), ("lost", 5)]


def test_calls_that_cannot_be_carried_are_refused() -> None:
    bench = Bench(calls=(calls := FakeCalls()))
    bench.join(5)  # does not name the feature
    bench.join(6, replace(SLIM, instance="b2", features=("digest", "calls")))  # is not registered
    bench.join(7, replace(CALLING, instance="b3"))
    bench.transport.goaway(7)
    bench.port.take()
    for connection in (5, 6, 7):
        bench.transport.call(connection, DIALLED | 1, END)
    assert bench.port.take() == [(5, "REFUSED"), (6, "REFUSED"), (7, "REFUSED")]
    assert [decode_refused(payload).reason for payload in bench.port.payloads[-3:]] == [
        RefusedReason.UNSUPPORTED_FEATURE,
        RefusedReason.UNKNOWN_ENDPOINT,
        RefusedReason.DRAINING,
    ]
    assert calls.taken == []
    assert bench.transport.statistics().calls_refused == 3


def test_a_request_of_a_service_is_refused_since_no_endpoint_is_known() -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.transport.call(5, DIALLED | 77, END, b"whatever")
    assert bench.port.take() == [(5, "REFUSED")]
    assert decode_refused(bench.port.payloads[-1]).reason == RefusedReason.UNKNOWN_ENDPOINT
    assert bench.port.exchanges[-1] == DIALLED | 77
    assert bench.transport.statistics().calls_refused == 1


def test_a_request_with_an_id_of_ours_is_a_protocol_error() -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.transport.call(5, 77, END)
    assert bench.port.take() == TURNED_AWAY


@pytest.mark.parametrize(
    "frame_type",
    [FrameType.RESPONSE, FrameType.DATA, FrameType.TRAILERS, FrameType.CREDIT, FrameType.CANCEL, FrameType.REFUSED],
)
def test_frames_of_unknown_exchanges_are_counted_and_do_no_harm(frame_type: FrameType) -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.come(5, frame_type, encode_credit(5), exchange=12345)
    assert bench.port.take() == []
    assert bench.transport.statistics().unknown_exchanges == 1
    assert bench.targets == [5]
