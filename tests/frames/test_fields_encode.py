"""What the encoders of field blocks refuse: what a receiver would refuse, or what would be unsafe as HTTP."""

import re

import pytest

from frames import codec
from frames.codec import FrameError, encode_request, encode_response, encode_trailers, response_head
from frames.frame import FORBIDDEN_NAMES, FieldId, FrameErrorCode, Method

SECRET = b"s3cret\x00value"


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ((0, b"", b"v"), "not a lower-case HTTP token"),
        ((0, b"Accept", b"v"), "not a lower-case HTTP token"),
        ((0, b"a b", b"v"), "not a lower-case HTTP token"),
        ((0, b"a:", b"v"), "not a lower-case HTTP token"),
        ((0, b"a\r\n", b"v"), "not a lower-case HTTP token"),
        ((0, b"a\n", b"v"), "not a lower-case HTTP token"),
        ((0, "é".encode(), b"v"), "not a lower-case HTTP token"),
        ((0, b"n" * 256, b"v"), "1 to 255 bytes"),
        ((0, b"n", bytes(65_536)), "value of n has 65536 bytes; 65535 is the most"),
        ((0, b"n", b"a\r\nset-cookie: x"), "value of n holds a control character"),
        ((0, b"n", b"a\x7f"), "value of n holds a control character"),
        ((FieldId.TENANT, b"", b"a\n"), "value of context field 1 holds a control character"),
        ((FieldId.TENANT, b"tenant", b"acme"), "context field 1 has a name"),
        ((FieldId.TRACE, b"", bytes(24)), "trace has 24 bytes, not 25"),
        ((256, b"", b""), "not a byte"),
        ((-1, b"", b""), "not a byte"),
    ],
)
def test_field_that_may_not_be_sent_is_refused(field: tuple[int, bytes, bytes], says: str) -> None:
    with pytest.raises(FrameError, match=re.escape(says)) as caught:
        encode_trailers([field])
    assert caught.value.code is FrameErrorCode.FIELDS


@pytest.mark.parametrize("name", sorted(FORBIDDEN_NAMES))
def test_field_of_one_hop_is_refused(name: bytes) -> None:
    with pytest.raises(FrameError, match="belongs to one HTTP hop"):
        response_head(200, [(0, name, b"x")])


def test_refusal_does_not_show_the_value() -> None:
    with pytest.raises(FrameError) as caught:
        response_head(200, [(0, b"authorization", SECRET)])
    assert "s3cret" not in str(caught.value)


def test_context_field_twice_is_refused_and_an_unknown_one_may_hold_any_bytes() -> None:
    with pytest.raises(FrameError, match="came before"):
        encode_trailers([(FieldId.TENANT, b"", b"a"), (FieldId.TENANT, b"", b"b")])
    assert encode_trailers([(200, b"", bytes(3))])


def test_tab_and_high_bytes_may_be_in_a_value() -> None:
    assert encode_trailers([(0, b"n", b"a\tb\x80\xff")]).endswith(b"na\tb\x80\xff")


def test_more_fields_than_a_frame_holds_are_refused() -> None:
    assert encode_trailers([(0, b"n", b"")] * 128)
    with pytest.raises(FrameError, match="129 fields are more than the 128"):
        encode_trailers([(0, b"n", b"")] * 129)


@pytest.mark.parametrize("target", [b"", b"*", b"a/b", b"/" + b"t" * 8_192])
def test_target_that_may_not_be_sent_is_refused(target: bytes) -> None:
    with pytest.raises(FrameError, match="target must begin with '/'") as caught:
        encode_request(1, 0, Method.GET, target)
    assert caught.value.code is FrameErrorCode.TARGET


@pytest.mark.parametrize(
    ("remaining_ms", "endpoint", "method", "attempt"),
    [(-1, 0, 1, 1), (1, 65_536, 1, 1), (1, -1, 1, 1), (1, 0, 0, 1), (1, 0, 8, 1), (1, 0, 1, 0), (1, 0, 1, 256)],
)
def test_request_values_out_of_range_are_refused(remaining_ms: int, endpoint: int, method: int, attempt: int) -> None:
    with pytest.raises(FrameError, match="out of range"):
        encode_request(remaining_ms, endpoint, method, b"/", attempt=attempt)


def test_deadline_beyond_what_can_be_said_is_capped() -> None:
    assert encode_request(2**40, 0, Method.GET, b"/")[:4] == b"\xff\xff\xff\xff"


@pytest.mark.parametrize("status", [99, 600, -1, 70_000])
def test_status_out_of_range_is_refused(status: int) -> None:
    with pytest.raises(FrameError, match="is not from 100 to 599"):
        response_head(status)


def test_interim_response_has_no_body() -> None:
    assert encode_response(103, [(0, b"link", b"x")])
    with pytest.raises(FrameError, match="interim"):
        encode_response(103, body=b"x")


def test_payload_over_the_limit_is_refused() -> None:
    head = response_head(200)
    assert len(encode_response(200, body=bytes(1_048_576 - len(head)))) == 1_048_576
    with pytest.raises(FrameError, match="send the rest as DATA") as caught:
        encode_response(200, body=bytes(1_048_577 - len(head)))
    assert caught.value.code is FrameErrorCode.TOO_LONG


def test_kept_head_and_body_are_the_response() -> None:
    fields = [(0, b"content-type", b"text/plain")]
    assert response_head(200, fields) + b"hi" == encode_response(200, fields, b"hi")


def test_fields_beyond_the_payload_are_refused() -> None:
    payload = encode_trailers([(0, b"name", b"value")])
    with pytest.raises(FrameError, match="table of 9 entries goes beyond"):
        codec.decode_fields(payload, 4, 9, 8)
    with pytest.raises(FrameError, match="1 bytes beyond"):
        codec.decode_fields(payload[:-1], 4, 1, 8)
