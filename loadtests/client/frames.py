"""A service's side of a framed connection, over a blocking socket: it registers, and calls others through the gateway.

The codec is that of the gateway itself (`frames.codec`), the states are those of `frames.session`, so that nothing here
has an opinion of its own about the protocol. One call is under way at a time; between calls nobody listens, so its
heartbeats are as rare as the protocol allows.
"""

import itertools
import json
import os
import socket
import time
from contextlib import suppress
from typing import Final, NamedTuple

from frames.codec import encode_frame, encode_request, scan
from frames.errors import ProtocolError
from frames.events import CallReceived, FaultReceived, WelcomeReceived
from frames.fixed import decode_refused, encode_refused
from frames.frame import DIALLED, END, FieldId, FrameErrorCode, FrameType, GoawayReason, HealthStatus, Method
from frames.frame import RefusedReason as Refusal
from frames.greeting import CALLS, PROTOCOL_VERSION, STATUS, Hello
from frames.limits import HEARTBEAT_MS_MAX
from frames.session import Role, Session, State
from loadtests.order import Address

from .asked import WrongAnswerError

SERVICE: Final = "loadtests-caller"
"""As which service it registers; the gateway must allow it to call others (services.calls)."""
CONNECT_S: Final = 5.0
LATE_S: Final = 2.0
"""How much longer than its deadline an answer is waited for."""
RECEIVE_BYTES: Final = 262_144
_numbers = itertools.count(1)


class Reply(NamedTuple):
    """An answer to a call."""

    status: int
    reason: str
    """Why the gateway has answered itself; empty where the service did."""
    body: bytes


