"""The kinds of frame and the numbers that stand in them, as in docs/protocol.md (sections 2 to 4 and 6).

An ``IntEnum`` member equals its number on the wire. A reason or code that a peer sends and this version does not know
is left as an ``int``: a receiver takes it as the general case.
"""

from enum import IntEnum
from typing import Final

END: Final = 1
"""The one flag of a header: nothing more in this direction of the exchange."""

DIALLED: Final = 1 << 63
"""Bit of an exchange id, set by the side that dialled, so that the two sides never choose the same id."""


class FrameType(IntEnum):
    """What a frame is: byte 4 of its header. Up to FAULT it is about the connection, else about an exchange."""

    HELLO = 1
    WELCOME = 2
    HEARTBEAT = 3
    GOAWAY = 4
    FAULT = 5
    REQUEST = 6
    RESPONSE = 7
    DATA = 8
    TRAILERS = 9
    CREDIT = 10
    CANCEL = 11
    REFUSED = 12


class Method(IntEnum):
    """The method of a REQUEST. CONNECT and TRACE have no number: no service is reached by them."""

    GET = 1
    HEAD = 2
    POST = 3
    PUT = 4
    PATCH = 5
    DELETE = 6
    OPTIONS = 7


class FieldId(IntEnum):
    """Which field an entry of a field table is. Only the gateway sets PRINCIPAL to SCHEME."""

    NAMED = 0
    TENANT = 1
    CORRELATION_ID = 2
    REQUEST_ID = 3
    TRACE = 4
    TRACESTATE = 5
    PRINCIPAL = 6
    CLAIMS = 7
    CLIENT_ADDRESS = 8
    SCHEME = 9
    BODY_LENGTH = 10
    UPGRADE = 11
    SERVICE = 12


class HealthStatus(IntEnum):
    """How the sender of a HEARTBEAT is."""

    HEALTHY = 0
    DEGRADED = 1
    DRAINING = 2


class CancelReason(IntEnum):
    """Why an exchange was given up: by the side that opened it, or ABORTED by the side that carries it out."""

    CLIENT_GONE = 1
    DEADLINE = 2
    PAYLOAD_TOO_LARGE = 3
    SHUTDOWN = 4
    HEDGE_LOST = 5
    BAD_RESPONSE = 6
    ABORTED = 7


class RefusedReason(IntEnum):
    """Why a request was not started; it is safe to send it elsewhere."""

    OVERLOADED = 1
    DRAINING = 2
    UNKNOWN_ENDPOINT = 3
    UNSUPPORTED_FEATURE = 4


class GoawayReason(IntEnum):
    """Why the sender takes nothing new."""

    SHUTDOWN = 1
    REPLACED = 2
    MAINTENANCE = 3


class FaultCode(IntEnum):
    """Why the sender closes the connection at once."""

    PROTOCOL_ERROR = 1
    UNSUPPORTED_VERSION = 2
    UNAUTHENTICATED = 3
    FORBIDDEN = 4
    LIMIT_EXCEEDED = 5
    HELLO_TIMEOUT = 6
    INVALID_HELLO = 7
    HEARTBEAT_LOST = 8
    INTERNAL = 9


class FrameErrorCode(IntEnum):
    """Which rule of form a frame breaks. Each is a ``protocol_error``; the number is local and never sent."""

    OK = 0
    TOO_LONG = 1
    RESERVED = 2
    TYPE = 3
    FLAGS = 4
    EXCHANGE = 5
    PAYLOAD = 6
    FIELDS = 7
    TARGET = 8


class FrameError(ValueError):
    """Bytes that are no frame of this protocol, or values that cannot be put into one.

    Attributes:
        code: which rule is broken.

    """

    def __init__(self, code: FrameErrorCode, message: str) -> None:
        """Take the rule and one line that says what is wrong and where."""
        super().__init__(message)
        self.code = code


FORBIDDEN_NAMES: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields that frame an HTTP message or belong to one hop; they must not be sent in a frame (section 3)."""
