"""What of the context that a client sends is taken: ids, trace, time limit."""

import pytest
from request_fields import KNOWN, Fields, NoFields

from frames.frame import FieldId
from frames.wire_values import (
    HEAD_HAS_CORRELATION_ID,
    HEAD_HAS_REQUEST_ID,
    HEAD_HAS_REQUEST_TIMEOUT,
    HEAD_HAS_TRACEPARENT,
    HEAD_HAS_TRACESTATE,
    KnownName,
)
from proxy.edge.context import read_context
from proxy.errors import REQUEST_TIMEOUT_INVALID
from proxy.request.exchange import Exchange
from proxy.request.snapshot import Limits, Snapshot
from proxy.route.table import RouteTable

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
TRACE = bytes.fromhex(TRACE_ID + PARENT_ID + "01")

FLAGS = {
    KnownName.CORRELATION_ID: HEAD_HAS_CORRELATION_ID,
    KnownName.REQUEST_ID: HEAD_HAS_REQUEST_ID,
    KnownName.TRACEPARENT: HEAD_HAS_TRACEPARENT,
    KnownName.TRACESTATE: HEAD_HAS_TRACESTATE,
    KnownName.REQUEST_TIMEOUT: HEAD_HAS_REQUEST_TIMEOUT,
}
SNAPSHOT = Snapshot(RouteTable(), Limits())


def begun(**sent: bytes) -> tuple[Exchange, Fields]:
    """sent: values by the names of KnownName."""
    names = {known: name for name, known in KNOWN.items()}
    fake = Fields({names[KnownName[name.upper()]]: value for name, value in sent.items()})
    exchange = Exchange(fake, SNAPSHOT)
    flags = sum(FLAGS[KnownName[name.upper()]] for name in sent)
    exchange.begin(7, 1, flags, b"/", SNAPSHOT)
    return exchange, fake


def taken(**sent: bytes) -> dict[FieldId, bytes]:
    """The context that was set for a request that goes on."""
    exchange, fake = begun(**sent)
    assert read_context(exchange) is None
    return fake.context_set


def test_a_request_without_context_costs_nothing() -> None:
    exchange = Exchange(NoFields(), SNAPSHOT)
    exchange.begin(7, 1, 1, b"/", SNAPSHOT)
    assert read_context(exchange) is None


def test_everything_at_once() -> None:
    assert taken(
        correlation_id=b"c-1",
        request_id=b"r-1",
        traceparent=TRACEPARENT.encode(),
        tracestate=b"a=1",
        request_timeout=b"5",
    ) == {
        FieldId.CORRELATION_ID: b"c-1",
        FieldId.REQUEST_ID: b"r-1",
        FieldId.TRACE: TRACE,
        FieldId.TRACESTATE: b"a=1",
    }


# ---- ids ----

GOOD_IDS = [b"a", b"0", b"A.b_c:d/e+f=g-h", b"x" * 64, b"550e8400-e29b-41d4-a716-446655440000"]
BAD_IDS = [b"", b"x" * 65, b"a b", b"a\tb", b"a,b", b"a;b", b'a"b', b"a\\b", b"\xc3\xa9", b"a\n", b"<a>", b"{a}"]


@pytest.mark.parametrize("value", GOOD_IDS)
def test_a_valid_id_is_taken(value: bytes) -> None:
    assert taken(request_id=value) == {FieldId.REQUEST_ID: value}
    assert taken(correlation_id=value) == {FieldId.CORRELATION_ID: value}


@pytest.mark.parametrize("value", BAD_IDS)
def test_an_invalid_id_is_replaced_by_the_one_that_was_made(value: bytes) -> None:
    assert taken(request_id=value, correlation_id=b"c-1") == {FieldId.CORRELATION_ID: b"c-1"}
    assert taken(correlation_id=value, request_id=b"r-1") == {FieldId.REQUEST_ID: b"r-1"}


# ---- time limit ----


@pytest.mark.parametrize(("value", "milliseconds"), [(b"1", 1), (b"0250", 250), (b"999999999", 999_999_999)])
def test_a_valid_time_limit_is_taken(value: bytes, milliseconds: int) -> None:
    exchange, _ = begun(request_timeout=value)
    assert read_context(exchange) is None
    assert exchange.requested_ms == milliseconds


@pytest.mark.parametrize(
    "value",
    [b"", b"0", b"000", b"-1", b"+1", b"1.5", b"1e3", b"0x10", b"1 000", b"1_000", b"1000000000", b"\xb2", b"1\n"],
)
def test_an_invalid_time_limit_is_refused(value: bytes) -> None:
    answer = read_context(begun(request_timeout=value)[0])
    assert answer is not None
    assert answer.reason is REQUEST_TIMEOUT_INVALID


# ---- the trace: what is valid is told in test_trace_context.py ----


def test_a_valid_trace_is_taken_with_its_state() -> None:
    sent = {"traceparent": TRACEPARENT.encode(), "tracestate": b"a=1"}
    assert taken(**sent) == {FieldId.TRACE: TRACE, FieldId.TRACESTATE: b"a=1"}


def test_an_invalid_tracestate_is_left_out_and_the_trace_taken() -> None:
    assert taken(traceparent=TRACEPARENT.encode(), tracestate=b"A=1") == {FieldId.TRACE: TRACE}


def test_of_an_invalid_trace_nothing_is_taken() -> None:
    assert taken(traceparent=TRACEPARENT.upper().encode(), tracestate=b"a=1") == {}


def test_a_tracestate_without_a_trace_is_left_out() -> None:
    assert taken(tracestate=b"a=1") == {}


def test_a_refused_request_keeps_the_ids_that_its_client_knows() -> None:
    exchange, fake = begun(request_timeout=b"0", request_id=b"r-1", correlation_id=b"c-1")
    assert read_context(exchange) is not None
    assert fake.context_set == {FieldId.REQUEST_ID: b"r-1", FieldId.CORRELATION_ID: b"c-1"}
