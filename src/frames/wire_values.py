"""What the C wire and Python say to each other: numbers, and values that stand for C structures.

Contract of the C side: csrc/wire_values.h.
"""

from collections.abc import Callable, Iterator
from enum import IntEnum, IntFlag
from typing import Any, Final

import msgspec

from frames._native import ffi, lib

Event = tuple[int, int, int, int, int, int, int, int, int, int, int]
"""(exchange, connection, kind, detail, flags, at, bytes, a, b, c, d): one ``wire_event`` of csrc/wire_values.h."""

Request = tuple[int, int, int, int, int]
"""(exchange, path, path bytes, method, flags): one ``wire_request``; ``path`` is an offset into the arena."""

HeadField = tuple[int, bytes, bytes]
"""(known, name, value) of a request's field: ``enum http1_name``, the name in lower case, the value as it came."""

Decide = Callable[[Iterator[Event]], None]


class EventKind(IntEnum):
    """What a step reports (``enum wire_event_kind``)."""

    BAD_REQUEST = lib.EVENT_BAD_REQUEST
    CLIENT_GONE = lib.EVENT_CLIENT_GONE
    EXPIRED = lib.EVENT_EXPIRED
    LOST = lib.EVENT_LOST
    REFUSED = lib.EVENT_REFUSED
    BAD_RESPONSE = lib.EVENT_BAD_RESPONSE
    FRAMED_OPENED = lib.EVENT_FRAMED_OPENED
    FRAMED_CLOSED = lib.EVENT_FRAMED_CLOSED
    FRAME = lib.EVENT_FRAME
    CALL = lib.EVENT_CALL
    STREAM = lib.EVENT_STREAM
    FRAMED_ROOM = lib.EVENT_FRAMED_ROOM
    TLS_INPUT = lib.EVENT_TLS_INPUT
    TLS_CLOSED = lib.EVENT_TLS_CLOSED
    ANSWERED = lib.EVENT_ANSWERED


class SendHow(IntFlag):
    """How ``send``, ``again`` and ``open`` send (``enum wire_send_how``)."""

    MAY_STREAM = lib.SEND_MAY_STREAM
    KEEP = lib.SEND_KEEP
    HOLD = lib.SEND_HOLD
    TELL = lib.SEND_TELL


EXPIRED_EARLY: Final[int] = lib.EXPIRED_EARLY
"""Flag of EXPIRED: not the deadline, but the time of the attempt, or of ``wait``, has passed."""
LOST_UNSENT: Final[int] = lib.LOST_UNSENT
"""Flag of LOST: the REQUEST had not left whole, so that no service can have begun it."""
ANSWERED_HELD: Final[int] = lib.ANSWERED_HELD
"""Flag of ANSWERED: the client has no answer yet, and the exchange is undecided."""
GAUGES_MAX: Final[int] = lib.WIRE_GAUGES_MAX
GROUPS_MAX: Final[int] = lib.WIRE_GROUPS_MAX


class WireResult(IntEnum):
    """What ``send``, ``answer``, ``cancel``, ``frame`` and ``close`` return (``enum wire_result``)."""

    OK = lib.WIRE_OK
    NO_EXCHANGE = lib.WIRE_NO_EXCHANGE
    NO_CONNECTION = lib.WIRE_NO_CONNECTION
    FULL = lib.WIRE_FULL
    NO_ROOM = lib.WIRE_NO_ROOM
    SYSTEM = lib.WIRE_SYSTEM
    INVALID = lib.WIRE_INVALID
    NO_FIELD = lib.WIRE_NO_FIELD
    LATE = lib.WIRE_LATE


class CloseCause(IntEnum):
    """Why a framed connection closed (``enum wire_close_cause``)."""

    EOF = lib.CLOSE_EOF
    ERROR = lib.CLOSE_ERROR
    PROTOCOL = lib.CLOSE_PROTOCOL
    ASKED = lib.CLOSE_ASKED


class HandBack(IntEnum):
    """How a handed-over connection is given back (``enum wire_hand_back_how``)."""

    KEEP = lib.HAND_BACK_KEEP
    LINGER = lib.HAND_BACK_LINGER
    CLOSE = lib.HAND_BACK_CLOSE
    RESET = lib.HAND_BACK_RESET


