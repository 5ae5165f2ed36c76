"""What a session says about a frame that came: small frozen values, one for each thing that can happen."""

import msgspec

from frames.frame import FrameType, HealthStatus
from frames.greeting import Hello, Welcome


class HelloReceived(msgspec.Struct, frozen=True):
    """The service said who it is; to be answered with WELCOME. again: it has said so before."""

    hello: Hello
    again: bool


class WelcomeReceived(msgspec.Struct, frozen=True):
    """The gateway answered HELLO. again: the connection was open already."""

    welcome: Welcome
    again: bool


class HeartbeatReceived(msgspec.Struct, frozen=True):
    """How the peer is. load: in 1/10,000 of its capacity, None when it does not know; in_flight: requests."""

    status: HealthStatus
    load: int | None
    in_flight: int


class GoawayReceived(msgspec.Struct, frozen=True):
    """The peer takes nothing new and closes after closes_in_ms.

    reason: a GoawayReason, or a number that this version does not know.
    """

    reason: int
    closes_in_ms: int


class FaultReceived(msgspec.Struct, frozen=True):
    """The peer gives the connection up.

    code: a FaultCode, or a number that this version does not know; text: as the peer wrote it.
    """

    code: int
    text: str


class CallReceived(msgspec.Struct, frozen=True):
    """A REQUEST. draining: this side has sent GOAWAY, so it is to be answered REFUSED `draining`."""

    exchange: int
    flags: int
    payload: bytes
    draining: bool


class ExchangeFrameReceived(msgspec.Struct, frozen=True):
    """Any other frame of an exchange: RESPONSE, DATA, TRAILERS, CREDIT, CANCEL, REFUSED.

    Whether the id is known is not judged.
    """

    type: FrameType
    flags: int
    exchange: int
    payload: bytes


Event = (
    HelloReceived
    | WelcomeReceived
    | HeartbeatReceived
    | GoawayReceived
    | FaultReceived
    | CallReceived
    | ExchangeFrameReceived
)
