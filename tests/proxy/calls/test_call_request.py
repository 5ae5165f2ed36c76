"""A call as it is read from its frame, and as stages see its fields."""

import pytest

from frames.fields import decode_fields, encode_request
from frames.frame import FieldId, Method
from frames.wire_values import KnownName
from proxy.calls.request import CallFields, read_call
from proxy.errors import BAD_PATH, BAD_TARGET, TENANT_INVALID


def test_all_of_it() -> None:
    fields = [(FieldId.SERVICE, b"", b"stock"), (FieldId.TENANT, b"", b"acme"), (0, b"a", b"b"), (99, b"", b"new")]
    call = read_call(encode_request(5, 9, Method.PUT, b"/a/b?c", fields, b"body"))
    assert (call.remaining_ms, call.method, call.target, call.path) == (5, Method.PUT, b"/a/b?c", b"/a/b")
    assert (call.service, call.tenant, call.body, call.wants_upgrade) == ("stock", b"acme", b"body", False)
    assert call.context == {FieldId.TENANT: b"acme"}
    assert call.named == ((b"a", b"b"),)
    assert call.refusal() is None


def test_nothing_of_it() -> None:
    call = read_call(encode_request(0, 0, Method.GET, b"/"))
    assert (call.service, call.tenant, call.context, call.named, call.body) == (None, b"", {}, (), b"")
    assert call.forwarded().count == 0


@pytest.mark.parametrize(
    ("field", "value", "is_taken"),
    [
        (FieldId.CORRELATION_ID, b"a" * 64, True),
        (FieldId.CORRELATION_ID, b"a" * 65, False),
        (FieldId.CORRELATION_ID, b"a b", False),
        (FieldId.REQUEST_ID, b"", False),
        (FieldId.TRACE, bytes(25), False),
        (FieldId.TRACE, b"\1" + bytes(24), False),
        (FieldId.TRACE, b"\1" * 25, True),
        (FieldId.TRACESTATE, b"a=b", False),  # without a trace
        (FieldId.TENANT, b"a b", True),  # and then refused
    ],
)
def test_context_that_is_none_is_left_out(field: FieldId, value: bytes, is_taken: bool) -> None:
    call = read_call(encode_request(5, 0, Method.GET, b"/a", [(field, b"", value)]))
    assert (field in call.context) is is_taken


TRACE = b"\1" * 24


@pytest.mark.parametrize(("state", "is_taken"), [(b"a=b,c=d", True), (b"a", False), (b"A=b", False), (b"", False)])
def test_a_tracestate_that_is_none_is_left_out(state: bytes, is_taken: bool) -> None:
    fields = [(FieldId.TRACE, b"", TRACE + b"\1"), (FieldId.TRACESTATE, b"", state)]
    call = read_call(encode_request(5, 0, Method.GET, b"/a", fields))
    assert (FieldId.TRACESTATE in call.context) is is_taken
    assert FieldId.TRACE in call.context


def test_of_flags_of_a_trace_those_that_are_known_go_on() -> None:
    call = read_call(encode_request(5, 0, Method.GET, b"/a", [(FieldId.TRACE, b"", TRACE + b"\xff")]))
    assert call.context[FieldId.TRACE] == TRACE + b"\x03"


@pytest.mark.parametrize("tenant", [b"", b"a b", b"a" * 65, b"a/b"])
def test_a_tenant_that_is_none(tenant: bytes) -> None:
    call = read_call(encode_request(5, 0, Method.GET, b"/a", [(FieldId.TENANT, b"", tenant)]))
    answer = call.refusal()
    assert answer is not None
    assert answer.reason is TENANT_INVALID


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (b"/a/../b", BAD_PATH),
        (b"/a/..", BAD_PATH),
        (b"/./a", BAD_PATH),
        (b"/a/%2E%2e/b", BAD_PATH),
        (b"/a/.%2e", BAD_PATH),
        (b"//a", BAD_PATH),
        (b"/a/..;b/c", BAD_PATH),
        (b"/a/.;", BAD_PATH),
        (b"/a%2Fb", BAD_PATH),
        (b"/a%5cb", BAD_PATH),
        (b"/a%00", BAD_PATH),
        (b"/a%7f", BAD_PATH),
        (b"/a%c0%af", None),
        (b"/a\xc0\xaf", BAD_TARGET),
        (b"/a b", BAD_TARGET),
        (b"/a\tb", BAD_TARGET),
        (b"/a?b=../c//d%2f", None),
        (b"/...", None),
        (b"/a..b/.c", None),
    ],
)
def test_paths_that_can_be_read_in_two_ways(target: bytes, reason: object) -> None:
    answer = read_call(encode_request(5, 0, Method.GET, target)).refusal()
    assert (answer and answer.reason) is reason


def test_what_goes_on() -> None:
    stays = [b"forwarded", b"traceparent", b"x-tenant-id", b"x-forwarded-host", b"x-penstock-mirror"]
    goes = [b"accept", b"authorization", b"x-service-version", b"forwarded-by"]
    payload = encode_request(5, 0, Method.GET, b"/a", [(0, name, b"v") for name in (*stays, *goes)])
    count, block = (forwarded := read_call(payload).forwarded()).count, forwarded.block
    assert decode_fields(block, 0, count, 4 * count) == [(0, name, b"v") for name in goes]


def test_what_frames_http_does_not_go_on() -> None:
    """An encoder of ours would not write it; another's may."""
    payload = encode_request(5, 0, Method.GET, b"/a", [(0, b"connecti_n", b"v")]).replace(b"connecti_n", b"connection")
    assert read_call(payload).forwarded().count == 0


def test_fields_as_stages_read_them() -> None:
    context: dict[FieldId, bytes] = {}
    fields = CallFields([(b"a", b"1"), (b"host", b"h"), (b"a", b"2")], context)
    assert fields.named_field(0, b"a") == b"1, 2"
    assert fields.named_field(0, b"b") is None
    assert fields.request_field(0, KnownName.HOST) == b"h"
    assert fields.request_field(0, KnownName.TENANT) is None
    assert (fields.caller(0), fields.client_address(0)) == (b"", "")
    assert fields.set_context(0, FieldId.TENANT, b"acme") == 0
    assert context == {FieldId.TENANT: b"acme"}
