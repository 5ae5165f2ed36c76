"""Records of exchanges, made by hand."""

from typing import Any

from frames.frame import Method
from frames.records import AttemptRecord, ExchangeRecord, RecordFlag
from proxy.records.names import InstanceName, Names

TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SPAN_ID = bytes.fromhex("b7ad6b7169203331")
PARENT_ID = bytes.fromhex("00f067aa0ba902b7")
STARTED_UNIX_US = 1_790_000_000_123_456

KEYS = {0: (Method.GET, "/invoices/{}", "billing"), 1: (Method.POST, "/old/{}", "gone")}
INSTANCES = {4097: InstanceName("billing", "b-1", "1.4.0"), 4098: InstanceName("billing", "b-2", "1.4.0")}


def attempt(**fields: Any) -> AttemptRecord:
    """An attempt that went well, but for what is said otherwise."""
    usual: dict[str, Any] = {
        "number": 1,
        "connection": 4097,
        "gauge": 1,
        "began_us": 100,
        "took_us": 900,
        "outcome": 200,
        "is_hedge": False,
    }
    made = usual | fields
    number = made["number"]
    return AttemptRecord(**made, span_id=SPAN_ID[:-1] + bytes((SPAN_ID[-1] ^ number,)))


def record(**fields: Any) -> ExchangeRecord:
    """A request that a service answered with 200, but for what is said otherwise."""
    usual: dict[str, Any] = {
        "sequence": 1,
        "started_us": 5_000_000,
        "started_unix_us": STARTED_UNIX_US,
        "ended_us": 1_250,
        "sent_us": 100,
        "answered_us": 1_000,
        "upstream_us": 900,
        "bytes_in": 80,
        "bytes_out": 512,
        "route": 0,
        "status": 200,
        "reason": 0,
        "flags": RecordFlag(0),
        "method": int(Method.GET),
        "attempt_count": 1,
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "trace_flags": 1,
        "parent_span": b"",
        "attempts": (attempt(),),
        "request_id": TRACE_ID.hex().encode(),
        "correlation_id": b"c-1",
        "tenant": b"acme",
        "principal": b"alice",
        "client": "192.0.2.7",
        "target": b"/invoices/42?page=2",
    }
    return ExchangeRecord(**(usual | fields))


def names() -> Names:
    """Of two routes, one of which is gone, and of two instances."""
    templates = {KEYS[0]: "/invoices/{invoice_id}"}
    return Names(KEYS.get, templates.get, INSTANCES.get)
