"""A service as who speaks frames with it sees it. No socket is between the two sides."""

import pytest
from peer_support import ASKED, HELLO, Service

from frames.codec import encode_cancel, encode_frame, encode_refused, encode_request, encode_response, scan
from frames.frame import (
    DIALLED,
    END,
    CancelReason,
    FaultCode,
    FieldId,
    FrameType,
    GoawayReason,
    Method,
    RefusedReason,
)
from frames.greeting import Hello, Welcome, decode_welcome
from frames.session import Role, Session
from proxy.loading.peer import Answer, PeerError, ServicePeer


def welcomed(*, keeps_answers: bool = False) -> Service:
    service = Service(ServicePeer(dialled=True, keeps_answers=keeps_answers))
    assert service.sent() == [(FrameType.WELCOME, 0)]
    return service


def test_hello_is_welcomed_and_says_what_there_is() -> None:
    peer = ServicePeer(dialled=True, name="bench")
    assert not peer.is_open
    Service(peer)
    (frame,) = scan(output := peer.take_output()).frames
    welcome = decode_welcome(output[frame.payload : frame.payload + frame.payload_bytes])
    assert (welcome.gateway, welcome.features, welcome.wants_endpoints) == ("bench", ("streams",), False)
    assert (peer.is_open, peer.who, peer.endpoints) == (True, "billing/b-1 1.4.0", HELLO.endpoints)


def test_a_slim_hello_is_asked_for_its_list() -> None:
    peer = ServicePeer(dialled=True)
    slim = Hello(
        **{name: getattr(HELLO, name) for name in HELLO.__struct_fields__} | {"endpoints": None, "digest": "0" * 64}
    )
    service = Service(peer, slim)
    (frame,) = scan(output := peer.take_output()).frames
    assert decode_welcome(output[frame.payload :]).wants_endpoints
    assert peer.endpoints == ()
    service.session.receive(FrameType.WELCOME, 0, 0, output[frame.payload :])
    service.send(FrameType.HELLO, service.session.hello(HELLO))
    assert peer.endpoints == HELLO.endpoints


@pytest.mark.parametrize(("dialled", "bit"), [(True, DIALLED), (False, 0)])
def test_exchange_ids_have_the_bit_of_who_dialled(dialled: bool, bit: int) -> None:
    peer = ServicePeer(dialled=dialled)
    Service(peer)
    assert [peer.begin(ASKED), peer.begin(ASKED)] == [bit + 1, bit + 2]


def test_answers_end_exchanges_in_any_order() -> None:
    service = welcomed()
    first, second = service.peer.begin(ASKED), service.peer.begin(ASKED)
    assert service.sent() == [(FrameType.REQUEST, first), (FrameType.REQUEST, second)]
    service.send(FrameType.RESPONSE, encode_response(404, body=b"none"), END, second)
    service.send(FrameType.RESPONSE, encode_response(200), END, first)
    assert service.answers == [Answer(second, 404, "", 4), Answer(first, 200, "", 0)]
    assert service.peer.in_flight == 0


def test_bytes_may_come_one_by_one() -> None:
    service = welcomed()
    exchange = service.peer.begin(ASKED)
    answers: list[Answer] = []
    for byte in encode_frame(FrameType.RESPONSE, END, exchange, encode_response(200, body=b"abc")):
        answers += service.peer.receive(bytes([byte]))
    assert answers == [Answer(exchange, 200, "", 3)]


def test_a_streamed_answer_is_gathered_and_credit_given() -> None:
    service = welcomed(keeps_answers=True)
    exchange = service.peer.begin(ASKED)
    service.sent()
    named = [(FieldId.NAMED, b"content-type", b"text/plain")]
    service.send(FrameType.RESPONSE, encode_response(103), 0, exchange)
    service.send(FrameType.RESPONSE, encode_response(200, named, b"ab"), 0, exchange)
    service.send(FrameType.DATA, b"cd", 0, exchange)
    assert service.sent() == [(FrameType.CREDIT, exchange)]
    service.send(FrameType.DATA, b"", END, exchange)
    assert service.answers == [Answer(exchange, 200, "", 4, tuple(named), b"abcd")]
    assert service.sent() == []


@pytest.mark.parametrize(
    ("kind", "payload", "why"),
    [
        (FrameType.REFUSED, encode_refused(RefusedReason.DRAINING), "refused: draining"),
        (FrameType.REFUSED, encode_refused(77), "refused: 77"),
        (FrameType.CANCEL, encode_cancel(CancelReason.ABORTED), "broken off: aborted"),
    ],
)
def test_why_there_is_no_answer(kind: FrameType, payload: bytes, why: str) -> None:
    service = welcomed()
    exchange = service.peer.begin(ASKED)
    service.send(kind, payload, 0, exchange)
    assert service.answers == [Answer(exchange, 0, why)]


def test_an_answer_to_what_was_given_up_is_dropped() -> None:
    service = welcomed()
    exchange = service.peer.begin(ASKED)
    service.peer.cancel(exchange, CancelReason.DEADLINE)
    service.peer.cancel(exchange, CancelReason.DEADLINE)
    assert service.sent() == [(FrameType.REQUEST, exchange), (FrameType.CANCEL, exchange)]
    service.send(FrameType.RESPONSE, encode_response(200), 0, exchange)
    service.send(FrameType.DATA, b"x", END, exchange)
    service.send(FrameType.RESPONSE, encode_response(200), END, exchange)
    assert service.answers == []


def test_what_the_service_asks_is_refused() -> None:
    service = welcomed()
    service.send(FrameType.REQUEST, encode_request(100, 0, Method.GET, b"/x"), END, 5)
    assert service.sent() == [(FrameType.REFUSED, 5)]


def test_a_service_that_leaves_is_asked_nothing_more() -> None:
    service = welcomed()
    service.session.receive(FrameType.WELCOME, 0, 0, _welcome())
    service.send(FrameType.GOAWAY, service.session.goaway(GoawayReason.SHUTDOWN, 100))
    assert (service.peer.is_leaving, service.peer.is_open) == (True, False)


def _welcome() -> bytes:
    session = Session(Role.GATEWAY, dialled=True)
    session.maybe_hello = HELLO
    return session.welcome(Welcome(protocol=1, features=(), gateway="g", heartbeat_ms=5_000, credit_bytes=0))


def test_it_says_that_it_is_there_and_that_it_goes() -> None:
    service = welcomed()
    service.peer.heartbeat()
    service.peer.leave()
    assert service.sent() == [(FrameType.HEARTBEAT, 0), (FrameType.GOAWAY, 0)]
    service.peer.leave()
    assert service.sent() == []


def test_a_fault_is_told() -> None:
    service = welcomed()
    with pytest.raises(PeerError, match=r"ended the conversation \(internal\): too \\x1b bad"):
        service.send(FrameType.FAULT, service.session.fault(FaultCode.INTERNAL, "too \x1b bad"))


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4, b"\x00" * 64, b"SSH-2.0-OpenSSH_9.2\r\n" * 2]
)
def test_what_is_no_frame_ends_it(data: bytes) -> None:
    peer = ServicePeer(dialled=True)
    with pytest.raises(PeerError, match="it does not speak the protocol"):
        peer.receive(data)
    assert [frame.type for frame in scan(peer.take_output()).frames] == [FrameType.FAULT]


def test_a_frame_before_hello_ends_it() -> None:
    peer = ServicePeer(dialled=True)
    with pytest.raises(PeerError, match="HEARTBEAT before HELLO"):
        peer.receive(encode_frame(FrameType.HEARTBEAT, 0, 0, bytes(8)))
