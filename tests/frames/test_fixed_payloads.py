"""The small payloads: what is refused, what is cut, what is unknown. Their bytes are in the golden vectors."""

from collections.abc import Callable

import pytest

from frames import codec
from frames.codec import FrameError
from frames.frame import FaultCode, FrameErrorCode, HealthStatus


@pytest.mark.parametrize(
    "encode",
    [
        lambda: codec.encode_heartbeat(HealthStatus.HEALTHY, 65_536, 0),
        lambda: codec.encode_heartbeat(HealthStatus.HEALTHY, 0, -1),
        lambda: codec.encode_goaway(256, 0),
        lambda: codec.encode_goaway(1, 2**32),
        lambda: codec.encode_fault(65_536, ""),
        lambda: codec.encode_cancel(-1),
        lambda: codec.encode_refused(1, -1),
        lambda: codec.encode_credit(2**32),
        lambda: codec.encode_credit(0),
    ],
)
def test_value_that_does_not_fit_is_refused(encode: Callable[[], bytes]) -> None:
    with pytest.raises(FrameError) as caught:
        encode()
    assert caught.value.code is FrameErrorCode.PAYLOAD


def test_fault_text_is_cut_between_characters() -> None:
    payload = codec.encode_fault(FaultCode.INTERNAL, "x" + "é" * 600)
    assert len(payload) == 4 + 1_023
    assert codec.decode_fault(payload).text == "x" + "é" * 511


def test_fault_text_that_cannot_be_utf8_still_goes_out() -> None:
    assert codec.decode_fault(codec.encode_fault(FaultCode.INTERNAL, "a\udcff")).text == "a?"


def test_fault_text_from_a_peer_that_is_not_utf8_is_shown_with_replacements() -> None:
    assert codec.decode_fault(b"\0\1\0\0a\xff").text == "a\N{REPLACEMENT CHARACTER}"


def test_fault_text_over_the_limit_is_refused() -> None:
    with pytest.raises(FrameError, match="text has 1025 bytes; 1024 is the most") as caught:
        codec.decode_fault(bytes(4) + b"x" * 1_025)
    assert caught.value.code is FrameErrorCode.TOO_LONG


def test_decoded_values_carry_their_kinds() -> None:
    heartbeat = codec.decode_heartbeat(codec.encode_heartbeat(HealthStatus.DEGRADED))
    assert heartbeat == (HealthStatus.DEGRADED, 65_535, 0)
    assert heartbeat.status is HealthStatus.DEGRADED
