"""Spans of a request that has ended, made of its record: one for the request, and one for each attempt at a service.

Attributes are those of OpenTelemetry's stable HTTP conventions (https://opentelemetry.io/docs/specs/semconv/http/), for
a server and for a client; what they do not know stands under ``penstock.``. They are written as OTLP at once, and what
is the same for all requests of a route, or all attempts at an instance, only once.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from frames.records import RecordFlag
from penstock.tracing import encoding as otlp
from proxy.errors import REASONS, Fault
from proxy.records.names import InstanceName, RouteName, method_name, outcome_name, reason_code
from proxy.records.target import split_target

if TYPE_CHECKING:
    from frames.records import AttemptRecord, ExchangeRecord
    from proxy.traces.sampled import Sampled

SCOPE: Final = "penstock.gateway"
_STATUS_MIN: Final = 100
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500
_KEPT: Final = 4_096
"""Routes and instances whose part is kept."""

_METHOD, _ROUTE, _TEMPLATE = map(otlp.key, ("http.request.method", "http.route", "url.template"))
_STATUS, _RESENT = map(otlp.key, ("http.response.status_code", "http.request.resend_count"))
_PATH, _QUERY, _SCHEME = map(otlp.key, ("url.path", "url.query", "url.scheme"))
_CLIENT, _SERVER, _ERROR = map(otlp.key, ("client.address", "server.address", "error.type"))
_SERVICE, _INSTANCE, _VERSION, _REASON, _REQUEST, _CORRELATION, _TENANT, _PRINCIPAL, _ATTEMPTS, _GONE, _HEDGE = (
    otlp.key(f"penstock.{name}")
    for name in (
        *("service", "instance", "version", "reason", "request_id", "correlation_id", "tenant", "principal"),
        *("attempts", "client_gone", "hedge"),
    )
)
_BYTES_IN, _BYTES_OUT = map(otlp.key, ("penstock.bytes_in", "penstock.bytes_out"))
_SCHEMES: Final = {name: otlp.text(_SCHEME, name.encode()) for name in ("http", "https")}
_TLS, _CUT, _LEFT = int(RecordFlag.TLS), int(RecordFlag.CUT), int(RecordFlag.CLIENT_GONE)  # plain: compared quicker
_CLIENT_GONE: Final = otlp.switch(_GONE)
_IS_HEDGE: Final = otlp.switch(_HEDGE)
_OF_CLIENTS: Final = {reason.code for reason in REASONS.values() if reason.fault is Fault.CLIENT}


class SpanMaker:
    """Makes spans of what one gateway has recorded."""

    def __init__(self, resource: Mapping[str, str], version: str, query: str) -> None:
        """resource: who made them; version: of the gateway; query: what is shown of a request's query."""
        self._resource = dict(resource)
        self._version = version
        self._query = query

    def __call__(self, sampled: "Iterable[Sampled]") -> bytes:
        """Return the spans as one OTLP request, that of a request before those of its attempts."""
        spans = (span for each in sampled for span in self._spans(each))
        return otlp.request(self._resource, SCOPE, self._version, spans)

    def _spans(self, sampled: "Sampled") -> Iterable[bytes]:
        record, route, instances = sampled
        began_us = record.started_unix_us
        yield otlp.span(
            otlp.ids(record.trace_id, record.span_id, record.parent_span),
            _of_route(record.method, route),
            otlp.times(began_us, began_us + record.ended_us),
            _request_attributes(record, self._query),
        )
        for attempt, instance in zip(record.attempts, instances, strict=True):
            at_us = began_us + attempt.began_us
            took_us = attempt.took_us if attempt.outcome else max(0, record.ended_us - attempt.began_us)
            yield otlp.span(
                otlp.ids(record.trace_id, attempt.span_id, record.span_id),
                _of_instance(record.method, route, instance),
                otlp.times(at_us, at_us + took_us),
                _attempt_attributes(attempt),
            )


@lru_cache(_KEPT)
def _of_route(method: int, route: RouteName) -> bytes:
    """What every request of a route says: name, kind, method, route, service."""
    name = method_name(method).encode()
    template = route.template.encode()
    return (
        otlp.head(name + b" " + template if template else name, otlp.SERVER)
        + otlp.text(_METHOD, name)
        + otlp.text(_ROUTE, template)
        + otlp.text(_SERVICE, route.service.encode())
    )


@lru_cache(_KEPT)
def _of_instance(method: int, route: RouteName, instance: InstanceName) -> bytes:
    """What every attempt at an instance says, for a route."""
    name = method_name(method).encode()
    template = route.template.encode()
    return (
        otlp.head(name + b" " + template if template else name, otlp.CLIENT)
        + otlp.text(_METHOD, name)
        + otlp.text(_TEMPLATE, template)
        + otlp.text(_SERVER, (instance.service or route.service).encode())
        + otlp.text(_INSTANCE, instance.instance.encode())
        + otlp.text(_VERSION, instance.version.encode())
    )


def _request_attributes(record: "ExchangeRecord", query: str) -> bytes:
    path, shown_query = split_target(record.target, query)
    flags = int(record.flags)
    error = _error_of_request(record, flags).encode()
    parts = [
        _SCHEMES["https" if flags & _TLS else "http"],
        otlp.text(_PATH, path.encode()),
        otlp.text(_QUERY, shown_query.encode()),
        otlp.text(_CLIENT, record.client.encode()),
        otlp.text(_REQUEST, _utf8(record.request_id)),
        otlp.text(_CORRELATION, _utf8(record.correlation_id)),
        otlp.text(_TENANT, _utf8(record.tenant)),
        otlp.text(_PRINCIPAL, _utf8(record.principal)),
        otlp.number(_BYTES_IN, record.bytes_in),
        otlp.number(_BYTES_OUT, record.bytes_out),
    ]
    if record.status:
        parts.append(otlp.number(_STATUS, record.status))
    if record.attempt_count:
        parts.append(otlp.number(_ATTEMPTS, record.attempt_count))
    if record.reason:
        parts.append(otlp.text(_REASON, reason_code(record.reason).encode()))
    if flags & _LEFT:
        parts.append(_CLIENT_GONE)
    if error:
        parts += [otlp.text(_ERROR, error), otlp.failed(error if record.reason else b"")]
    return b"".join(parts)


def _attempt_attributes(attempt: "AttemptRecord") -> bytes:
    error = "" if _STATUS_MIN <= attempt.outcome < _CLIENT_ERROR else outcome_name(attempt.outcome)
    return b"".join(
        (
            otlp.number(_STATUS, attempt.outcome) if attempt.outcome >= _STATUS_MIN else b"",
            otlp.number(_RESENT, attempt.number - 1) if attempt.number > 1 else b"",
            _IS_HEDGE if attempt.is_hedge else b"",
            otlp.text(_ERROR, error.encode()) + otlp.ERROR if error else b"",
        )
    )


def _error_of_request(record: "ExchangeRecord", flags: int) -> str:
    """One of few words, as the convention asks: the reason, or the status. What a client did wrong is no error."""
    reason = reason_code(record.reason)
    if flags & _CUT:
        return "" if reason in _OF_CLIENTS else reason or "cut"
    return reason or str(record.status) if record.status >= _SERVER_ERROR else ""


def _utf8(value: bytes) -> bytes:
    """The same, where it is UTF-8: it may have been cut within a letter, and OTLP takes no other text."""
    return value if value.isascii() else value.decode("utf-8", "replace").encode()
