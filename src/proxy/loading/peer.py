"""A service, seen by who speaks frames with it as a gateway does (docs/protocol.md). No I/O, no clock.

    peer = ServicePeer(dialled=True)
    peer.receive(received)                  # its HELLO; answered by WELCOME
    exchange = peer.begin(payload)
    send(peer.take_output())
    for answer in peer.receive(received): ...

What a gateway would do besides is left out: nothing is retried, no limit counts, and what the service itself wants to
ask is refused.
"""

from enum import IntEnum
from typing import Final, NamedTuple, NoReturn

from frames.codec import FrameRow, Scan, encode_credit, encode_frame, encode_refused, scan
from frames.errors import ProtocolError
from frames.events import CallReceived, FaultReceived, GoawayReceived, HelloReceived
from frames.fields import Field
from frames.fixed import decode_cancel, decode_refused, encode_cancel
from frames.frame import (
    DIALLED,
    END,
    CancelReason,
    FaultCode,
    FrameError,
    FrameErrorCode,
    FrameType,
    GoawayReason,
    HealthStatus,
    RefusedReason,
)
from frames.greeting import PROTOCOL_VERSION, STREAMS, EndpointOffer, Welcome
from frames.session import Role, Session, State

HEARTBEAT_MS: Final = 5_000
CREDIT_BYTES: Final = 262_144
KEPT_BYTES_MAX: Final = 64 << 20
"""Of a body that is kept: more is not for a person."""
_FINAL: Final = 200
_RESPONSE, _DATA, _TRAILERS = int(FrameType.RESPONSE), int(FrameType.DATA), int(FrameType.TRAILERS)
_TYPE, _FLAGS, _STATUS, _BODY_BYTES = 12, 13, 11, 4  # of a FrameRow


class PeerError(Exception):
    """The conversation cannot go on. Its text is one line."""


class Answer(NamedTuple):
    """What became of one exchange."""

    exchange: int
    status: int
    """0 where no final RESPONSE came."""
    why: str = ""
    """Why there is no whole answer; empty where there is one."""
    body_bytes: int = 0
    fields: tuple[Field, ...] = ()
    body: bytes = b""
    """Fields and body are kept where the peer was asked to."""


class _Partial:
    """An answer that has not ended."""

    __slots__ = ("body", "body_bytes", "fields", "status")

    def __init__(self) -> None:
        self.status = 0
        self.body_bytes = 0
        self.fields: tuple[Field, ...] = ()
        self.body: list[bytes] = []


