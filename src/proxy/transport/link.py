"""A link: what the gateway knows of one connection with a service, whoever dialled it."""

from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from frames.errors import ProtocolError
from frames.frame import FaultCode, FrameErrorCode
from frames.session import Role, Session
from penstock.settings.rate import RateLimit


class Link:
    """One connection: its session, and what is due when, in seconds of the transport's clock."""

    __slots__ = (
        "_hellos_paid_until",
        "_registered",
        "closes_at",
        "connection",
        "frames_heard",
        "heard_at",
        "heartbeat_at",
        "hello_by",
        "is_replaced",
        "peer",
        "session",
    )

    def __init__(self, connection: int, peer: str, hello_by: float, *, dialled: bool = False) -> None:
        """Begin before HELLO. peer: for the log; hello_by: when it must be there; dialled: by the gateway."""
        self.connection = connection
        self.peer = peer
        self.session = Session(Role.GATEWAY, dialled=dialled)
        self.hello_by: float | None = hello_by
        """When HELLO must be there, or the list that was asked for; None: nothing is awaited."""
        self.heartbeat_at = 0.0
        self.closes_at: float | None = None
        self.frames_heard = 0
        self.heard_at = 0.0
        """When anything came last."""
        self.is_replaced = False
        """Another connection of the same instance has taken its place."""
        self._registered: bytes | None = None
        self._hellos_paid_until = 0.0

    @property
    def name(self) -> str:
        """Who it is, for the log."""
        hello = self.session.maybe_hello
        return f"{hello.service}/{hello.instance} at {self.peer}" if hello else self.peer

    def count_hello(self, now: float, rate: RateLimit) -> None:
        """Count a HELLO. Raises ProtocolError for one more than the rate allows: each costs a look at all endpoints."""
        interval = rate.period_ms / 1000 / rate.requests
        paid_until = max(self._hellos_paid_until, now) + interval
        if paid_until > now + rate.burst * interval + 1e-9:
            raise ProtocolError(
                FaultCode.LIMIT_EXCEEDED,
                f"HELLO came more often than {rate.requests} times in {rate.period_ms / 1000:g} s on this connection;"
                " say it again only when something has changed",
            )
        self._hellos_paid_until = paid_until

    def excuse(self, seconds: float) -> None:
        """Do not count these seconds as silence."""
        self.heard_at += seconds
        if self.hello_by is not None:
            self.hello_by += seconds

    def note_registered(self, payload: bytes) -> None:
        """Remember the HELLO that is registered now."""
        self._registered = _mark(payload)

    def repeats(self, payload: bytes) -> bool:
        """Whether a HELLO is byte for byte the one that is registered, so that there is nothing to do."""
        return self._registered is not None and _mark(payload) == self._registered


def _mark(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=16).digest()


if TYPE_CHECKING:

    class DialledWatcher(Protocol):
        """Who has dialled: is told of its connections at once, before anything else can be sent there."""

        def going(self, link: Link, /) -> None:
            """Note that GOAWAY was sent, or has come."""
            ...

        def lost(self, link: Link, /) -> None:
            """Note that a connection is closed, or given up."""
            ...


def code_name(codes: type[FaultCode] | type[FrameErrorCode], code: int) -> str:
    """Return the code's name, or its number when this version does not know it."""
    try:
        return codes(code).name.lower()
    except ValueError:
        return str(code)
