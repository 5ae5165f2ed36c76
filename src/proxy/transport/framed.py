"""The services' connections: what the wire says of them goes to a session each, and from there to the registry.

Rules of this file:

1. A connection has one ``_Link`` from ``opened`` until it is given up, by either side. What still comes after is
   ignored.
2. Who breaks the protocol, or is not let in, is sent FAULT and closed; it is logged once, with its address and why.
3. Who is given up here leaves the registry at once, so that nothing more is sent to it while its connection closes.
4. ``clock`` is read when something came; ``tick`` is given the time. Both count in the same seconds.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final, Generic, NoReturn

import trio

from frames.errors import ProtocolError
from frames.events import (
    CallReceived,
    Event,
    ExchangeFrameReceived,
    FaultReceived,
    GoawayReceived,
    HeartbeatReceived,
    HelloReceived,
)
from frames.fixed import encode_refused
from frames.frame import FaultCode, FrameErrorCode, FrameType, GoawayReason, HealthStatus, RefusedReason
from frames.greeting import PROTOCOL_VERSION, Hello, Welcome, check_welcome
from frames.session import Role, Session, State
from frames.template import shown
from frames.wire_values import CloseCause, WireResult
from proxy.transport.port import AnyChange, FramedPort, FramedSettings, FramedStatistics, ServiceRegistry

TICK_S: Final = 0.25
"""How often timers are looked at: no heartbeat goes out more often, no timeout is more exact."""

PAUSE_S: Final = 1.0
"""Ticks further apart than this mean that this process was stopped or too busy, not that the peers were silent."""

logger = logging.getLogger("penstock.services")


class _Link:
    """One connection: its session, and what is due when, in seconds of the transport's clock."""

    __slots__ = ("closes_at", "connection", "frames_heard", "heartbeat_at", "hello_by", "peer", "session")

    def __init__(self, connection: int, peer: str, hello_by: float) -> None:
        self.connection = connection
        self.peer = peer
        self.session = Session(Role.GATEWAY)
        self.hello_by = hello_by
        self.heartbeat_at = 0.0
        self.closes_at: float | None = None
        self.frames_heard = 0

    @property
    def name(self) -> str:
        """Who it is, for the log."""
        hello = self.session.maybe_hello
        return f"{hello.service}/{hello.instance} at {self.peer}" if hello else self.peer


