"""What the framed transport needs of others (the wire, the registry), what it is told, and what it counts."""

from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from frames.events import HeartbeatReceived
from frames.greeting import DIGEST, STREAMS, Hello
from penstock.settings.rate import RateLimit

if TYPE_CHECKING:

    class RegistryChange(Protocol):
        """What became different in the registry. False when nothing did."""

        @property
        def replaced(self) -> tuple[int, ...]:
            """Connections to be sent GOAWAY `replaced`."""

        @property
        def lost(self) -> tuple[int, ...]:
            """Connections that were silent for too long, to be closed."""

        @property
        def notes(self) -> tuple[tuple[int, str], ...]:
            """Level and text of log lines."""

        def __bool__(self) -> bool:
            """Whether anything changed."""


AnyChange = TypeVar("AnyChange", bound="RegistryChange")
ChangeOut = TypeVar("ChangeOut", bound="RegistryChange", covariant=True)


if TYPE_CHECKING:

    class ServiceRegistry(Protocol[ChangeOut]):
        """Who keeps the services: ``proxy.targets.registry``. ``now`` is in seconds of the transport's clock."""

        def hello(self, connection: int, hello: Hello, now: float, /) -> ChangeOut:
            """Register what the HELLO says. GreetingError when it is not accepted."""

        def check_again(self, connection: int, /) -> None:
            """Raise GreetingError when what the instance has is another's now."""

        def said(self, connection: int, /) -> Hello | None:
            """Return the HELLO that is registered for the connection, without its token, if there is one."""
            ...

        def is_there(self, service: str, instance: str, /) -> bool:
            """Whether an instance of this name is connected."""
            ...

        def heartbeat(self, connection: int, beat: HeartbeatReceived, now: float, /) -> ChangeOut:
            """Take in how the instance is."""

        def heard(self, connection: int, now: float, /) -> ChangeOut:
            """Note that something came."""

        def draining(self, connection: int, now: float, /) -> ChangeOut:
            """Note that the instance goes."""

        def lost(self, connection: int, /) -> ChangeOut:
            """Forget the instance."""

        def vanished(self, holder: tuple[str, str], /) -> ChangeOut:
            """Forget an instance without a connection."""

        def sweep(self, now: float, /) -> ChangeOut:
            """Find who has been silent for too long."""

        def excuse(self, seconds: float, /) -> None:
            """Do not count these seconds as anybody's silence."""

    class Calls(Protocol):
        """Who carries what services ask of other services (docs/protocol.md, section 8)."""

        def call(self, connection: int, exchange: int, flags: int, payload: bytes, /) -> None:
            """Take a REQUEST of a service that has registered, and may call. flags: of the frame."""
            ...

        def cancel(self, connection: int, exchange: int, /) -> None:
            """Take a CANCEL of an exchange that the service opened; it may be one that nobody knows."""
            ...

        def lost(self, connection: int, /) -> None:
            """Forget all that a service has asked: its connection is gone."""
            ...

    class FramedPort(Protocol):
        """Writes to framed connections, by handle. The wire is one; a test has a fake of its own."""

        def frame(self, connection: int, frame_type: int, flags: int, exchange: int, payload: bytes, /) -> int:
            """Write a frame. Returns 0, or a negative number: the connection is gone, or its peer does not read."""

        def frames_heard(self, connection: int, /) -> int:
            """Return a number that is another one after any frame has come on the connection, answers included."""
            ...

        def close(self, connection: int, /) -> int:
            """Close the connection after a last try to send what waits. Returns 0, or a negative number: it is gone."""

        def peer(self, connection: int, /) -> str:
            """Return the peer's address, for logs."""

        def flush_soon(self) -> None:
            """See to it that what was written outside of a batch is sent."""


class FramedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway says of itself, and how long it waits for services."""

    gateway: str
    """The instance of the gateway: 1 to 64 of ``A-Z a-z 0-9 . _ -``."""
    heartbeat_s: float = 5.0
    """How often the gateway sends HEARTBEAT; 0.1 to 60."""
    credit_bytes: int = 131_072
    """What a service may send on a new stream before the first CREDIT."""
    hello_s: float = 5.0
    """From the connection to HELLO."""
    drain_s: float = 30.0
    """How long a service that was sent GOAWAY may take to finish and close."""
    hello_rate: RateLimit = RateLimit(10, 10_000, 10)
    """How often HELLO may come on one connection."""
    features: tuple[str, ...] = (STREAMS, DIGEST)
    advertised_host: str | None = None
    """Where services reach the workers of this gateway; None: at the address that they have dialled."""


class FramedStatistics(msgspec.Struct, kw_only=True):
    """Counts. connections: now. The others only ever rise.

    faults: FAULTs sent, by code. calls_refused: requests of services, answered REFUSED. unknown_exchanges: frames of
    exchanges that nobody here knows, ignored. unwritable: connections closed because a frame could not be written.
    slim: HELLOs that said a digest in place of their list, and were believed. lists_asked: those whose list was wanted.
    """

    connections: int = 0
    opened: int = 0
    closed: int = 0
    faults: dict[str, int] = {}
    calls_refused: int = 0
    unknown_exchanges: int = 0
    unwritable: int = 0
    slim: int = 0
    lists_asked: int = 0