class Framing(IntEnum):
    """How the end of an answer's body is known (``enum http1_framing``; RFC 9112, section 6.3)."""

    LENGTH = lib.FRAMING_LENGTH
    CHUNKED = lib.FRAMING_CHUNKED
    NONE = lib.FRAMING_NONE
    UPGRADE = lib.FRAMING_UPGRADE


class SocketKind(IntEnum):
    """What speaks on a socket: HTTP clients, the same inside TLS, or frames."""

    EDGE = lib.SOCKET_EDGE
    FRAMED = lib.SOCKET_FRAMED
    EDGE_TLS = lib.SOCKET_EDGE_TLS


class KnownName(IntEnum):
    """Request fields that the head scanner knows (``enum http1_name``)."""

    HOST = lib.NAME_HOST
    AUTHORIZATION = lib.NAME_AUTHORIZATION
    API_KEY = lib.NAME_API_KEY
    SERVICE_VERSION = lib.NAME_SERVICE_VERSION
    TENANT = lib.NAME_TENANT
    CORRELATION_ID = lib.NAME_CORRELATION_ID
    REQUEST_ID = lib.NAME_REQUEST_ID
    TRACEPARENT = lib.NAME_TRACEPARENT
    TRACESTATE = lib.NAME_TRACESTATE
    REQUEST_TIMEOUT = lib.NAME_REQUEST_TIMEOUT
    EXPECT = lib.NAME_EXPECT
    UPGRADE = lib.NAME_UPGRADE
    FORWARDED = lib.NAME_FORWARDED
    X_FORWARDED_FOR = lib.NAME_X_FORWARDED_FOR
    X_FORWARDED_PROTO = lib.NAME_X_FORWARDED_PROTO


SERVICE_VERSION_FIELD: Final = b"x-service-version"
HEAD_HAS_MORE: Final[int] = lib.HEAD_HAS_MORE
"""There are fields that few requests have, to be asked for by name: a credential, or `SERVICE_VERSION_FIELD`."""
HEAD_HAS_TENANT: Final[int] = lib.HEAD_HAS_TENANT
HEAD_HAS_CORRELATION_ID: Final[int] = lib.HEAD_HAS_CORRELATION_ID
HEAD_HAS_REQUEST_ID: Final[int] = lib.HEAD_HAS_REQUEST_ID
HEAD_HAS_TRACEPARENT: Final[int] = lib.HEAD_HAS_TRACEPARENT
HEAD_HAS_TRACESTATE: Final[int] = lib.HEAD_HAS_TRACESTATE
HEAD_HAS_REQUEST_TIMEOUT: Final[int] = lib.HEAD_HAS_REQUEST_TIMEOUT
HEAD_ODD: Final[int] = lib.HEAD_ODD
HEAD_CLOSE: Final[int] = lib.HEAD_CLOSE
HEAD_HAS_FORWARDED: Final[int] = lib.HEAD_HAS_FORWARDED
HEAD_TAKES_TRAILERS: Final[int] = lib.HEAD_TAKES_TRAILERS
HEAD_HTTP_1_0: Final[int] = lib.HEAD_HTTP_1_0
HEAD_EXPECTS_CONTINUE: Final[int] = lib.HEAD_EXPECTS_CONTINUE
HEAD_CHUNKED: Final[int] = lib.HEAD_CHUNKED
HEAD_HAS_LENGTH: Final[int] = lib.HEAD_HAS_LENGTH
HEAD_UPGRADE: Final[int] = lib.HEAD_UPGRADE
HEAD_PLAIN: Final[int] = lib.HEAD_PLAIN
HEAD_UNUSUAL_PATH: Final[int] = lib.HEAD_UNUSUAL_PATH


PRINCIPAL_BYTES_MAX: Final[int] = lib.WIRE_PRINCIPAL_BYTES_MAX
CLAIMS_BYTES_MAX: Final[int] = lib.WIRE_CLAIMS_BYTES_MAX
NO_IDENTITY: Final[Any] = ffi.NULL
"""What is sent of a client that proved no identity: none, and its fields go on as they came."""