class ServicePeer:
    """One connection to a service, in the role of a gateway."""

    def __init__(self, *, dialled: bool, name: str = "bench", keeps_answers: bool = False) -> None:
        """dialled: by this side; name: as which gateway; keeps_answers: fields and bodies, too."""
        self.endpoints: tuple[EndpointOffer, ...] = ()
        self.is_leaving = False
        """The service has said GOAWAY: nothing new may be sent."""
        self._session = Session(Role.GATEWAY, dialled=dialled)
        self._name = name
        self._keeps = keeps_answers
        self._next = DIALLED + 1 if dialled else 1
        self._asked: dict[int, _Partial] = {}
        self._held = b""
        self._output = bytearray()
        self._answers: list[Answer] = []

    def __repr__(self) -> str:
        """The session, and how many answers are waited for."""
        return f"<ServicePeer {self._session!r} in_flight={len(self._asked)}>"

    @property
    def is_open(self) -> bool:
        """Whether requests may be sent."""
        return self._session.may_request

    @property
    def in_flight(self) -> int:
        """How many answers are waited for."""
        return len(self._asked)

    @property
    def who(self) -> str:
        """The service, as `billing/b-1 1.4.0`; empty before its HELLO."""
        hello = self._session.maybe_hello
        return f"{hello.service}/{hello.instance} {hello.version}" if hello else ""

    @property
    def session(self) -> Session:
        """What was said in the greeting."""
        return self._session

    def begin(self, payload: bytes) -> int:
        """Write a whole REQUEST (`frames.codec.encode_request`), and return its exchange."""
        exchange = self._next
        self._next += 1
        self._output += encode_frame(FrameType.REQUEST, END, exchange, payload)
        self._asked[exchange] = _Partial()
        return exchange

    def cancel(self, exchange: int, reason: CancelReason) -> None:
        """Give an exchange up; its answer, if there will be one, is dropped."""
        if self._asked.pop(exchange, None) is not None:
            self._output += encode_frame(FrameType.CANCEL, 0, exchange, encode_cancel(reason))

    def heartbeat(self) -> None:
        """Say that this side is there; to be said each HEARTBEAT_MS."""
        if self._session.state is State.OPEN:
            payload = self._session.heartbeat(HealthStatus.HEALTHY, None, len(self._asked))
            self._output += encode_frame(FrameType.HEARTBEAT, 0, 0, payload)

    def leave(self) -> None:
        """Say that nothing new will come."""
        if self._session.state is State.OPEN:
            self._output += encode_frame(FrameType.GOAWAY, 0, 0, self._session.goaway(GoawayReason.SHUTDOWN, 0))

    def take_output(self) -> bytes:
        """Return what is to be sent now."""
        if not self._output:
            return b""
        output, self._output = bytes(self._output), bytearray()
        return output

    def receive(self, data: bytes) -> list[Answer]:
        """Take bytes that came, and return the exchanges that ended with them. Raises `PeerError`."""
        self._answers = []
        held = self._held + data if self._held else data
        while True:
            found = scan(held)
            try:
                for row in found.rows():
                    self._take(row, found)
            except FrameError as error:
                self._fail(ProtocolError(FaultCode.PROTOCOL_ERROR, str(error)))
            held = held[found.consumed :]
            if found.error is not FrameErrorCode.OK:
                self._fail(ProtocolError(FaultCode.PROTOCOL_ERROR, f"a frame that cannot be read: {found.error.name}"))
            if found.needed or not held:
                break
        self._held = held
        return self._answers

    def _take(self, row: FrameRow, found: Scan) -> None:
        kind, flags, exchange = row[_TYPE], row[_FLAGS], row[0]
        if kind == _RESPONSE:
            self._take_response(row, found)
        elif kind in (_DATA, _TRAILERS):
            self._take_more(row, found)
        elif kind == FrameType.REFUSED:
            self._end(exchange, f"refused: {_name(RefusedReason, decode_refused(found.payload(row)).reason)}")
        elif kind == FrameType.CANCEL:
            self._end(exchange, f"broken off: {_name(CancelReason, decode_cancel(found.payload(row)))}")
        elif kind != FrameType.CREDIT:
            self._take_of_connection(kind, flags, exchange, found.payload(row))

    def _take_response(self, row: FrameRow, found: Scan) -> None:
        exchange, status = row[0], row[_STATUS]
        if status < _FINAL:
            return
        if row[_FLAGS] & END and not self._keeps:  # most answers
            if self._asked.pop(exchange, None) is not None:
                self._answers.append(Answer(exchange, status, "", row[_BODY_BYTES]))
            return
        partial = self._asked.get(exchange)
        if partial is None:
            return
        partial.status = status
        partial.fields = tuple(found.fields(row)) if self._keeps else ()
        self._add(partial, row, found)

    def _take_more(self, row: FrameRow, found: Scan) -> None:
        partial = self._asked.get(row[0])
        if partial is None:
            return
        self._add(partial, row, found)
        if row[_TYPE] == _DATA and row[_BODY_BYTES] and row[0] in self._asked:
            self._output += encode_frame(FrameType.CREDIT, 0, row[0], encode_credit(row[_BODY_BYTES]))

    def _add(self, partial: _Partial, row: FrameRow, found: Scan) -> None:
        """Add a piece of a body, and end the exchange where it is the last."""
        if row[_TYPE] != _TRAILERS:
            partial.body_bytes += row[_BODY_BYTES]
            if self._keeps and partial.body_bytes > KEPT_BYTES_MAX:
                self._output += encode_frame(FrameType.CANCEL, 0, row[0], encode_cancel(CancelReason.PAYLOAD_TOO_LARGE))
                self._end(row[0], f"the answer has more than {KEPT_BYTES_MAX >> 20} MiB")
                return
            if self._keeps:
                partial.body.append(found.body(row))
        if row[_FLAGS] & END:
            self._end(row[0], "")

    def _end(self, exchange: int, why: str) -> None:
        partial = self._asked.pop(exchange, None)
        if partial is not None:
            body = b"".join(partial.body)
            self._answers.append(Answer(exchange, partial.status, why, partial.body_bytes, partial.fields, body))

    def _take_of_connection(self, kind: int, flags: int, exchange: int, payload: bytes) -> None:
        try:
            event = self._session.receive(kind, flags, exchange, payload)
        except ProtocolError as error:
            self._fail(error)
        if isinstance(event, HelloReceived):
            self._welcome(event)
        elif isinstance(event, GoawayReceived):
            self.is_leaving = True
        elif isinstance(event, FaultReceived):
            code = _name(FaultCode, event.code)
            raise PeerError(
                f"the service ended the conversation ({code}): {event.text.encode('unicode_escape').decode()}"
            )
        elif isinstance(event, CallReceived):  # nobody here passes it on
            refused = encode_refused(RefusedReason.UNKNOWN_ENDPOINT)
            self._output += encode_frame(FrameType.REFUSED, 0, event.exchange, refused)

    def _welcome(self, event: HelloReceived) -> None:
        hello = event.hello
        welcome = Welcome(
            protocol=PROTOCOL_VERSION,
            features=(STREAMS,),
            gateway=self._name,
            heartbeat_ms=HEARTBEAT_MS,
            credit_bytes=CREDIT_BYTES,
            wants_endpoints=hello.endpoints is None,
        )
        self._output += encode_frame(FrameType.WELCOME, 0, 0, self._session.welcome(welcome))
        self.endpoints = hello.listed

    def _fail(self, error: ProtocolError) -> NoReturn:
        """Say FAULT, which the caller sends on, and give up."""
        if self._session.state is not State.CLOSED:
            self._output += encode_frame(FrameType.FAULT, 0, 0, self._session.fault(error.fault_code, str(error)))
        raise PeerError(f"it does not speak the protocol: {error}") from None


def _name(kinds: type[IntEnum], number: int) -> str:
    """Return what a reason or a code is called; the number where this version does not know it."""
    return kinds(number).name.lower() if number in kinds._value2member_map_ else str(number)
