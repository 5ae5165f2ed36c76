"""The blocking client of frames, held against a gateway of this test that says what each test wants said."""

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from loadtests.client.asked import WrongAnswerError
from loadtests.client.frames import SERVICE, FrameClient
from loadtests.order import Address

from frames.codec import (
    FrameView,
    Scan,
    encode_fault,
    encode_frame,
    encode_goaway,
    encode_refused,
    encode_response,
    scan,
)
from frames.frame import END, FaultCode, FieldId, FrameType, GoawayReason, Method, RefusedReason
from frames.greeting import CALLS, PROTOCOL_VERSION, Hello, Welcome, decode_hello, encode_welcome

Answers = Callable[[FrameView, Scan], bytes]


class Gateway:
    """Takes one connection after the other; welcomes each, and answers its calls as it is told."""

    def __init__(self, features: tuple[str, ...] = (CALLS,)) -> None:
        self.features = features
        self.hellos: list[Hello] = []
        self.calls: list[tuple[str, dict[int, bytes], bytes]] = []
        self.connection: socket.socket | None = None
        self.answers: Answers = lambda row, _: response(row, 200, b'{"number": "7"}')
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> Address:
        return Address(*self._listening.getsockname())

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connection = connection
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        held = b""
        while data := connection.recv(65_536):
            found = scan(held + data)
            for row in found.frames:
                if said := self._answer(row, found):
                    connection.sendall(said)
                if said.startswith(b"\x00" * 4 + b"!"):
                    return
            held = (held + data)[found.consumed :]

    def _answer(self, row: FrameView, found: Scan) -> bytes:
        if row.type == FrameType.HELLO:
            self.hellos.append(decode_hello(found.payload(row)))
            return frame(FrameType.WELCOME, encode_welcome(welcome(self.features)))
        if row.type == FrameType.REQUEST:
            fields = {field: value for field, _, value in found.fields(row)}
            self.calls.append((found.target(row).decode(), fields, found.body(row)))
            return self.answers(row, found)
        return b""


def welcome(features: tuple[str, ...]) -> Welcome:
    return Welcome(protocol=PROTOCOL_VERSION, features=features, gateway="g", heartbeat_ms=5_000, credit_bytes=0)


def frame(kind: FrameType, payload: bytes, exchange: int = 0, flags: int = 0) -> bytes:
    return encode_frame(kind, flags, exchange, payload)


def response(row: FrameView, status: int, body: bytes, kind: bytes = b"application/json") -> bytes:
    return frame(FrameType.RESPONSE, encode_response(status, [(0, b"content-type", kind)], body), row.exchange, END)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.close()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[FrameClient]:
    made = FrameClient(gateway.address)
    yield made
    made.close()


def ask(client: FrameClient) -> object:
    return client.ask("steady", Method.GET, "/items/7", "id-1", tenant="acme")


def test_it_registers_as_a_service_that_offers_nothing(gateway: Gateway, client: FrameClient) -> None:
    (hello,) = gateway.hellos
    assert (hello.service, hello.endpoints) == (SERVICE, ())
    assert client.may_ask


def test_a_call_carries_what_it_is_for_and_brings_the_answer(gateway: Gateway, client: FrameClient) -> None:
    reply = client.ask("steady", Method.POST, "/items", "id-1", body=b"{}", tenant="acme")
    assert (reply.status, reply.reason, reply.body) == (200, "", b'{"number": "7"}')
    assert gateway.calls == [
        ("/items", {FieldId.TENANT: b"acme", FieldId.CORRELATION_ID: b"id-1", FieldId.SERVICE: b"steady"}, b"{}")
    ]
    ask(client)
    assert len(gateway.hellos) == 1


def test_the_gateways_own_answers_say_their_reason(gateway: Gateway, client: FrameClient) -> None:
    body = json.dumps({"type": "urn:penstock:reason:no_instance", "status": 503}).encode()
    gateway.answers = lambda row, _: response(row, 503, body, b"application/problem+json")
    reply = client.ask("steady", Method.GET, "/items/7", "id-1")
    assert (reply.status, reply.reason) == (503, "no_instance")


def test_answers_to_others_and_interim_ones_are_passed_over(gateway: Gateway, client: FrameClient) -> None:
    gateway.answers = lambda row, _: (
        frame(FrameType.RESPONSE, encode_response(102), row.exchange)
        + frame(FrameType.RESPONSE, encode_response(500), row.exchange + 1, END)
        + response(row, 201, b"")
    )
    assert client.ask("steady", Method.GET, "/items/7", "id-1").status == 201


def refuse(row: FrameView, _: Scan) -> bytes:
    return frame(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED), row.exchange)


def fault(_row: FrameView, _: Scan) -> bytes:
    return frame(FrameType.FAULT, encode_fault(FaultCode.INTERNAL, "a bug"))


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (refuse, "refused: overloaded"),
        (fault, "the gateway ended the conversation: a bug"),
        (lambda _row, _: b"\x00" * 4 + b"!" * 12, "a frame that cannot be read: "),
    ],
)
def test_what_is_no_answer_is_said_and_ends_the_connection(
    gateway: Gateway, client: FrameClient, answers: Answers, said: str
) -> None:
    gateway.answers = answers
    with pytest.raises(WrongAnswerError, match=f"^{said}"):
        ask(client)
    assert not client.may_ask


def test_after_goaway_nothing_more_is_asked(gateway: Gateway, client: FrameClient) -> None:
    away = frame(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1_000))
    gateway.answers = lambda row, _: away + response(row, 200, b"")
    ask(client)
    assert not client.may_ask


def heard(client: FrameClient) -> None:
    """Wait until the client has something to read."""
    assert select.select([client._socket], [], [], 5)[0]


def test_goaway_that_came_since_the_last_call_is_noticed_before_the_next(gateway: Gateway, client: FrameClient) -> None:
    ask(client)
    assert gateway.connection is not None
    gateway.connection.sendall(frame(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1_000)))
    heard(client)
    assert not client.may_ask


@pytest.mark.parametrize("last", [b"", b"\x00" * 4 + b"!" * 12])
def test_an_end_that_came_since_the_last_call_is_noticed_before_the_next(
    gateway: Gateway, client: FrameClient, last: bytes
) -> None:
    ask(client)
    assert gateway.connection is not None
    gateway.connection.sendall(last)
    gateway.connection.shutdown(socket.SHUT_WR)
    heard(client)
    assert not client.may_ask


def test_too_late_is_a_timeout(gateway: Gateway, client: FrameClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.client.frames.LATE_S", 0.0)
    gateway.answers = lambda _row, _: b""
    with pytest.raises(WrongAnswerError, match=r"^timeout$"):
        client.ask("steady", Method.GET, "/items/7", "id-1", deadline_ms=1)


def test_a_gateway_that_takes_no_calls_is_told_of() -> None:
    gateway = Gateway(features=())
    try:
        with pytest.raises(WrongAnswerError, match=r"^the gateway takes no calls of services$"):
            FrameClient(gateway.address)
    finally:
        gateway.close()