def make_identity(principal: bytes, claims: bytes, *, drops_credentials: bool) -> Any:
    """Return what ``send`` and ``open`` take as identity (``wire_identity``): made once, and sent with many requests.

    An empty value is left out of the frame. drops_credentials: the client's own Authorization and X-Api-Key stay here.
    Raises ValueError for a principal over 256 bytes or claims over 8,192; the message has neither in it.
    """
    if len(principal) > PRINCIPAL_BYTES_MAX:
        raise ValueError(f"a principal has at most {PRINCIPAL_BYTES_MAX} bytes; this one has {len(principal):,}")
    if len(claims) > CLAIMS_BYTES_MAX:
        raise ValueError(f"claims have at most {CLAIMS_BYTES_MAX:,} bytes as JSON; these have {len(claims):,}")
    return ffi.new("wire_identity *", (len(principal), len(claims), drops_credentials, principal + claims))


def slot_of(connection: int) -> int:
    """Return the index of a framed connection into ``in_flight``, ``latency_us`` and ``unsent``."""
    return connection & 4095


class RequestHead(msgspec.Struct, frozen=True):
    """What the scanner read of a request's head (``http1_head``). flags: all ``HEAD_`` bits, those above 255 too."""

    verdict: int
    flags: int
    target: bytes
    path_bytes: int
    content_length: int


class Handed(msgspec.Struct, frozen=True):
    """A connection that was handed over.

    descriptor: to be read from and written to, and never closed; connection: the handle that it keeps; held: what came
    behind the request's head, or, behind a plain request, its body; closes: it is to close after this answer; route,
    method, remaining_ms and flags (``HEAD_TAKES_TRAILERS`` or none): of a request that was sent already
    (`RequestCalls.take_over`); remaining_ms is 0 where the final head has come and no deadline holds any more.
    """

    descriptor: int
    connection: int
    held: bytes
    closes: bool
    route: int = 0
    method: int = 0
    remaining_ms: int = 0
    flags: int = 0


class ExchangeFacts(msgspec.Struct, frozen=True):
    """Where an exchange stands (``wire_exchange_facts``).

    connection: that carries it now, or 0; remaining_ms: of its deadline; kept_bytes: of the request that ``again``
    would send, 0 where none is kept; attempt: of the last sending, 0 before the first.
    """

    connection: int
    route: int
    gauge: int
    remaining_ms: int
    kept_bytes: int
    attempt: int
    method: int
    has_client: bool


class GroupFigures(msgspec.Struct, frozen=True):
    """Of a group, ever rising: requests sent for the first time, good answers, and what those took together."""

    requests: int
    answers: int
    latency_sum_us: int


class ForwardedFields(msgspec.Struct, frozen=True):
    """The client's fields that go on to the service: a field table and its text (docs/protocol.md, section 3)."""

    count: int
    block: bytes


class WireSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a wire (``wire_settings`` and ``http1_limits`` in csrc/wire_values.h and csrc/http1_head.h)."""

    edge_connections_max: int = 16_384
    framed_connections_max: int = 256
    exchanges_max: int = 65_536
    routes_max: int = 4_096
    framed_output_bytes_max: int = 4_194_304
    head_ms: int = 10_000
    body_bytes_per_second: int = 1_024
    idle_ms: int = 75_000
    idle_jitter_percent: int = 10
    write_ms: int = 30_000
    failure_us: int = 1_000_000
    tls_handshake_ms: int = 10_000
    linger_ms: int = 2_000
    connection_requests_max: int = 0
    connection_age_ms: int = 0
    connection_bytes_max: int = 0
    connections_per_address_max: int = 0
    keeps_malformed: int = 0
    kept_bytes_max: int = 65_536
    kept_total_bytes_max: int = 67_108_864
    measures: int = 0
    recent_records: int = 0
    notable_records: int = 0
    watched_records: int = 0
    slow_us: int = 1_000_000
    head_bytes_max: int = 16_384
    fields_max: int = 100
    target_bytes_max: int = 8_192
    body_bytes_max: int = 65_536
