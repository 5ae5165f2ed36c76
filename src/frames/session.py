"""The life of one framed connection: what may come and what may go, by docs/protocol.md. No I/O, no clock.

Rules of this file:

1. What may be received is the table ``RECEIVE``: for a role and a state, each type of frame has exactly one verdict.
   What may be sent about the connection is the table ``SEND``, which also says the state after it. No other place
   knows the states.
2. ``receive`` turns one frame into one event, or raises ProtocolError; then ``fault`` of that error is to be sent,
   and the connection closed.
3. The methods that send return the payload and move the state. To ask for what the state does not allow is a bug of
   our own: SessionUseError.
4. What depends on more than role, state and type stands with the reader of the frame: a HELLO again must be for the
   same service and instance; a WELCOME answers a HELLO; the id of a REQUEST has the bit of the side that sent it,
   which is a matter of who dialled and not of the role.
5. No payload can raise anything but ProtocolError, whether a scan has looked at its form before or not.
6. Exchanges are not followed here: whoever opened one knows it by its id. Nothing is timed here: whoever has the
   clock does that.

Another type of frame needs: its cells in the tables, and its reader in ``_READERS``.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from msgspec.structs import replace

from frames.errors import GreetingError, ProtocolError, SessionUseError
from frames.events import (
    CallReceived,
    Event,
    ExchangeFrameReceived,
    FaultReceived,
    GoawayReceived,
    HeartbeatReceived,
    HelloReceived,
    WelcomeReceived,
)
from frames.fixed import decode_fault, decode_goaway, decode_heartbeat, encode_fault, encode_goaway, encode_heartbeat
from frames.frame import DIALLED, FaultCode, FrameError, FrameType, GoawayReason, HealthStatus
from frames.greeting import Hello, Welcome, decode_hello, decode_welcome, encode_hello, encode_welcome
from frames.limits import LOAD_UNKNOWN


class Role(Enum):
    """Which side of the connection this is, in the greeting. Who dialled is another question."""

    GATEWAY = "gateway"
    SERVICE = "service"


class State(Enum):
    """Where the connection is in its life."""

    GREETING = "greeting"  # until WELCOME
    OPEN = "open"
    DRAINING = "draining"  # this side has sent GOAWAY
    CLOSED = "closed"  # FAULT was sent or received


class Verdict(Enum):
    """What becomes of a frame that came."""

    TAKEN = "taken"
    REFUSED = "REFUSED"  # a REQUEST that comes while this side drains
    ERROR = "protocol error"


Row = dict[FrameType, Verdict]
_Reader = Callable[["Session", FrameType, int, int, bytes], Event]


def _row(taken: set[FrameType], refused: frozenset[FrameType] = frozenset()) -> Row:
    """Return the verdicts of one state: an error is whatever is neither taken nor refused."""
    row = dict.fromkeys(FrameType, Verdict.ERROR)
    row |= dict.fromkeys(taken, Verdict.TAKEN)
    row |= dict.fromkeys(refused, Verdict.REFUSED)
    return row


_ALL: Final = set(FrameType)
_REQUEST: Final = frozenset({FrameType.REQUEST})

RECEIVE: Final[dict[tuple[Role, State], Row]] = {
    (Role.GATEWAY, State.GREETING): _row({FrameType.HELLO}),
    (Role.GATEWAY, State.OPEN): _row(_ALL - {FrameType.WELCOME}),
    (Role.GATEWAY, State.DRAINING): _row(_ALL - {FrameType.WELCOME}, refused=_REQUEST),
    (Role.GATEWAY, State.CLOSED): _row(set()),
    (Role.SERVICE, State.GREETING): _row({FrameType.WELCOME, FrameType.FAULT}),
    (Role.SERVICE, State.OPEN): _row(_ALL - {FrameType.HELLO}),
    (Role.SERVICE, State.DRAINING): _row(_ALL - {FrameType.HELLO}, refused=_REQUEST),
    (Role.SERVICE, State.CLOSED): _row(set()),
}
"""What becomes of a frame, by role, state and type (section 1)."""

SEND: Final[dict[tuple[Role, State], dict[FrameType, State]]] = {
    (Role.GATEWAY, State.GREETING): {FrameType.WELCOME: State.OPEN, FrameType.FAULT: State.CLOSED},
    (Role.GATEWAY, State.OPEN): {
        FrameType.WELCOME: State.OPEN,
        FrameType.HEARTBEAT: State.OPEN,
        FrameType.GOAWAY: State.DRAINING,
        FrameType.FAULT: State.CLOSED,
    },
    (Role.GATEWAY, State.DRAINING): {
        FrameType.WELCOME: State.DRAINING,
        FrameType.HEARTBEAT: State.DRAINING,
        FrameType.GOAWAY: State.DRAINING,
        FrameType.FAULT: State.CLOSED,
    },
    (Role.GATEWAY, State.CLOSED): {},
    (Role.SERVICE, State.GREETING): {FrameType.HELLO: State.GREETING, FrameType.FAULT: State.CLOSED},
    (Role.SERVICE, State.OPEN): {
        FrameType.HELLO: State.OPEN,
        FrameType.HEARTBEAT: State.OPEN,
        FrameType.GOAWAY: State.DRAINING,
        FrameType.FAULT: State.CLOSED,
    },
    (Role.SERVICE, State.DRAINING): {
        FrameType.HEARTBEAT: State.DRAINING,
        FrameType.GOAWAY: State.DRAINING,
        FrameType.FAULT: State.CLOSED,
    },
    (Role.SERVICE, State.CLOSED): {},
}
"""What may be sent about the connection, by role and state, and the state after it.

