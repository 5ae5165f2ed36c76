"""A connection's life: what may come and what may go in each state, and what is said of it."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from frames.errors import GreetingError, ProtocolError, SessionUseError
from frames.events import (
    CallReceived,
    ExchangeFrameReceived,
    FaultReceived,
    GoawayReceived,
    HeartbeatReceived,
    HelloReceived,
    WelcomeReceived,
)
from frames.fixed import encode_cancel, encode_credit, encode_fault, encode_goaway, encode_heartbeat, encode_refused
from frames.frame import (
    DIALLED,
    END,
    CancelReason,
    FaultCode,
    FrameType,
    GoawayReason,
    HealthStatus,
    RefusedReason,
)
from frames.greeting import EndpointOffer, Hello, Welcome, encode_hello, encode_welcome
from frames.session import RECEIVE, SEND, Role, Session, State, Verdict, session_table_markdown

PROOF = "correct-horse-battery-staple"
HELLO = Hello(
    protocol=1,
    features=("streams", "other"),
    token=PROOF,
    service="billing",
    version="1.4.0",
    instance="b1",
    heartbeat_ms=5000,
    credit_bytes=0,
    endpoints=(EndpointOffer(id=1, method="GET", path="/invoices"),),
)
WELCOME = Welcome(protocol=1, features=("streams",), gateway="gw-1", heartbeat_ms=5000, credit_bytes=0)

PAYLOADS: dict[FrameType, bytes] = {
    FrameType.HELLO: encode_hello(HELLO),
    FrameType.WELCOME: encode_welcome(WELCOME),
    FrameType.HEARTBEAT: encode_heartbeat(HealthStatus.HEALTHY, 10, 2),
    FrameType.GOAWAY: encode_goaway(GoawayReason.SHUTDOWN, 30_000),
    FrameType.FAULT: encode_fault(FaultCode.INTERNAL, "sorry"),
    FrameType.REQUEST: b"request",
    FrameType.RESPONSE: b"response",
    FrameType.DATA: b"data",
    FrameType.TRAILERS: b"trailers",
    FrameType.CREDIT: encode_credit(5),
    FrameType.CANCEL: encode_cancel(CancelReason.DEADLINE),
    FrameType.REFUSED: encode_refused(RefusedReason.OVERLOADED, 5),
}
EVERY = [(role, state) for role in Role for state in State]


def session_in(role: Role, state: State) -> Session:
    """A session that came to this state as a real one does."""
    session = Session(role)
    if role is Role.SERVICE:
        session.hello(HELLO)
    if state in {State.OPEN, State.DRAINING}:
        if role is Role.GATEWAY:
            come(session, FrameType.HELLO)
            session.welcome(WELCOME)
        else:
            come(session, FrameType.WELCOME)
    if state is State.DRAINING:
        session.goaway(GoawayReason.SHUTDOWN, 30_000)
    if state is State.CLOSED:
        session.fault(FaultCode.INTERNAL, "")
    assert session.state is state
    return session


def come(session: Session, frame_type: FrameType, **changed: Any) -> Any:
    """Let a frame of this type come, with the id that the peer would give it."""
    about_exchange = frame_type > FrameType.FAULT
    exchange = (7 | (DIALLED if session.role is Role.GATEWAY else 0)) if about_exchange else 0
    frame: dict[str, Any] = {"flags": 0, "exchange": exchange, "payload": PAYLOADS[frame_type]} | changed
    return session.receive(frame_type, frame["flags"], frame["exchange"], frame["payload"])


# The tables.


def test_each_role_state_and_type_has_exactly_one_verdict() -> None:
    assert set(RECEIVE) == set(EVERY)
    assert set(SEND) == set(EVERY)
    for row in RECEIVE.values():
        assert set(row) == set(FrameType)
        assert all(isinstance(verdict, Verdict) for verdict in row.values())


@pytest.mark.parametrize(("role", "state"), EVERY)
@pytest.mark.parametrize("frame_type", list(FrameType))
def test_what_comes_is_taken_by_the_table(role: Role, state: State, frame_type: FrameType) -> None:
    session = session_in(role, state)
    if RECEIVE[role, state][frame_type] is Verdict.ERROR:
        with pytest.raises(ProtocolError) as caught:
            come(session, frame_type)
        assert caught.value.fault_code is FaultCode.PROTOCOL_ERROR
        assert frame_type.name in caught.value.message
        assert session.state is state
    else:
        event = come(session, frame_type)
        assert getattr(event, "draining", False) is (RECEIVE[role, state][frame_type] is Verdict.REFUSED)


# docs/protocol.md, section 1, said once more: the table of the code is held to it.
@pytest.mark.parametrize(
    ("role", "state", "allowed"),
    [
        (Role.GATEWAY, State.GREETING, {FrameType.HELLO}),
        (Role.GATEWAY, State.OPEN, set(FrameType) - {FrameType.WELCOME}),
        (Role.GATEWAY, State.DRAINING, set(FrameType) - {FrameType.WELCOME}),
        (Role.GATEWAY, State.CLOSED, set()),
        (Role.SERVICE, State.GREETING, {FrameType.WELCOME, FrameType.FAULT}),
        (Role.SERVICE, State.OPEN, set(FrameType) - {FrameType.HELLO}),
        (Role.SERVICE, State.DRAINING, set(FrameType) - {FrameType.HELLO}),
        (Role.SERVICE, State.CLOSED, set()),
    ],
)
def test_the_table_is_that_of_the_law(role: Role, state: State, allowed: set[FrameType]) -> None:
    row = RECEIVE[role, state]
    assert {kind for kind in FrameType if row[kind] is not Verdict.ERROR} == allowed
    refused = {kind for kind in FrameType if row[kind] is Verdict.REFUSED}
    assert refused == ({FrameType.REQUEST} if state is State.DRAINING else set())


def test_the_table_as_markdown_has_a_row_for_each_type_and_a_column_for_each_living_state() -> None:
    head, rule, *rows = session_table_markdown().splitlines()
    assert head.count("|") == rule.count("|") == 8
    assert [row.split("|")[1].strip() for row in rows] == [kind.name for kind in FrameType]
    assert rows[5] == "| REQUEST | protocol error | taken | REFUSED | protocol error | taken | REFUSED |"


@pytest.mark.parametrize(("role", "state"), EVERY)
@pytest.mark.parametrize(
    ("frame_type", "send"),
    [
        (FrameType.HELLO, lambda session: session.hello(HELLO)),
        (FrameType.WELCOME, lambda session: session.welcome(WELCOME)),
        (FrameType.HEARTBEAT, lambda session: session.heartbeat(HealthStatus.HEALTHY, None, 0)),
        (FrameType.GOAWAY, lambda session: session.goaway(GoawayReason.SHUTDOWN, 0)),
        (FrameType.FAULT, lambda session: session.fault(FaultCode.INTERNAL, "")),
    ],
)
def test_what_goes_is_allowed_by_the_table(role: Role, state: State, frame_type: FrameType, send: Any) -> None:
    session = session_in(role, state)
    if role is Role.GATEWAY and state is State.GREETING:
        come(session, FrameType.HELLO)
    after = SEND[role, state].get(frame_type)
    if after is None:
        with pytest.raises(SessionUseError, match=frame_type.name):
            send(session)
        assert session.state is state
    else:
        send(session)
        assert session.state is after


def test_whatever_one_side_may_send_the_other_may_receive() -> None:
    states = {State.OPEN, State.DRAINING}
    for role, other in [(Role.GATEWAY, Role.SERVICE), (Role.SERVICE, Role.GATEWAY)]:
        for mine in states:
            for yours in states:
                assert all(RECEIVE[other, yours][kind] is not Verdict.ERROR for kind in SEND[role, mine])


# A whole life, both ends.


def test_two_sessions_greet_talk_and_part() -> None:
    service, gateway = Session(Role.SERVICE), Session(Role.GATEWAY)
    assert gateway.receive(FrameType.HELLO, 0, 0, service.hello(HELLO)) == HelloReceived(HELLO, again=False)
    assert not service.may_request
    assert service.receive(FrameType.WELCOME, 0, 0, gateway.welcome(WELCOME)) == WelcomeReceived(WELCOME, again=False)
    assert service.may_request
    assert gateway.may_request
    assert service.features == gateway.features == {"streams"}
    beat = service.heartbeat(HealthStatus.DEGRADED, 5000, 3)
    assert gateway.receive(FrameType.HEARTBEAT, 0, 0, beat) == HeartbeatReceived(HealthStatus.DEGRADED, 5000, 3)
    beat = gateway.heartbeat(HealthStatus.HEALTHY, None, 0)
    assert service.receive(FrameType.HEARTBEAT, 0, 0, beat) == HeartbeatReceived(HealthStatus.HEALTHY, None, 0)
    goaway = service.goaway(GoawayReason.SHUTDOWN, 30_000)
    assert gateway.receive(FrameType.GOAWAY, 0, 0, goaway) == GoawayReceived(GoawayReason.SHUTDOWN, 30_000)
    assert not gateway.may_request
    assert repr(gateway) == "<Session gateway open billing/b1 peer draining>"
    assert repr(service) == "<Session service draining billing/b1>"
    fault = gateway.fault(FaultCode.INTERNAL, "ä" * 2000)
    assert service.receive(FrameType.FAULT, 0, 0, fault) == FaultReceived(FaultCode.INTERNAL, "ä" * 512)
    assert service.state is gateway.state is State.CLOSED


def test_the_session_does_not_keep_the_token() -> None:
    session = session_in(Role.GATEWAY, State.OPEN)
    assert session.maybe_hello is not None
    assert session.maybe_hello.token is None


# HELLO and WELCOME.


@pytest.mark.parametrize("state", [State.OPEN, State.DRAINING])
def test_hello_again_for_the_same_instance_replaces(state: State) -> None:
    session = session_in(Role.GATEWAY, state)
    newer = replace(HELLO, version="1.5.0", endpoints=())
    event = come(session, FrameType.HELLO, payload=encode_hello(newer))
    assert event == HelloReceived(newer, again=True)
    assert session.maybe_hello is not None
    assert session.maybe_hello.version == "1.5.0"
    session.welcome(WELCOME)
    assert session.state is state


@pytest.mark.parametrize("other", [replace(HELLO, service="orders"), replace(HELLO, instance="b2")])
@pytest.mark.parametrize("state", [State.GREETING, State.OPEN])
def test_hello_again_for_another_service_or_instance_is_a_protocol_error(state: State, other: Hello) -> None:
    session = session_in(Role.GATEWAY, state)
    if state is State.GREETING:
        come(session, FrameType.HELLO)
    with pytest.raises(ProtocolError, match=f"{other.service}/{other.instance}.*billing/b1") as caught:
        come(session, FrameType.HELLO, payload=encode_hello(other))
    assert caught.value.fault_code is FaultCode.PROTOCOL_ERROR
    assert session.maybe_hello is not None
    assert session.maybe_hello.instance == "b1"


def test_we_do_not_say_hello_for_another_instance_either() -> None:
    session = session_in(Role.SERVICE, State.OPEN)
    session.hello(replace(HELLO, version="2.0.0"))
    with pytest.raises(GreetingError):
        session.hello(replace(HELLO, instance="b2"))


def test_a_bad_hello_is_what_the_greeting_says_of_it() -> None:
    session = Session(Role.GATEWAY)
    with pytest.raises(ProtocolError) as caught:
        come(session, FrameType.HELLO, payload=b"{}")
    assert caught.value.fault_code is FaultCode.INVALID_HELLO
    assert session.fault(caught.value.fault_code, caught.value.message)[:2] == b"\x00\x07"


def test_a_frame_before_the_greeting_says_what_was_awaited() -> None:
    with pytest.raises(ProtocolError, match="REQUEST before HELLO"):
        come(Session(Role.GATEWAY), FrameType.REQUEST)
    with pytest.raises(ProtocolError, match="HEARTBEAT before WELCOME"):
        come(session_in(Role.SERVICE, State.GREETING), FrameType.HEARTBEAT)


def test_welcome_needs_a_hello_on_both_sides() -> None:
    with pytest.raises(SessionUseError):
        Session(Role.GATEWAY).welcome(WELCOME)
    with pytest.raises(ProtocolError, match="before this side has sent HELLO"):
        come(Session(Role.SERVICE), FrameType.WELCOME)


def test_welcome_again_on_an_open_connection_says_so() -> None:
    session = session_in(Role.SERVICE, State.DRAINING)
    assert come(session, FrameType.WELCOME) == WelcomeReceived(WELCOME, again=True)
    assert session.state is State.DRAINING


# Frames of an exchange.


def test_a_call_is_handed_on_as_it_came() -> None:
    session = session_in(Role.GATEWAY, State.OPEN)
    assert come(session, FrameType.REQUEST, flags=END) == CallReceived(7 | DIALLED, END, b"request", draining=False)


@pytest.mark.parametrize(("role", "exchange"), [(Role.GATEWAY, 7), (Role.SERVICE, 7 | DIALLED)])
def test_a_call_with_an_id_that_is_ours_to_give_is_a_protocol_error(role: Role, exchange: int) -> None:
    with pytest.raises(ProtocolError, match="bit 63"):
        come(session_in(role, State.OPEN), FrameType.REQUEST, exchange=exchange)


@pytest.mark.parametrize(
    "kind",
    [FrameType.RESPONSE, FrameType.DATA, FrameType.TRAILERS, FrameType.CREDIT, FrameType.CANCEL, FrameType.REFUSED],
)
def test_other_frames_of_an_exchange_are_handed_on_as_they_came(kind: FrameType) -> None:
    event = come(session_in(Role.SERVICE, State.OPEN), kind, exchange=9)
    assert event == ExchangeFrameReceived(kind, 0, 9, PAYLOADS[kind])


# What no scan has looked at.


@pytest.mark.parametrize("kind", [FrameType.HEARTBEAT, FrameType.GOAWAY, FrameType.FAULT])
@pytest.mark.parametrize("payload", [b"", b"\xff" * 8, b"\x00" * 3])
def test_a_payload_without_the_form_of_its_type_is_a_protocol_error(kind: FrameType, payload: bytes) -> None:
    with pytest.raises(ProtocolError, match=kind.name):
        come(session_in(Role.GATEWAY, State.OPEN), kind, payload=payload)


@pytest.mark.parametrize("frame_type", [0, 13, 255, -1])
def test_an_unknown_type_is_a_protocol_error(frame_type: int) -> None:
    with pytest.raises(ProtocolError, match=f"unknown type {frame_type}"):
        session_in(Role.GATEWAY, State.OPEN).receive(frame_type, 0, 0, b"")


def test_reasons_and_codes_of_a_later_version_are_kept_as_numbers() -> None:
    session = session_in(Role.GATEWAY, State.OPEN)
    assert come(session, FrameType.GOAWAY, payload=b"\xc8\0\0\0\0\0\0\x01") == GoawayReceived(200, 1)
    assert come(session, FrameType.FAULT, payload=b"\x01\x00\0\0\xff") == FaultReceived(256, "�")


@given(
    role=st.sampled_from(Role),
    frames=st.lists(
        st.tuples(
            st.integers(0, 14),
            st.integers(0, 1),
            st.integers(0, (1 << 64) - 1),
            st.sampled_from([*PAYLOADS.values(), b"", b"{}"]) | st.binary(max_size=20),
        ),
        max_size=6,
    ),
)
def test_whatever_comes_is_an_event_or_a_protocol_error(role: Role, frames: list[tuple[int, int, int, bytes]]) -> None:
    for state in State:
        session = session_in(role, state)
        for frame in frames:
            with suppress(ProtocolError):
                assert session.receive(*frame) is not None
