"""A link: the connection to one gateway, from its greeting to its end, and what each frame on it means."""

import logging
import math
from collections.abc import Callable
from enum import Enum
from typing import Protocol

import trio
from msgspec.structs import replace

from frames.errors import ProtocolError
from frames.events import ExchangeFrameReceived, FaultReceived, GoawayReceived, WelcomeReceived
from frames.frame import FaultCode, FrameError, FrameType, GoawayReason, HealthStatus
from frames.greeting import CALLS, DIGEST, STREAMS, WORKERS, Hello, WorkerPlace, endpoints_digest
from frames.limits import HEARTBEATS_MISSED_MAX
from frames.session import Role, Session, State

__all__ = ["Ending", "Link", "LinkWire"]

log = logging.getLogger("penstock.link")

CLOSE_S = 1.0
"""After the time that the gateway named in GOAWAY, how much longer it may take to close."""

_ADVICE: dict[int, str] = {
    FaultCode.UNAUTHENTICATED: "set PENSTOCK_SERVICE_TOKEN (or PENSTOCK_SERVICE_TOKEN_FILE) to the token that the "
    "gateway has in PENSTOCK_SERVICES_TOKEN",
    FaultCode.FORBIDDEN: "",
    FaultCode.UNSUPPORTED_VERSION: "install the same version of penstock on both sides",
    FaultCode.INVALID_HELLO: "",
}
"""What somebody must do before it can be otherwise; empty where the gateway's own text says it."""


class Ending(Enum):
    """Why a link ended, which says how it is dialled again."""

    LOST = "lost"
    """The connection broke, or its gateway went away: again, soon."""
    TURNED_AWAY = "turned away"
    """The gateway does not want this service as it is: again, slowly, since someone must change something first."""
    REPLACED = "replaced"
    """Another process has the same instance id: not again, else the two would throw each other out for ever."""


class LinkWire(Protocol):
    """What a link needs of the wire."""

    def frame(self, connection: int, type: int, flags: int, exchange: int, payload: bytes, /) -> int:  # noqa: A002
        """Write a frame."""
        ...

    def close(self, connection: int, /) -> int:
        """Close a connection after a last try to send what waits."""
        ...

    def flush_soon(self) -> None:
        """Send what was written within this pass of the scheduler."""
        ...


