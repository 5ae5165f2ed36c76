"""What a line of the access log says of a request that has ended.

JSON: one object; what there is nothing to say of is left out. Text: one line, whose parts always stand in the same
places. What clients and services have written can neither end a line nor steer a terminal.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from frames.records import RecordFlag
from proxy.records.names import Names, method_name, outcome_name, reason_code
from proxy.records.target import shown_target

if TYPE_CHECKING:
    from frames.records import AttemptRecord, ExchangeRecord

LOGGER: Final = "penstock.access"
"""What tells these lines from those of the gateway's log, where both go to one place."""

_STATUS_MIN: Final = 100
_TLS, _STREAMED, _CUT, _GONE = (
    int(flag) for flag in (RecordFlag.TLS, RecordFlag.STREAMED, RecordFlag.CUT, RecordFlag.CLIENT_GONE)
)
_NOT_TOLD_APART: Final = _STREAMED | _GONE
"""Of these it is not known which part of the time was the gateway's."""

Line = Callable[["ExchangeRecord", Names, str], bytes]
"""Makes a line, without its end, of a record; what its numbers mean; and what is shown of queries."""

_encode = msgspec.json.Encoder().encode


class AttemptPart(msgspec.Struct, omit_defaults=True):
    """One attempt at a service. outcome: in place of a status where no service answered."""

    number: int
    instance: str
    took_ms: float
    status: int = 0
    outcome: str = ""
    version: str = ""
    hedge: bool = False


class AccessLine(msgspec.Struct, omit_defaults=True, tag_field="logger", tag=LOGGER):
    """A line as JSON has it. attempts: the first three and the last of attempt_count."""

    time: datetime
    method: str
    target: str
    status: int
    total_ms: float
    bytes_in: int
    bytes_out: int
    client: str
    request_id: str
    correlation_id: str
    trace_id: str
    reason: str = ""
    service: str = ""
    route: str = ""
    tenant: str = ""
    principal: str = ""
    gateway_ms: float | None = None
    first_sent_ms: float | None = None
    answered_ms: float | None = None
    attempt_count: int = 0
    attempts: tuple[AttemptPart, ...] = ()
    sampled: bool = False
    tls: bool = False
    streamed: bool = False
    client_gone: bool = False
    cut: bool = False
    worker: str = ""


def json_line(record: "ExchangeRecord", names: Names, query: str) -> bytes:
    """Return the line as a JSON object."""
    return _encode(access_line(record, names, query))


def access_line(record: "ExchangeRecord", names: Names, query: str) -> AccessLine:
    """Return what the line says."""
    service, _, template = names.route(record.route)
    flags = int(record.flags)  # plain numbers are compared quicker
    return AccessLine(
        time=time_of(record),
        method=method_name(record.method),
        target=shown_target(record.target, query),
        status=record.status,
        total_ms=record.ended_us / 1000,
        bytes_in=record.bytes_in,
        bytes_out=record.bytes_out,
        client=record.client,
        request_id=_text(record.request_id),
        correlation_id=_text(record.correlation_id),
        trace_id=record.trace_id.hex(),
        reason=reason_code(record.reason),
        service=service,
        route=template,
        tenant=_text(record.tenant),
        principal=_text(record.principal),
        gateway_ms=None if flags & _NOT_TOLD_APART else max(0, record.ended_us - record.upstream_us) / 1000,
        first_sent_ms=None if record.sent_us < 0 else record.sent_us / 1000,
        answered_ms=None if record.answered_us < 0 else record.answered_us / 1000,
        attempt_count=record.attempt_count,
        attempts=tuple(_attempt(attempt, names) for attempt in record.attempts),
        sampled=bool(record.trace_flags & 1),
        tls=bool(flags & _TLS),
        streamed=bool(flags & _STREAMED),
        client_gone=bool(flags & _GONE),
        cut=bool(flags & _CUT),
        worker=names.worker,
    )


def text_line(record: "ExchangeRecord", names: Names, query: str) -> bytes:
    """Return the line for people: when, who, what, how it ended, how long, how much, by which instances, which id."""
    line = access_line(record, names, query)
    attempts = ",".join(_attempt_text(attempt) for attempt in line.attempts) or "-"
    gateway = "-" if line.gateway_ms is None else f"{line.gateway_ms:.3f}ms"
    asked = f'"{line.method} {line.target}"'
    parts = (
        f"{line.time:%Y-%m-%dT%H:%M:%S}.{line.time.microsecond // 1000:03d}Z",
        line.client or "-",
        line.tenant or "-",
        line.principal or "-",
        asked,
        str(line.status) if line.status else "gone",
        line.reason or "-",
        f"{line.total_ms:.3f}ms",
        gateway,
        f"{line.bytes_in}B",
        f"{line.bytes_out}B",
        line.service or "-",
        attempts,
        line.request_id,
    )
    return one_line(" ".join(_word(part) if part is not asked else part for part in parts)).encode()


def time_of(record: "ExchangeRecord") -> datetime:
    """Return when the request's first byte came."""
    return datetime.fromtimestamp(record.started_unix_us / 1_000_000, UTC)


def one_line(text: str) -> str:
    """Return the text with what is no printable character escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _word(text: str) -> str:
    """Return the text without spaces, which part the parts of a line."""
    return text.replace(" ", "\\x20")


def _attempt(attempt: "AttemptRecord", names: Names) -> AttemptPart:
    service, instance, version = names.instance(attempt.connection)
    is_answered = attempt.outcome >= _STATUS_MIN
    return AttemptPart(
        number=attempt.number,
        instance=f"{service}/{instance}" if instance else "?",
        took_ms=attempt.took_us / 1000,
        status=attempt.outcome if is_answered else 0,
        outcome="" if is_answered else outcome_name(attempt.outcome),
        version=version,
        hedge=attempt.is_hedge,
    )


def _attempt_text(attempt: AttemptPart) -> str:
    return f"{attempt.instance}={attempt.status or attempt.outcome}:{attempt.took_ms:.3f}ms"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