class FrameClient:
    """One connection to the gateway. Raises OSError and `WrongAnswerError`; after either it is closed."""

    def __init__(self, address: Address) -> None:
        """Connect, say HELLO, and wait for WELCOME."""
        self._session = Session(Role.SERVICE)
        self._next = DIALLED + 1
        self._held = b""
        self._beaten_s = time.monotonic()
        self._reply: Reply | None = None
        self._waits_for = 0
        self._socket = socket.create_connection((address.host, address.port), CONNECT_S)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._greet()
        except BaseException:
            self.close()
            raise

    @property
    def may_ask(self) -> bool:
        """Whether another call may be sent over it. Reads what has come since the last one: GOAWAY, or the end."""
        try:
            self._socket.settimeout(0)
            while self._session.may_request:
                data = self._socket.recv(RECEIVE_BYTES)
                if not data:
                    return False
                self._take(self._held + data)
        except BlockingIOError:
            pass
        except (OSError, WrongAnswerError):
            return False
        return self._session.may_request

    def ask(
        self,
        service: str,
        method: Method,
        target: str,
        correlation_id: str,
        *,
        body: bytes = b"",
        tenant: str = "",
        deadline_ms: int = 10_000,
    ) -> Reply:
        """Call a service, and wait for the answer."""
        try:
            return self._ask(service, method, target, correlation_id, body, tenant, deadline_ms)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Say goodbye where that can still be said, and close."""
        with suppress(OSError):
            if self._session.state is State.OPEN:
                self._send(FrameType.GOAWAY, self._session.goaway(GoawayReason.SHUTDOWN, 0))
        self._session.state = State.CLOSED
        self._socket.close()

    def _greet(self) -> None:
        hello = Hello(
            protocol=PROTOCOL_VERSION,
            features=(CALLS, STATUS),
            service=SERVICE,
            version="1.0.0",
            instance=f"{os.getpid()}-{next(_numbers)}",
            heartbeat_ms=HEARTBEAT_MS_MAX,
            credit_bytes=0,
            endpoints=(),
        )
        self._send(FrameType.HELLO, self._session.hello(hello))
        until = time.monotonic() + CONNECT_S
        while self._session.state is State.GREETING:
            self._receive(until)
        if CALLS not in self._session.features:
            raise WrongAnswerError("the gateway takes no calls of services")

    def _ask(
        self, service: str, method: Method, target: str, correlation_id: str, body: bytes, tenant: str, deadline_ms: int
    ) -> Reply:
        fields = [
            (int(FieldId.CORRELATION_ID), b"", correlation_id.encode()),
            (int(FieldId.SERVICE), b"", service.encode()),
        ]
        if tenant:
            fields.insert(0, (int(FieldId.TENANT), b"", tenant.encode()))
        payload = encode_request(deadline_ms, 0, method, target.encode(), fields, body)
        exchange, self._next = self._next, self._next + 1
        self._reply, self._waits_for = None, exchange
        self._socket.settimeout(CONNECT_S)
        self._socket.sendall(encode_frame(FrameType.REQUEST, END, exchange, payload))
        until = time.monotonic() + deadline_ms / 1000 + LATE_S
        while self._reply is None:
            self._receive(until)
        return self._reply

    def _receive(self, until_s: float) -> None:
        """Wait for bytes, and take what they say. Raises `WrongAnswerError` where it is too late."""
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise WrongAnswerError("timeout")
        self._socket.settimeout(min(left_s, HEARTBEAT_MS_MAX / 2000))
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            self._beat()
            return
        if not data:
            raise WrongAnswerError("the connection ended before the answer")
        self._take(self._held + data)

    def _take(self, data: bytes) -> None:
        while True:
            found = scan(data)
            for row in found.frames:
                if row.type == FrameType.RESPONSE and row.exchange == self._waits_for:
                    fields = {name: value for _, name, value in found.fields(row)}
                    if row.status >= 200:
                        self._reply = _reply(row.status, fields, found.body(row))
                elif row.type == FrameType.REFUSED and row.exchange == self._waits_for:
                    reason = decode_refused(found.payload(row)).reason
                    raise WrongAnswerError(f"refused: {_name_of(reason)}")
                else:
                    self._take_other(row.type, row.flags, row.exchange, found.payload(row))
            data = data[found.consumed :]
            if found.error is not FrameErrorCode.OK:
                raise WrongAnswerError(f"a frame that cannot be read: {found.error.name}")
            if found.needed or not data:
                break
        self._held = data

    def _take_other(self, kind: int, flags: int, exchange: int, payload: bytes) -> None:
        try:
            event = self._session.receive(kind, flags, exchange, payload)
        except ProtocolError as error:
            raise WrongAnswerError(f"it does not speak the protocol: {error}"[:120]) from None
        if isinstance(event, FaultReceived):
            raise WrongAnswerError(f"the gateway ended the conversation: {event.text}"[:120])
        if isinstance(event, WelcomeReceived):
            self._beat()
        if isinstance(event, CallReceived):  # it offers nothing
            self._send(FrameType.REFUSED, encode_refused(Refusal.UNKNOWN_ENDPOINT), exchange)

    def _beat(self) -> None:
        if self._session.state is State.OPEN:
            self._send(FrameType.HEARTBEAT, self._session.heartbeat(HealthStatus.HEALTHY, None, 0))

    def _send(self, kind: FrameType, payload: bytes, exchange: int = 0) -> None:
        self._socket.sendall(encode_frame(kind, 0, exchange, payload))


def _reply(status: int, fields: dict[bytes, bytes], body: bytes) -> Reply:
    """Return the answer; the gateway's own have a body of RFC 9457, whose type ends with the reason."""
    reason = ""
    if status >= 400 and fields.get(b"content-type", b"").startswith(b"application/problem+json"):
        with suppress(ValueError, AttributeError):
            kind = json.loads(body).get("type", "")
            reason = kind.removeprefix("urn:penstock:reason:") if kind.startswith("urn:penstock:reason:") else ""
    return Reply(status, reason, body)


def _name_of(reason: int) -> str:
    return Refusal(reason).name.lower() if reason in Refusal._value2member_map_ else str(reason)