class FramedTransport(Generic[AnyChange]):
    """Takes what the wire says of framed connections: ``opened``, ``closed``, ``frame``, ``call``; and ``tick``.

    check raises GreetingError for a HELLO that is not let in. on_change is given each change of the registry after it
    was made; what is true now stands in the registry.
    """

    def __init__(
        self,
        port: FramedPort,
        registry: ServiceRegistry[AnyChange],
        settings: FramedSettings,
        *,
        check: Callable[[Hello], None],
        on_change: Callable[[AnyChange], None],
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """Begin without connections. GreetingError when the settings make a WELCOME that services would refuse."""
        self._port = port
        self._registry = registry
        self._settings = settings
        self._check = check
        self._on_change = on_change
        self._clock = clock
        self._links: dict[int, _Link] = {}
        self._ticked_at: float | None = None
        self._maybe_goaway: GoawayReason | None = None
        self._faults: Counter[str] = Counter()
        self._opened = self._closed = self._calls_refused = self._unknown_exchanges = self._unwritable = 0
        self._welcome = Welcome(
            protocol=PROTOCOL_VERSION,
            features=settings.features,
            gateway=settings.gateway,
            heartbeat_ms=round(settings.heartbeat_s * 1000),
            credit_bytes=settings.credit_bytes,
        )
        check_welcome(self._welcome)

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<FramedTransport connections={len(self._links)} faults={self._faults.total()}>"

    # What the wire says.

    def opened(self, connection: int) -> None:
        """A connection was accepted: HELLO is awaited."""
        self._opened += 1
        link = _Link(connection, self._port.peer(connection), self._clock() + self._settings.hello_s)
        self._links[connection] = link
        logger.debug("%s: connected", link.peer)

    def closed(self, connection: int, cause: int, frame_error: int) -> None:
        """A connection is gone. cause: a CloseCause; frame_error: a FrameErrorCode, for CloseCause.PROTOCOL."""
        self._closed += 1
        link = self._links.pop(connection, None)
        if link is None:
            return
        if cause == CloseCause.PROTOCOL:
            logger.warning("%s: closed, a frame is malformed (%s)", link.name, _code_name(FrameErrorCode, frame_error))
        elif link.session.maybe_hello:
            expected = link.session.is_peer_draining or link.session.state is State.DRAINING
            logger.log(logging.INFO if expected else logging.WARNING, "%s: connection lost", link.name)
        self._apply(self._registry.lost(connection))

    def frame(self, connection: int, exchange: int, frame_type: int, flags: int, payload: bytes) -> None:
        """A frame came that answers nothing of ours: one about the connection, or of an exchange that nobody knows."""
        link = self._links.get(connection)
        if link is None:
            return
        try:
            self._take(link, link.session.receive(frame_type, flags, exchange, payload))
        except ProtocolError as error:
            self._fault(link, error.fault_code, error.message)

    def call(self, connection: int, exchange: int, flags: int, payload: bytes = b"") -> None:
        """A REQUEST came from a service. The gateway offers no endpoint, so it is refused, and not looked into."""
        self.frame(connection, exchange, FrameType.REQUEST, flags, payload)

    # What time does.

    def tick(self, now: float) -> None:
        """Do what is due: heartbeats, HELLO that did not come, closing after GOAWAY, silence of services.

        To be called each TICK_S. What was written is flushed soon.
        """
        self._forgive_pause(now)
        for link in tuple(self._links.values()):
            self._note_answers(link, now)
            self._tick_link(link, now)
        self._apply(self._registry.sweep(now))
        self._port.flush_soon()

    def drain(self, reason: GoawayReason = GoawayReason.SHUTDOWN) -> None:
        """Send GOAWAY to all services, and to each that comes from now on. They close; who does not is closed later."""
        self._maybe_goaway = reason
        for link in tuple(self._links.values()):
            if link.session.state is State.OPEN:
                self._goaway(link, reason)
        self._port.flush_soon()

    def statistics(self) -> FramedStatistics:
        """Return the counts of now."""
        return FramedStatistics(
            connections=len(self._links),
            opened=self._opened,
            closed=self._closed,
            faults=dict(self._faults),
            calls_refused=self._calls_refused,
            unknown_exchanges=self._unknown_exchanges,
            unwritable=self._unwritable,
        )

    # What a frame does.

    def _take(self, link: _Link, event: Event) -> None:
        now = self._clock()
        if isinstance(event, HeartbeatReceived):
            self._apply(self._registry.heartbeat(link.connection, event, now))
        elif isinstance(event, HelloReceived):
            self._admit(link, event, now)
        elif isinstance(event, GoawayReceived):
            logger.info("%s: goes away in at most %d ms", link.name, event.closes_in_ms)
            self._apply(self._registry.draining(link.connection, now))
        elif isinstance(event, FaultReceived):
            logger.warning("%s: gave up: %s: %s", link.name, _code_name(FaultCode, event.code), shown(event.text, 200))
            self._give_up(link)
        else:
            self._take_exchange(link, event, now)

    def _take_exchange(self, link: _Link, event: Event, now: float) -> None:
        self._apply(self._registry.heard(link.connection, now))
        if isinstance(event, CallReceived):
            self._calls_refused += 1
            reason = RefusedReason.DRAINING if event.draining else RefusedReason.UNKNOWN_ENDPOINT
            self._send(link, FrameType.REFUSED, encode_refused(reason), event.exchange)
        elif isinstance(event, ExchangeFrameReceived):
            self._unknown_exchanges += 1

    def _admit(self, link: _Link, event: HelloReceived, now: float) -> None:
        hello = event.hello
        self._check(hello)
        change = self._registry.hello(link.connection, hello, now)
        logger.info(
            "%s: %s %s with %d endpoints, region %s",
            link.name,
            "says again:" if event.again else "joined:",
            hello.version,
            len(hello.listed),
            hello.region,
        )
        link.heartbeat_at = now + self._settings.heartbeat_s
        welcomed = self._send(link, FrameType.WELCOME, link.session.welcome(self._welcome))
        if welcomed and self._maybe_goaway and link.session.state is State.OPEN:
            self._goaway(link, self._maybe_goaway)
        self._apply(change)

    # What is due.

    def _forgive_pause(self, now: float) -> None:
        """When nobody ticked for long, nobody listened either: what peers said meanwhile still waits to be read."""
        pause = 0.0 if self._ticked_at is None else now - self._ticked_at
        self._ticked_at = now
        if pause > PAUSE_S:
            logger.warning("this process did not run for %.1f s; services are not held to have been silent", pause)
            self._registry.excuse(pause)
            for link in self._links.values():
                link.hello_by += pause

    def _note_answers(self, link: _Link, now: float) -> None:
        """Who answers is not silent: answers are taken by the wire, and are seen here by their number only."""
        frames_heard = self._port.frames_heard(link.connection)
        if frames_heard != link.frames_heard:
            link.frames_heard = frames_heard
            self._apply(self._registry.heard(link.connection, now))

    def _tick_link(self, link: _Link, now: float) -> None:
        if link.session.state is State.GREETING:
            if now >= link.hello_by:
                self._fault(link, FaultCode.HELLO_TIMEOUT, f"no HELLO within {self._settings.hello_s:g} s")
        elif link.closes_at is not None and now >= link.closes_at:
            logger.warning("%s: did not close within %g s of GOAWAY; closing", link.name, self._settings.drain_s)
            self._give_up(link)
        elif now >= link.heartbeat_at:
            link.heartbeat_at = now + self._settings.heartbeat_s
            status = HealthStatus.DRAINING if link.session.state is State.DRAINING else HealthStatus.HEALTHY
            self._send(link, FrameType.HEARTBEAT, link.session.heartbeat(status, None, 0))

    def _apply(self, change: AnyChange) -> None:
        """Do what a change of the registry asks for, and pass it on."""
        if not change:
            return
        for level, text in change.notes:
            logger.log(level, "%s", text)
        for connection in change.replaced:
            self._goaway(self._links[connection], GoawayReason.REPLACED)
        for connection in change.lost:
            self._fault(self._links[connection], FaultCode.HEARTBEAT_LOST, "nothing was heard for too long")
        self._on_change(change)

    # What goes out.

    def _send(self, link: _Link, frame_type: FrameType, payload: bytes, exchange: int = 0) -> bool:
        """Write a frame. False when it cannot be.

        When the connection is gone, the wire says so in its turn. When the peer does not read, it is given up.
        """
        result = self._port.frame(link.connection, frame_type, 0, exchange, payload)
        if result in {WireResult.OK, WireResult.NO_CONNECTION}:
            return result == WireResult.OK
        self._unwritable += 1
        logger.warning("%s: does not read, %s could not be written; closing", link.name, frame_type.name)
        self._give_up(link)
        return False

    def _goaway(self, link: _Link, reason: GoawayReason) -> None:
        drain_s = self._settings.drain_s
        link.closes_at = self._clock() + drain_s
        self._send(link, FrameType.GOAWAY, link.session.goaway(reason, round(drain_s * 1000)))

    def _fault(self, link: _Link, code: FaultCode, message: str) -> None:
        """Tell the peer why, and close."""
        self._faults[code.name.lower()] += 1
        logger.warning("%s: turned away (%s): %s", link.name, code.name.lower(), message)
        self._port.frame(link.connection, FrameType.FAULT, 0, 0, link.session.fault(code, message))
        self._give_up(link)

    def _give_up(self, link: _Link) -> None:
        """Close, and forget at once."""
        self._links.pop(link.connection, None)
        self._port.close(link.connection)
        self._apply(self._registry.lost(link.connection))


def _code_name(codes: type[FaultCode] | type[FrameErrorCode], code: int) -> str:
    """Return the code's name, or its number when this version does not know it."""
    try:
        return codes(code).name.lower()
    except ValueError:
        return str(code)


async def run_ticks(transport: FramedTransport[AnyChange], tick_s: float = TICK_S) -> NoReturn:
    """Tick until cancelled."""
    while True:
        transport.tick(trio.current_time())
        await trio.sleep(tick_s)