class Link:
    """The connection to one gateway.

    `cancel` is called for a CANCEL frame, with the connection and the exchange; `take` for every other frame of an
    exchange, with connection, exchange, type, flags and payload; `part` with the connection and milliseconds, when the
    gateway is about to go; `forget` once, when the link has ended.
    """

    def __init__(
        self,
        wire: LinkWire,
        connection: int,
        gateway: str,
        now: float,
        *,
        cancel: Callable[[int, int], None],
        take: Callable[[int, int, int, int, bytes], None],
        forget: Callable[["Link"], None],
        part: Callable[[int, int], None] = lambda *_: None,
        dialled: bool = True,
    ) -> None:
        """Take the wire, the connection's handle in it, the gateway's address for the log, and the time in seconds.

        dialled: by this service; else the gateway has.
        """
        self.connection = connection
        self.gateway = gateway
        self.ending = Ending.LOST
        self.heard_at = now
        self.may_call = False
        """Whether the gateway may send calls: since its WELCOME."""
        self.stream_credit: int | None = None
        """What the gateway grants for a new stream; None until its WELCOME, and when that names no streams."""
        self.opened_at: float | None = None
        self.opened = trio.Event()
        self.ended = trio.Event()
        self.takes_digests = False
        """Whether the gateway may know a list of endpoints by its digest: since its WELCOME."""
        self.is_leaving = False
        """Whether this link alone is given up in good order, for a better gateway."""
        self.host = ""
        """The address that the connection was made to; empty where the gateway has dialled."""
        self.meant: str | None = None
        """Which worker was dialled, by what another one has said of it; another one may have answered."""
        self.on_news: Callable[[Link], None] = _nobody
        """Is called when an open link has told of workers, or that it goes away."""
        self._gateway_leaves = False
        self.is_superseded = False
        """This process has a newer connection to the same worker."""
        self._hello: Hello | None = None
        self._has_said_list = False
        self._passes_calls = False
        self._closes_at = math.inf
        self._wire = wire
        self._cancel = cancel
        self._take = take
        self._forget = forget
        self._part = part
        self._session = Session(Role.SERVICE, dialled=dialled)

    def __repr__(self) -> str:
        """Where to, and the session, on one line."""
        return f"<Link {self.gateway} {self._session!r}>"

    @property
    def may_ask(self) -> bool:
        """Whether calls of other services may be sent: the gateway passes them on, and is not going away."""
        is_going = self.is_leaving or self._closes_at != math.inf
        return self._passes_calls and not is_going and not self.ended.is_set()

    @property
    def worker(self) -> str | None:
        """Which worker of the gateway it leads to; None where the gateway does not say."""
        welcome = self._session.maybe_welcome
        return welcome.worker if welcome and WORKERS in self._session.features else None

    @property
    def workers(self) -> tuple[WorkerPlace, ...]:
        """The workers of the gateway that are to be reached, by the last WELCOME."""
        welcome = self._session.maybe_welcome
        return (welcome.workers or ()) if welcome and self.worker is not None else ()

    @property
    def is_going(self) -> bool:
        """Whether the gateway has said that it goes away."""
        return self._session.is_peer_draining

    def supersede(self) -> None:
        """Note that this process has a newer connection to the same worker: this one being replaced is no news."""
        self.is_superseded = True
        if self.ending is Ending.REPLACED:
            self.ending = Ending.LOST

    def greet(self, hello: Hello, *, slim: bool = False) -> None:
        """Send HELLO. slim: with the digest of its endpoints only; the gateway asks for them if it must."""
        self._hello, self._has_said_list = hello, not slim
        said = replace(hello, endpoints=None, digest=endpoints_digest(hello.listed)) if slim else hello
        self._send(FrameType.HELLO, self._session.hello(said))

    def announce(self, hello: Hello) -> None:
        """Say HELLO again on an open link, where it is another one than before."""
        if hello is not self._hello and self._session.state is State.OPEN and not self.ended.is_set():
            self.greet(hello)

    def heartbeat(self, status: HealthStatus, load: int, in_flight: int) -> None:
        """Say how this process is. load: in 1/10,000 of its capacity."""
        if not self.ended.is_set():
            self._send(FrameType.HEARTBEAT, self._session.heartbeat(status, load, in_flight))

    def goaway(self, closes_in_ms: int) -> None:
        """Say that nothing new is taken; before WELCOME there is nothing to say, and once is enough."""
        if self._session.state is State.OPEN and not self.ended.is_set():
            self._send(FrameType.GOAWAY, self._session.goaway(GoawayReason.SHUTDOWN, closes_in_ms))

    def leave(self, closes_in_ms: int) -> None:
        """Take nothing new over this link, and ask nothing new: there is a better gateway."""
        self.is_leaving, self.may_call = True, False
        self.goaway(closes_in_ms)

    def check_time(self, now: float) -> None:
        """Give the connection up when the gateway is silent, or does not close although it said that it would."""
        welcome = self._session.maybe_welcome
        if welcome and now - self.heard_at > welcome.heartbeat_ms * HEARTBEATS_MISSED_MAX / 1000:
            self.fail(FaultCode.HEARTBEAT_LOST, f"nothing came for {HEARTBEATS_MISSED_MAX} heartbeats")
        elif now > self._closes_at:
            self.close()

    def fail(self, code: FaultCode, text: str) -> None:
        """Give the connection up, and say why to the gateway and in the log."""
        log.error("gateway %s: %s; the connection is closed and dialled again", self.gateway, text)
        if not self.ended.is_set():
            self._send(FrameType.FAULT, self._session.fault(code, text))
        self.close()

    def close(self) -> None:
        """Close the connection, after a last try to send what was written."""
        self._wire.close(self.connection)
        self.end()

    def end(self) -> None:
        """The connection is closed."""
        if not self.ended.is_set():
            self.ended.set()
            self._forget(self)

    def receive_early_call(self) -> None:
        """A call came before WELCOME, or after we gave up."""
        if not self.ended.is_set():
            self.fail(FaultCode.PROTOCOL_ERROR, "REQUEST before WELCOME")

    def receive(self, frame_type: int, flags: int, exchange: int, payload: bytes, now: float) -> None:
        """Take a frame that came, calls excepted."""
        self.heard_at = now
        try:
            event = self._session.receive(frame_type, flags, exchange, payload)
        except (ProtocolError, FrameError) as error:
            code = error.fault_code if isinstance(error, ProtocolError) else FaultCode.PROTOCOL_ERROR
            return self.fail(code, str(error))
        if isinstance(event, ExchangeFrameReceived):
            if event.type is FrameType.CANCEL:
                self._cancel(self.connection, exchange)
            else:
                self._take(self.connection, exchange, frame_type, flags, payload)
        elif isinstance(event, WelcomeReceived):
            self._open(event, now)
        elif isinstance(event, GoawayReceived):
            self._leave(event, now)
        elif isinstance(event, FaultReceived):
            self._turned_away(event)
        return None

    def _send(self, frame_type: FrameType, payload: bytes) -> None:
        self._wire.frame(self.connection, frame_type, 0, 0, payload)
        self._wire.flush_soon()

    def _open(self, event: WelcomeReceived, now: float) -> None:
        if event.welcome.wants_endpoints:
            self._say_list()
            return
        self._passes_calls = CALLS in event.welcome.features
        self.takes_digests = DIGEST in event.welcome.features
        if not self.opened.is_set():
            self.opened_at = now
            self.may_call = True
            self.stream_credit = event.welcome.credit_bytes if STREAMS in event.welcome.features else None
            self.opened.set()
            worker = f", worker {self.worker}" if self.worker is not None else ""
            log.info("gateway %s (%s%s): connected", self.gateway, event.welcome.gateway, worker)
        self.on_news(self)
        if event.welcome.leaves_within_ms is not None and WORKERS in self._session.features:
            self._told_to_leave(event.welcome.leaves_within_ms)

    def _told_to_leave(self, within_ms: int) -> None:
        """The gateway is about to go. Once is enough: a list that changes meanwhile says it again."""
        if not self._gateway_leaves:
            self._gateway_leaves = True
            log.info("gateway %s: is about to go, within %d ms", self.gateway, within_ms)
            self._part(self.connection, within_ms)

    def _say_list(self) -> None:
        """The gateway does not know the digest: say the list itself, unless that was just done."""
        if self._has_said_list or self._hello is None:
            self.fail(FaultCode.PROTOCOL_ERROR, "WELCOME asks for the list of endpoints, which it has been sent")
        elif self._session.state is State.OPEN:
            self.greet(self._hello)

    def _leave(self, event: GoawayReceived, now: float) -> None:
        self._closes_at = now + event.closes_in_ms / 1000 + CLOSE_S
        if event.reason == GoawayReason.REPLACED and not self.is_superseded:
            self.ending = Ending.REPLACED
        else:
            log.info("gateway %s: goes away in at most %d ms", self.gateway, event.closes_in_ms)
        self.on_news(self)

    def _turned_away(self, event: FaultReceived) -> None:
        name = event.code.name.lower() if isinstance(event.code, FaultCode) else str(event.code)
        advice = _ADVICE.get(event.code)
        if advice is not None:
            self.ending = Ending.TURNED_AWAY
        text = event.text.encode("unicode_escape").decode()  # from the peer: one line of it, whatever it holds
        fix = f"; {advice}" if advice else ""
        log.error("gateway %s: turned this service away (%s): %s%s", self.gateway, name, text, fix)
        self.close()


def _nobody(_: Link) -> None:
    """Nobody wants to know."""
