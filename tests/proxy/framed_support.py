"""What tests of the framed transport share: a transport over a fake wire, with a clock that is told to move."""

from typing import Any

from msgspec.structs import replace

from frames.fixed import decode_fault, encode_heartbeat
from frames.frame import FaultCode, FrameType, HealthStatus
from frames.greeting import EndpointOffer, Hello, encode_hello, endpoints_digest
from proxy.targets.allow import Admission, AllowList
from proxy.targets.instance import Change
from proxy.targets.registry import Registry
from proxy.transport.framed import FramedTransport
from proxy.transport.port import FramedSettings
from proxy.transport.ticks import TICK_S

PROOF = "correct-horse-battery-staple"
HELLO = Hello(
    protocol=1,
    features=(),
    token=PROOF,
    service="billing",
    version="1.4.0",
    instance="b1",
    heartbeat_ms=5000,
    credit_bytes=0,
    endpoints=(EndpointOffer(id=1, method="GET", path="/invoices"),),
)
LISTED = replace(HELLO, features=("digest",))
SLIM = replace(LISTED, endpoints=None, digest=endpoints_digest(HELLO.listed))
CALLING = replace(HELLO, features=("calls",))
OK, NO_CONNECTION, FULL = 0, -2, -3


class FakePort:
    """Keeps what was written as a transcript: (connection, what)."""

    def __init__(self) -> None:
        self.written: list[tuple[int, str]] = []
        self.payloads: list[bytes] = []
        self.exchanges: list[int] = []
        self.full: set[int] = set()
        self.gone: set[int] = set()
        self.flushes = 0
        self.heard: dict[int, int] = {}

    def frames_heard(self, connection: int, /) -> int:
        return self.heard.get(connection, 0)

    def frame(self, connection: int, frame_type: int, flags: int, exchange: int, payload: bytes, /) -> int:
        if connection in self.gone | self.full:
            return NO_CONNECTION if connection in self.gone else FULL
        assert flags == 0
        assert (exchange != 0) is (frame_type == FrameType.REFUSED)
        self.written.append((connection, FrameType(frame_type).name))
        self.payloads.append(payload)
        self.exchanges.append(exchange)
        return OK

    def close(self, connection: int, /) -> int:
        self.written.append((connection, "close"))
        return OK

    def peer(self, connection: int, /) -> str:
        return f"127.0.0.1:{connection}"

    def flush_soon(self) -> None:
        self.flushes += 1

    def take(self) -> list[tuple[int, str]]:
        written, self.written = self.written, []
        return written


class FakeCalls:
    """Carries no call, but writes down what it is given."""

    def __init__(self) -> None:
        self.taken: list[tuple[object, ...]] = []

    def call(self, connection: int, exchange: int, flags: int, payload: bytes, /) -> None:
        self.taken.append(("call", connection, exchange, flags, payload))

    def cancel(self, connection: int, exchange: int, /) -> None:
        self.taken.append(("cancel", connection, exchange))

    def lost(self, connection: int, /) -> None:
        self.taken.append(("lost", connection))


class Bench:
    """A transport with all that belongs to it, and a clock that only moves when it is told to."""

    def __init__(
        self, allow: AllowList | Admission | None = None, calls: FakeCalls | None = None, **settings: Any
    ) -> None:
        self.now = 0.0
        self.port = FakePort()
        self.registry = Registry()
        self.changes: list[Change] = []
        self.transport = FramedTransport[Change](
            self.port,
            self.registry,
            FramedSettings(gateway="gw-1", **settings),
            check=(allow or AllowList()).check,
            on_change=self.changes.append,
            calls=calls,
            clock=lambda: self.now,
        )

    def pass_time(self, seconds: float) -> None:
        """Tick on, as often as it is done for real."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + TICK_S)
            self.transport.tick(self.now)

    def come(self, connection: int, frame_type: int, payload: bytes = b"", exchange: int = 0) -> None:
        self.transport.frame(connection, exchange, frame_type, 0, payload)

    def join(self, connection: int, hello: Hello = HELLO) -> None:
        """Connect and greet."""
        self.transport.opened(connection)
        self.come(connection, FrameType.HELLO, encode_hello(hello))

    def beat(self, connection: int, status: HealthStatus = HealthStatus.HEALTHY) -> None:
        self.come(connection, FrameType.HEARTBEAT, encode_heartbeat(status))

    @property
    def targets(self) -> list[int]:
        return [offer.connection for route in self.registry.routes.values() for offer in route.offers]

    def fault(self) -> tuple[FaultCode, str]:
        """The FAULT that was written last."""
        fault = decode_fault(self.port.payloads[-1])
        return FaultCode(fault.code), fault.text


TURNED_AWAY = [(5, "FAULT"), (5, "close")]
