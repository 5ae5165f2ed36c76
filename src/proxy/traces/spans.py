"""Spans of a request that has ended, made of its record: one for the request, and one for each attempt at a service.

Attributes are those of OpenTelemetry's stable HTTP conventions (https://opentelemetry.io/docs/specs/semconv/http/), for
a server and for a client; what they do not know stands under ``penstock.``.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from frames.records import RecordFlag
from proxy.errors import REASONS, Fault
from proxy.records.names import InstanceName, RouteName, method_name, outcome_name, reason_code
from proxy.records.target import split_target

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from frames.records import AttemptRecord, ExchangeRecord
    from proxy.traces.sampled import Sampled

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_UNSET: Final = Status(StatusCode.UNSET)
_STATUS_MIN: Final = 100
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500

_OF_CLIENTS: Final = {reason.code for reason in REASONS.values() if reason.fault is Fault.CLIENT}

Attributes = dict[str, Any]


class SpanMaker:
    """Makes spans of what one gateway has recorded."""

    def __init__(self, resource: "Resource", version: str, query: str) -> None:
        """resource: who made them; version: of the gateway; query: what is shown of a request's query."""
        self._resource = resource
        self._scope = InstrumentationScope("penstock.gateway", version)
        self._query = query

    def __call__(self, sampled: "Iterable[Sampled]") -> Sequence[ReadableSpan]:
        """Return the spans, that of a request before those of its attempts."""
        return [span for each in sampled for span in self._spans(each)]

    def _spans(self, sampled: "Sampled") -> Iterable[ReadableSpan]:
        record, route, instances = sampled
        method = method_name(record.method)
        name = f"{method} {route.template}" if route.template else method
        trace_id = int.from_bytes(record.trace_id)
        own = _context(trace_id, record.span_id)
        yield self._span(
            name,
            own,
            _context(trace_id, record.parent_span, is_remote=True) if record.parent_span else None,
            SpanKind.SERVER,
            _request_attributes(sampled, method, self._query),
            _status_of_request(record),
            record.started_unix_us,
            record.ended_us,
        )
        for attempt, instance in zip(record.attempts, instances, strict=True):
            yield self._span(
                name,
                _context(trace_id, attempt.span_id),
                own,
                SpanKind.CLIENT,
                _attempt_attributes(attempt, instance, route, method),
                _status_of_attempt(attempt),
                record.started_unix_us + attempt.began_us,
                attempt.took_us if attempt.outcome else max(0, record.ended_us - attempt.began_us),
            )

    def _span(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        status: Status,
        start_us: int,
        took_us: int,
    ) -> ReadableSpan:
        return ReadableSpan(
            name,
            context,
            parent,
            self._resource,
            attributes,
            kind=kind,
            status=status,
            start_time=start_us * 1_000,
            end_time=(start_us + took_us) * 1_000,
            instrumentation_scope=self._scope,
        )


def _context(trace_id: int, span_id: bytes, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, int.from_bytes(span_id), is_remote, _SAMPLED)


def _request_attributes(sampled: "Sampled", method: str, query: str) -> Attributes:
    record, route, _ = sampled
    path, shown_query = split_target(record.target, query)
    found: Attributes = {
        "http.request.method": method,
        "url.scheme": "https" if record.flags & RecordFlag.TLS else "http",
        "url.path": path,
        "url.query": shown_query,
        "http.route": route.template,
        "client.address": record.client,
        "http.response.status_code": record.status,
        "error.type": _error_of_request(record),
        "penstock.service": route.service,
        "penstock.reason": reason_code(record.reason),
        "penstock.request_id": _text(record.request_id),
        "penstock.correlation_id": _text(record.correlation_id),
        "penstock.tenant": _text(record.tenant),
        "penstock.principal": _text(record.principal),
        "penstock.attempts": record.attempt_count,
        "penstock.client_gone": bool(record.flags & RecordFlag.CLIENT_GONE),
    }
    return {name: value for name, value in found.items() if value} | {
        "penstock.bytes_in": record.bytes_in,
        "penstock.bytes_out": record.bytes_out,
    }


def _attempt_attributes(attempt: "AttemptRecord", instance: InstanceName, route: RouteName, method: str) -> Attributes:
    found: Attributes = {
        "http.request.method": method,
        "url.template": route.template,
        "server.address": instance.service or route.service,
        "http.response.status_code": attempt.outcome if attempt.outcome >= _STATUS_MIN else 0,
        "http.request.resend_count": attempt.number - 1,
        "error.type": _error_of_attempt(attempt),
        "penstock.instance": instance.instance,
        "penstock.version": instance.version,
        "penstock.hedge": attempt.is_hedge,
    }
    return {name: value for name, value in found.items() if value}


def _error_of_request(record: "ExchangeRecord") -> str:
    """A low number of words, as the convention asks: the reason, or the status."""
    reason = reason_code(record.reason)
    if record.flags & RecordFlag.CUT:
        return "" if reason in _OF_CLIENTS else reason or "cut"
    return reason or str(record.status) if record.status >= _SERVER_ERROR else ""


def _status_of_request(record: "ExchangeRecord") -> Status:
    """What a client did wrong is no error of a server's span, by the convention."""
    error = _error_of_request(record)
    return Status(StatusCode.ERROR, error if record.reason else None) if error else _UNSET


def _error_of_attempt(attempt: "AttemptRecord") -> str:
    return "" if _STATUS_MIN <= attempt.outcome < _CLIENT_ERROR else outcome_name(attempt.outcome)


def _status_of_attempt(attempt: "AttemptRecord") -> Status:
    return Status(StatusCode.ERROR) if _error_of_attempt(attempt) else _UNSET


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