A frame of an exchange may be sent when OPEN or DRAINING.
"""


class Session:
    """One side's view of one connection, from the first frame to FAULT."""

    def __init__(self, role: Role, *, dialled: bool | None = None) -> None:
        """Begin in GREETING: the connection is there, and nothing was said.

        dialled: whether this side did; left out, the service did.
        """
        self.role = role
        self.dialled = role is Role.SERVICE if dialled is None else dialled
        self.state = State.GREETING
        self.maybe_hello: Hello | None = None
        """The last HELLO of the service, received or sent."""
        self.maybe_welcome: Welcome | None = None
        """The last WELCOME of the gateway, received or sent."""
        self.is_peer_draining = False
        """The peer has sent GOAWAY: it must not be sent a new REQUEST."""

    def __repr__(self) -> str:
        """Role, state and which service it is, on one line."""
        who = f" {self.maybe_hello.service}/{self.maybe_hello.instance}" if self.maybe_hello else ""
        peer = " peer draining" if self.is_peer_draining else ""
        return f"<Session {self.role.value} {self.state.value}{who}{peer}>"

    @property
    def may_request(self) -> bool:
        """Whether a new REQUEST may be sent."""
        return self.state is State.OPEN and not self.is_peer_draining

    @property
    def features(self) -> frozenset[str]:
        """What both sides named; empty until both have greeted."""
        if self.maybe_hello is None or self.maybe_welcome is None:
            return frozenset()
        return frozenset(self.maybe_hello.features) & frozenset(self.maybe_welcome.features)

    def receive(self, frame_type: int, flags: int, exchange: int, payload: bytes) -> Event:
        """Return what the frame says. ProtocolError when it may not come now, or breaks a rule."""
        verdict = RECEIVE[self.role, self.state].get(frame_type)  # type: ignore[call-overload]  # an int finds its IntEnum
        if verdict is None:
            raise ProtocolError(FaultCode.PROTOCOL_ERROR, f"a frame of the unknown type {frame_type}")
        kind = FrameType(frame_type)
        if verdict is Verdict.ERROR:
            raise ProtocolError(FaultCode.PROTOCOL_ERROR, self._unexpected(kind))
        try:
            return _READERS[kind](self, kind, flags, exchange, payload)
        except FrameError as error:
            raise ProtocolError(FaultCode.PROTOCOL_ERROR, str(error)) from None

    def hello(self, hello: Hello) -> bytes:
        """Return the payload of HELLO.

        GreetingError when it breaks a rule, or is for another instance than the one before.
        """
        after = self._may_send(FrameType.HELLO)
        if self.maybe_hello is not None:
            _check_same(self.maybe_hello, hello)
        payload = encode_hello(hello)
        self.maybe_hello, self.state = replace(hello, token=None), after
        return payload

    def welcome(self, welcome: Welcome) -> bytes:
        """Return the payload of WELCOME, for a HELLO that is accepted. GreetingError when it breaks a rule."""
        after = self._may_send(FrameType.WELCOME)
        if self.maybe_hello is None:
            raise SessionUseError("WELCOME answers a HELLO, and none has come")
        payload = encode_welcome(welcome)
        self.maybe_welcome, self.state = welcome, after
        return payload

    def heartbeat(self, status: HealthStatus, load: int | None, in_flight: int) -> bytes:
        """Return the payload of HEARTBEAT.

        load: in 1/10,000 of the capacity, None when not known; in_flight: requests.
        """
        self.state = self._may_send(FrameType.HEARTBEAT)
        return encode_heartbeat(status, LOAD_UNKNOWN if load is None else load, in_flight)

    def goaway(self, reason: GoawayReason, closes_in_ms: int) -> bytes:
        """Return the payload of GOAWAY: nothing new is taken, and this side closes after closes_in_ms."""
        self.state = self._may_send(FrameType.GOAWAY)
        return encode_goaway(reason, closes_in_ms)

    def fault(self, code: FaultCode, text: str) -> bytes:
        """Return the payload of FAULT, the last frame. The text is cut to what a FAULT can hold."""
        self.state = self._may_send(FrameType.FAULT)
        return encode_fault(code, text)

    def _may_send(self, kind: FrameType) -> State:
        after = SEND[self.role, self.state].get(kind)
        if after is None:
            raise SessionUseError(f"{kind.name} must not be sent by the {self.role.value} when {self.state.value}")
        return after

    def _unexpected(self, kind: FrameType) -> str:
        if self.state is State.GREETING:
            first = "HELLO" if self.role is Role.GATEWAY else "WELCOME"
            return f"{kind.name} before {first}"
        return f"{kind.name} must not be sent to the {self.role.value} when the connection is {self.state.value}"

    def _read_hello(self, _kind: FrameType, _flags: int, _exchange: int, payload: bytes) -> HelloReceived:
        hello, before = decode_hello(payload), self.maybe_hello
        if before is not None:
            _check_same(before, hello)
        self.maybe_hello = replace(hello, token=None)  # the event alone has the token, for whoever checks it
        return HelloReceived(hello, again=before is not None)

    def _read_welcome(self, _kind: FrameType, _flags: int, _exchange: int, payload: bytes) -> WelcomeReceived:
        if self.maybe_hello is None:
            raise ProtocolError(FaultCode.PROTOCOL_ERROR, "WELCOME before this side has sent HELLO")
        welcome, before = decode_welcome(payload), self.maybe_welcome
        self.maybe_welcome = welcome
        if self.state is State.GREETING:
            self.state = State.OPEN
        return WelcomeReceived(welcome, again=before is not None)

    def _read_heartbeat(self, _kind: FrameType, _flags: int, _exchange: int, payload: bytes) -> HeartbeatReceived:
        beat = decode_heartbeat(payload)
        load = None if beat.load == LOAD_UNKNOWN else beat.load
        return HeartbeatReceived(beat.status, load, beat.in_flight)

    def _read_goaway(self, _kind: FrameType, _flags: int, _exchange: int, payload: bytes) -> GoawayReceived:
        goaway = decode_goaway(payload)
        self.is_peer_draining = True
        return GoawayReceived(goaway.reason, goaway.closes_in_ms)

    def _read_fault(self, _kind: FrameType, _flags: int, _exchange: int, payload: bytes) -> FaultReceived:
        fault = decode_fault(payload)
        self.state = State.CLOSED
        return FaultReceived(fault.code, fault.text)

    def _read_call(self, _kind: FrameType, flags: int, exchange: int, payload: bytes) -> CallReceived:
        if bool(exchange & DIALLED) is self.dialled:
            bit = "set" if self.dialled else "clear"
            raise ProtocolError(
                FaultCode.PROTOCOL_ERROR, f"REQUEST with bit 63 of its exchange id {bit}: that id is ours to give"
            )
        return CallReceived(exchange, flags, payload, draining=self.state is State.DRAINING)

    def _read_exchange(self, kind: FrameType, flags: int, exchange: int, payload: bytes) -> ExchangeFrameReceived:
        return ExchangeFrameReceived(kind, flags, exchange, payload)


