"""Records of exchanges that have ended, and figures of batches, as values (csrc/record.h, csrc/wire_values.h)."""

import socket
import struct
from enum import IntEnum, IntFlag
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple

from frames._native import ffi, lib

COARSE_COUNTS: Final[int] = lib.WIRE_COARSE_COUNTS
"""Entries of counts by the coarser rule: HdrHistogram's with a unit of 1 µs and one significant digit (32 buckets of
1 µs, then 16 for each doubling, to 2^27 - 1 µs)."""
_NEVER: Final = 0xFFFF_FFFF_FFFF_FFFF
_NO_ROUTE: Final = 0xFFFF_FFFF

_FIXED = struct.Struct("=9QI3H9B25s8s")
"""Up to the attempts, which are aligned to four bytes."""
_ATTEMPT = struct.Struct("=3I2H2BH")
_ATTEMPTS_AT: Final = -(-_FIXED.size // 4) * 4
_TEXTS_AT: Final = _ATTEMPTS_AT + _ATTEMPT.size * lib.RECORD_ATTEMPTS
RECORD_BYTES: Final[int] = ffi.sizeof("wire_record")
if ffi.offsetof("wire_record", "text") != _TEXTS_AT:
    raise ImportError("a record is laid out otherwise than here; build the extension anew")


class RecordRing(IntEnum):
    """Which records are kept where (``enum record_ring``)."""

    RECENT = lib.RECORDS_RECENT
    """All of them."""
    NOTABLE = lib.RECORDS_NOTABLE
    """Failed, slow, sent more than once, or left by their clients."""
    WATCHED = lib.RECORDS_WATCHED
    """What `RecordCalls.watch_records` asks for."""


class RecordFlag(IntFlag):
    """What else there is to say of an exchange (``enum record_flags``)."""

    LOGGED = lib.RECORD_LOGGED
    SAMPLED = lib.RECORD_SAMPLED
    TLS = lib.RECORD_TLS
    CLIENT_GONE = lib.RECORD_CLIENT_GONE
    STREAMED = lib.RECORD_STREAMED
    CUT = lib.RECORD_CUT


class AttemptOutcome(IntEnum):
    """How an attempt ended that no service has answered (``enum attempt_outcome``)."""

    LOST = lib.ATTEMPT_LOST
    REFUSED = lib.ATTEMPT_REFUSED
    EXPIRED = lib.ATTEMPT_EXPIRED
    BAD = lib.ATTEMPT_BAD
    CANCELLED = lib.ATTEMPT_CANCELLED
    SLOW = lib.ATTEMPT_SLOW


class AttemptRecord(NamedTuple):
    """One attempt at a service.

    began_us: since the exchange began; outcome: a status, an `AttemptOutcome`, or 0 where it is not over; connection:
    the handle that it went out on; span_id: what the service was given as parent, where the trace is sampled and has
    spans of the gateway's own.
    """

    number: int
    connection: int
    gauge: int
    began_us: int
    took_us: int
    outcome: int
    is_hedge: bool
    span_id: bytes


class ExchangeRecord(NamedTuple):
    """What became of one client's request (``wire_record``). Times are microseconds, -1 where it has not come to that.

    started_us: on the clock of ``time.monotonic``; sent_us, answered_us and ended_us: since then; upstream_us: what all
    attempts took together; route: -1 where none was found; status: 0 where the client got none; reason: what
    ``record_reason`` said, 0 for nothing; tenant, principal and client are cut at 64 bytes, and target at 160 or, where
    the others are long, at what is left of 320 for all texts; attempts: the first three and the last; parent_span:
    empty where there is none.
    """

    sequence: int
    started_us: int
    started_unix_us: int
    ended_us: int
    sent_us: int
    answered_us: int
    upstream_us: int
    bytes_in: int
    bytes_out: int
    route: int
    status: int
    reason: int
    flags: RecordFlag
    method: int
    attempt_count: int
    trace_id: bytes
    span_id: bytes
    trace_flags: int
    parent_span: bytes
    attempts: tuple[AttemptRecord, ...]
    request_id: bytes
    correlation_id: bytes
    tenant: bytes
    principal: bytes
    client: str
    target: bytes

    @property
    def is_logged(self) -> bool:
        """Whether it was drawn for the access log."""
        return bool(self.flags & RecordFlag.LOGGED)

    @property
    def is_sampled(self) -> bool:
        """Whether its trace is sampled, and somebody watches for that."""
        return bool(self.flags & RecordFlag.SAMPLED)


class TurnFigures(NamedTuple):
    """How batches went since the start, ever rising but for the greatest (``wire_turn_figures``).

    turn_us: counts of what batches took, from the news to the end of the flush; away_us: of what other tasks took
    meanwhile; both by the coarser rule. batch_requests: batches with no request, 1, 2 to 3, 4 to 7, and so on.
    """

    turn_us: tuple[int, ...]
    away_us: tuple[int, ...]
    batch_requests: tuple[int, ...]
    turn_sum_us: int
    away_sum_us: int
    turn_max_us: int
    away_max_us: int


def _offset(value: int) -> int:
    return -1 if value == _NEVER else value


def _client(family: int, value: bytes) -> str:
    if family in (socket.AF_INET, socket.AF_INET6):
        return socket.inet_ntop(family, value)
    return value.decode("ascii", "replace")


def _attempt(fields: tuple[Any, ...], span: bytes) -> AttemptRecord:
    began_us, took_us, connection, gauge, outcome, number, is_hedge, _ = fields
    own = span[:-1] + bytes((span[-1] ^ number,))
    return AttemptRecord(number, connection, gauge, began_us, took_us, outcome, bool(is_hedge), own)


class _Lengths(NamedTuple):
    """Of the texts, in their order."""

    request_id: int
    correlation_id: int
    tenant: int
    principal: int
    client: int
    target: int


def _texts(block: bytes, lengths: _Lengths) -> list[bytes]:
    ends = list(accumulate(lengths, initial=_TEXTS_AT))
    return [block[begin:end] for begin, end in pairwise(ends)]


def read_record(block: bytes) -> ExchangeRecord:
    """Return the record in ``RECORD_BYTES`` bytes of a ring."""
    numbers = _FIXED.unpack_from(block)
    sequence, started, unix, ended, sent, answered, *more = numbers[:13]
    upstream, bytes_in, bytes_out, route, status, reason, flags = more
    method, count, *lengths, family, target_bytes, trace, parent = numbers[13:]
    texts = _texts(block, _Lengths._make((*lengths, target_bytes)))
    request_id, correlation_id, tenant, principal, client, target = texts
    span = trace[16:24]
    attempts = block[_ATTEMPTS_AT : _ATTEMPTS_AT + min(count, lib.RECORD_ATTEMPTS) * _ATTEMPT.size]
    return ExchangeRecord(
        sequence,
        started,
        unix,
        ended,
        _offset(sent),
        _offset(answered),
        upstream,
        bytes_in,
        bytes_out,
        -1 if route == _NO_ROUTE else route,
        status,
        reason,
        RecordFlag(flags),
        method,
        count,
        trace[:16],
        span,
        trace[24],
        parent if any(parent) else b"",
        tuple(_attempt(fields, span) for fields in _ATTEMPT.iter_unpack(attempts)),
        request_id,
        correlation_id,
        tenant,
        principal,
        _client(family, client),
        target,
    )
