"""The services' connections: what the wire says of them goes to a session each, and from there to the registry.

Rules of this file:

1. A connection has one ``Link`` from ``opened`` until it is given up, by either side. What still comes after is
   ignored.
2. Who breaks the protocol, or is not let in, is sent FAULT and closed; it is logged once, with its address and why.
3. Who is given up here leaves the registry at once, so that nothing more is sent to it while its connection closes.
4. ``clock`` is read when something came; ``tick`` is given the time. Both count in the same seconds.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic

import trio
from msgspec.structs import replace

from frames.errors import GreetingError, ProtocolError
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
from frames.greeting import CALLS, Hello, Welcome, WorkerPlace
from frames.session import State
from frames.template import shown
from frames.wire_values import CloseCause, WireResult
from proxy.transport.greeter import Greeter
from proxy.transport.link import Link, code_name
from proxy.transport.port import AnyChange, FramedSettings, FramedStatistics
from proxy.transport.ticks import Pauses

if TYPE_CHECKING:
    from proxy.transport.link import DialledWatcher
    from proxy.transport.port import Calls, FramedPort, ServiceRegistry

logger = logging.getLogger("penstock.services")


class FramedTransport(Generic[AnyChange]):
    """Takes what the wire says of framed connections: ``opened``, ``closed``, ``frame``, ``call``; and ``tick``.

    check raises GreetingError for a HELLO that is not let in. on_change is given each change of the registry after it
    was made; what is true now stands in the registry. calls: who carries what services ask; without it they are
    refused.
    """

    def __init__(
        self,
        port: "FramedPort",
        registry: "ServiceRegistry[AnyChange]",
        settings: FramedSettings,
        *,
        check: Callable[[Hello], None],
        on_change: Callable[[AnyChange], None],
        calls: "Calls | None" = None,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """Begin without connections. GreetingError when the settings make a WELCOME that services would refuse."""
        self._port = port
        self._registry = registry
        self._settings = settings
        self.hello_rate = settings.hello_rate
        """How often HELLO may come on one connection; may be set anew at any time."""
        self._on_change = on_change
        self._calls = calls
        self._clock = clock
        self.watcher: DialledWatcher | None = None
        """Who has dialled, if anybody has; to be set before the first is."""
        self._links: dict[int, Link] = {}
        self._pauses = Pauses()
        self._maybe_goaway: GoawayReason | None = None
        self._counts = FramedStatistics()
        self._greeter = Greeter(settings, check, carries_calls=calls is not None)

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<FramedTransport connections={len(self._links)} faults={sum(self._counts.faults.values())}>"

    # What the wire says.

    def opened(self, connection: int) -> None:
        """A connection was accepted: HELLO is awaited."""
        self._open(connection, dialled=False)

    def dialled(self, connection: int, peer: str = "") -> Link:
        """A connection was dialled, and taken over by the wire: HELLO is awaited as on any other. peer: for logs."""
        return self._open(connection, dialled=True, peer=peer)

    def closed(self, connection: int, cause: int, frame_error: int) -> None:
        """A connection is gone. cause: a CloseCause; frame_error: a FrameErrorCode, for CloseCause.PROTOCOL."""
        self._counts.closed += 1
        link = self._links.get(connection)
        if link is None:
            return
        if cause == CloseCause.PROTOCOL:
            logger.warning("%s: closed, a frame is malformed (%s)", link.name, code_name(FrameErrorCode, frame_error))
        elif link.session.maybe_hello:
            expected = link.session.is_peer_draining or link.session.state is State.DRAINING
            logger.log(logging.INFO if expected else logging.WARNING, "%s: connection lost", link.name)
        self._forget(link)

    def frame(self, connection: int, exchange: int, frame_type: int, flags: int, payload: bytes) -> None:
        """A frame came that answers nothing of ours: one about the connection, or of an exchange that nobody knows."""
        link = self._links.get(connection)
        if link is None:
            return
        try:
            if frame_type == FrameType.HELLO:
                self._take_hello(link, flags, exchange, payload)
            else:
                self._take(link, link.session.receive(frame_type, flags, exchange, payload))
        except ProtocolError as error:
            self._fault(link, error.fault_code, error.message)

    def call(self, connection: int, exchange: int, flags: int, payload: bytes = b"") -> None:
        """A REQUEST came from a service, which asks another one."""
        self.frame(connection, exchange, FrameType.REQUEST, flags, payload)

    # What time does.

    def tick(self, now: float) -> None:
        """Do what is due: heartbeats, HELLO that did not come, closing after GOAWAY, silence of services.

        To be called each `ticks.TICK_S`. What was written is flushed soon.
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

    @property
    def is_draining(self) -> bool:
        """Whether `drain` was called."""
        return self._maybe_goaway is not None

    def goaway(self, connection: int, reason: GoawayReason = GoawayReason.MAINTENANCE, within_s: float = 0) -> None:
        """Send GOAWAY to one service, if it was not sent it before. within_s: to finish, in place of ``drain_s``."""
        link = self._links.get(connection)
        if link is not None and link.session.state is State.OPEN:
            self._goaway(link, reason, within_s)
            self._apply(self._registry.draining(connection, self._clock()))
            self._port.flush_soon()

    def close(self, connection: int) -> None:
        """Close the connection of a service that is not heard of any more."""
        link = self._links.get(connection)
        if link is not None:
            self._give_up(link)
            self._port.flush_soon()

    def vanished(self, holder: tuple[str, str]) -> None:
        """Forget an instance without a connection, which was not found where it was."""
        self._apply(self._registry.vanished(holder))

    def is_there(self, link: Link) -> bool:
        """Whether the instance that a link had is connected, over whatever connection."""
        hello = link.session.maybe_hello
        return hello is not None and self._registry.is_there(hello.service, hello.instance)

    def is_dialled(self, connection: int) -> bool:
        """Whether the gateway has dialled the service."""
        link = self._links.get(connection)
        return link is not None and link.session.dialled

    def change_workers(self, own_id: str, workers: Iterable[WorkerPlace]) -> None:
        """Tell services which processes this gateway has, and which one this is. GreetingError when no WELCOME can."""
        self._greeter.change_workers(own_id, workers)
        self._tell_again()

    def leave(self, within_ms: int) -> None:
        """Tell services that this process is about to go: what has no end of its own is to be brought to one."""
        self._greeter.leave(within_ms)
        self._tell_again()

    def _tell_again(self) -> None:
        for link in tuple(self._links.values()):
            if link.session.state is State.OPEN and link.hello_by is None and self._greeter.tells(link):
                self._send(link, FrameType.WELCOME, link.session.welcome(self._greeter.answer(link)))
        self._port.flush_soon()

    def let_in(self, check: Callable[[Hello], None]) -> None:
        """Judge by this each HELLO that comes from now on. check: raises GreetingError for one that is not let in."""
        self._greeter.check = check

    def recheck(self, check: Callable[[Hello], None]) -> None:
        """Turn away who may not be here any more, after rules have changed; of two who have the same, the newer.

        check: raises GreetingError for a registered HELLO, which has no token any more.
        """
        for link in reversed(tuple(self._links.values())):
            said = self._registry.said(link.connection)
            if said is None:
                continue
            try:
                check(said)
                self._registry.check_again(link.connection)
            except GreetingError as error:
                self._fault(link, error.fault_code, error.message)
        self._port.flush_soon()

    def statistics(self) -> FramedStatistics:
        """Return the counts of now."""
        return replace(self._counts, connections=len(self._links), faults=dict(self._counts.faults))

    # What a frame does.

    def _take(self, link: Link, event: Event) -> None:
        now = link.heard_at = self._clock()
        if isinstance(event, HeartbeatReceived):
            self._apply(self._registry.heartbeat(link.connection, event, now))
        elif isinstance(event, HelloReceived):
            self._admit(link, event, now)
        elif isinstance(event, GoawayReceived):
            logger.info("%s: goes away in at most %d ms", link.name, event.closes_in_ms)
            self._tell_going(link)
            self._apply(self._registry.draining(link.connection, now))
        elif isinstance(event, FaultReceived):
            logger.warning("%s: gave up: %s: %s", link.name, code_name(FaultCode, event.code), shown(event.text, 200))
            self._give_up(link)
        else:
            self._take_exchange(link, event, now)

    def _take_exchange(self, link: Link, event: Event, now: float) -> None:
        self._apply(self._registry.heard(link.connection, now))
        if isinstance(event, CallReceived):
            self._take_call(link, event)
        elif isinstance(event, ExchangeFrameReceived):
            if self._calls is not None and event.type is FrameType.CANCEL:
                self._calls.cancel(link.connection, event.exchange)
            else:
                self._counts.unknown_exchanges += 1

    def _take_call(self, link: Link, event: CallReceived) -> None:
        if self._calls is None or event.draining or self._registry.said(link.connection) is None:
            reason = RefusedReason.DRAINING if event.draining else RefusedReason.UNKNOWN_ENDPOINT
        elif CALLS not in link.session.features:
            reason = RefusedReason.UNSUPPORTED_FEATURE
        else:
            return self._calls.call(link.connection, event.exchange, event.flags, event.payload)
        self._counts.calls_refused += 1
        self._send(link, FrameType.REFUSED, encode_refused(reason), event.exchange)
        return None

    # Greeting.

    def _open(self, connection: int, *, dialled: bool, peer: str = "") -> Link:
        self._counts.opened += 1
        peer, hello_by = peer or self._port.peer(connection), self._clock() + self._settings.hello_s
        link = self._links[connection] = Link(connection, peer, hello_by, dialled=dialled)
        logger.debug("%s: connected", link.peer)
        return link

    def _take_hello(self, link: Link, flags: int, exchange: int, payload: bytes) -> None:
        """Take a HELLO. One that says what is registered already is welcomed, and not looked into."""
        now = link.heard_at = self._clock()
        link.count_hello(now, self.hello_rate)
        if link.repeats(payload):
            link.hello_by = None
            self._apply(self._registry.heard(link.connection, now))
            self._send(link, FrameType.WELCOME, link.session.welcome(self._greeter.answer(link)))
            return
        self._take(link, link.session.receive(FrameType.HELLO, flags, exchange, payload))
        if link.hello_by is None:
            link.note_registered(payload)

    def _ask_for_list(self, link: Link, now: float) -> None:
        """Register nothing, and say that the list is wanted. What was registered before stays."""
        logger.debug("%s: asked for its endpoints, their digest is not known", link.name)
        self._counts.lists_asked += 1
        link.hello_by = now + self._settings.hello_s
        link.heartbeat_at = now + self._settings.heartbeat_s
        self._welcome_back(link, self._greeter.wants_endpoints)

    def _admit(self, link: Link, event: HelloReceived, now: float) -> None:
        hello = self._greeter.whole(event.hello)
        if hello is None:
            self._ask_for_list(link, now)
            return
        change = self._registry.hello(link.connection, hello, now)
        self._greeter.registered(link, hello)
        self._counts.slim += event.hello.endpoints is None
        what, count = "says again:" if event.again else "joined:", len(hello.listed)
        logger.info("%s: %s %s, endpoints: %d, region %s", link.name, what, hello.version, count, hello.region)
        link.hello_by = None
        link.heartbeat_at = now + self._settings.heartbeat_s
        self._welcome_back(link, self._greeter.answer(link))
        self._apply(change)

    def _welcome_back(self, link: Link, welcome: Welcome) -> None:
        welcomed = self._send(link, FrameType.WELCOME, link.session.welcome(welcome))
        if welcomed and self._maybe_goaway and link.session.state is State.OPEN:
            self._goaway(link, self._maybe_goaway)

    # What is due.

    def _forgive_pause(self, now: float) -> None:
        """When nobody ticked for long, nobody listened either: what peers said meanwhile still waits to be read."""
        pause = self._pauses.before(now)
        if pause:
            self._registry.excuse(pause)
            for link in self._links.values():
                link.excuse(pause)

    def _note_answers(self, link: Link, now: float) -> None:
        """Who answers is not silent: answers are taken by the wire, and are seen here by their number only."""
        frames_heard = self._port.frames_heard(link.connection)
        if frames_heard != link.frames_heard:
            link.frames_heard, link.heard_at = frames_heard, now
            self._apply(self._registry.heard(link.connection, now))

    def _tick_link(self, link: Link, now: float) -> None:
        if link.hello_by is not None and now >= link.hello_by:
            what = "HELLO" if link.session.state is State.GREETING else "HELLO with the endpoints that were asked for"
            self._fault(link, FaultCode.HELLO_TIMEOUT, f"no {what} within {self._settings.hello_s:g} s")
        elif link.session.state is State.GREETING:
            pass
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
            self._links[connection].is_replaced = True
            self._goaway(self._links[connection], GoawayReason.REPLACED)
        for connection in change.lost:
            self._fault(self._links[connection], FaultCode.HEARTBEAT_LOST, "nothing was heard for too long")
        self._on_change(change)

    def _tell_going(self, link: Link) -> None:
        if self.watcher is not None and link.session.dialled:
            self.watcher.going(link)

    # What goes out.

    def _send(self, link: Link, frame_type: FrameType, payload: bytes, exchange: int = 0) -> bool:
        """Write a frame. False when it cannot be.

        When the connection is gone, the wire says so in its turn. When the peer does not read, it is given up.
        """
        result = self._port.frame(link.connection, frame_type, 0, exchange, payload)
        if result in {WireResult.OK, WireResult.NO_CONNECTION}:
            return result == WireResult.OK
        self._counts.unwritable += 1
        logger.warning("%s: does not read, %s could not be written; closing", link.name, frame_type.name)
        self._give_up(link)
        return False

    def _goaway(self, link: Link, reason: GoawayReason, within_s: float = 0) -> None:
        drain_s = within_s or self._settings.drain_s
        link.closes_at = self._clock() + drain_s
        self._tell_going(link)
        self._send(link, FrameType.GOAWAY, link.session.goaway(reason, round(drain_s * 1000)))

    def _fault(self, link: Link, code: FaultCode, message: str) -> None:
        """Tell the peer why, and close."""
        faults, name = self._counts.faults, code.name.lower()
        faults[name] = faults.get(name, 0) + 1
        logger.warning("%s: turned away (%s): %s", link.name, name, message)
        self._port.frame(link.connection, FrameType.FAULT, 0, 0, link.session.fault(code, message))
        self._give_up(link)

    def _give_up(self, link: Link) -> None:
        """Close, and forget at once."""
        self._port.close(link.connection)
        self._forget(link)

    def _forget(self, link: Link) -> None:
        self._links.pop(link.connection, None)
        if self.watcher is not None and link.session.dialled:
            self.watcher.lost(link)
        if self._calls is not None:
            self._calls.lost(link.connection)
        self._apply(self._registry.lost(link.connection))