_READERS: Final[dict[FrameType, _Reader]] = {
    FrameType.HELLO: Session._read_hello,
    FrameType.WELCOME: Session._read_welcome,
    FrameType.HEARTBEAT: Session._read_heartbeat,
    FrameType.GOAWAY: Session._read_goaway,
    FrameType.FAULT: Session._read_fault,
    FrameType.REQUEST: Session._read_call,
    FrameType.RESPONSE: Session._read_exchange,
    FrameType.DATA: Session._read_exchange,
    FrameType.TRAILERS: Session._read_exchange,
    FrameType.CREDIT: Session._read_exchange,
    FrameType.CANCEL: Session._read_exchange,
    FrameType.REFUSED: Session._read_exchange,
}


def _check_same(before: Hello, now: Hello) -> None:
    """Raise GreetingError when the HELLO is not for the service and instance of the one before (section 5)."""
    if (before.service, before.instance) != (now.service, now.instance):
        was, is_now = f"{before.service}/{before.instance}", f"{now.service}/{now.instance}"
        raise GreetingError(FaultCode.PROTOCOL_ERROR, f"HELLO again for {is_now}, on the connection of {was}")


def session_table_markdown() -> str:
    """Return the table RECEIVE as Markdown, a row for each type of frame, for the documentation."""
    columns = [key for key in RECEIVE if key[1] is not State.CLOSED]
    head = ["frame", *(f"{role.value}, {state.value}" for role, state in columns)]
    rows = [[kind.name, *(RECEIVE[column][kind].value for column in columns)] for kind in FrameType]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])
