"""The gateway's own requests, over a real wire and by the clock of a test."""

from collections.abc import Iterator
from socket import socket, socketpair
from typing import NamedTuple

import pytest
import trio
from trio.testing import MockClock

from frames.codec import encode_frame, scan
from frames.fields import encode_response
from frames.fixed import encode_refused
from frames.frame import END, CancelReason, FieldId, FrameType, Method, RefusedReason
from frames.wire import Wire
from frames.wire_values import SocketKind, WireSettings
from proxy.errors import DEADLINE, EXCHANGES_FULL, NO_INSTANCE, SERVICE_LOST, SERVICE_OVERLOADED
from proxy.policy.limits import BytesInFlight
from proxy.request.gathered import Outcome, Whole
from proxy.request.originated import Originated, Outgoing, Place, Takers
from proxy.request.stage import Answer


class Lab(NamedTuple):
    """An engine over a wire with one service, driven by hand."""

    wire: Wire
    service: socket
    connection: int
    takers: Takers
    budget: BytesInFlight
    originated: Originated
    outcomes: list[Outcome]

    def send(self, deadline_ms: int = 1_000, *, may_stream: bool = True) -> int:
        sent = self.maybe_send(deadline_ms, may_stream=may_stream)
        assert isinstance(sent, int)
        return sent

    def maybe_send(self, deadline_ms: int = 1_000, *, may_stream: bool = True) -> int | Answer:
        outgoing = Outgoing(
            method=Method.GET, target=b"/a", deadline_ms=deadline_ms, context=((FieldId.TENANT, b"acme"),)
        )
        place = Place(self.connection, 7, 0, may_stream=may_stream)
        return self.originated.send(place, outgoing, self.outcomes.append)

    def step(self) -> None:
        """Take in what the service has sent, as the batch does."""
        for event in self.wire.step(10_000):
            take = self.takers.get(event[0])
            if take is not None:
                take(event)
        self.wire.flush()

    def received(self) -> list[tuple[int, int]]:
        """Type and exchange of what the service has received."""
        self.wire.flush()
        return [(frame.type, frame.exchange) for frame in scan(self.service.recv(1 << 20)).frames]


@pytest.fixture
def lab() -> Iterator[Lab]:
    near, far = socketpair()
    wire = Wire(WireSettings(edge_connections_max=2, framed_connections_max=2, exchanges_max=8, routes_max=1))
    takers: Takers = {}
    budget = BytesInFlight(1 << 20)
    originated = Originated(wire, takers, budget, window_bytes=65_536, count_max=3)
    yield Lab(wire, far, wire.adopt(near, SocketKind.FRAMED), takers, budget, originated, [])
    wire.close_all()
    far.close()


def whole(lab: Lab) -> Whole:
    (outcome,) = lab.outcomes
    assert isinstance(outcome, Whole)
    return outcome


def refused(lab: Lab) -> Answer:
    (outcome,) = lab.outcomes
    assert isinstance(outcome, Answer)
    return outcome


def nothing_is_left(lab: Lab) -> None:
    assert (len(lab.originated), lab.takers, lab.budget.held) == (0, {}, 0)
    assert lab.wire.counters()["exchanges_now"] == 0
    assert sum(lab.wire.in_flight) == 0


async def test_a_request_and_its_answer(lab: Lab) -> None:
    exchange = lab.send()
    lab.wire.flush()
    found = scan(lab.service.recv(1 << 16))
    (frame,) = found.frames
    assert (frame.type, frame.exchange, frame.endpoint, frame.remaining_ms, frame.flags) == (6, exchange, 7, 1_000, END)
    assert (FieldId.TENANT, b"", b"acme") in found.fields(frame)
    lab.service.send(encode_frame(FrameType.RESPONSE, END, exchange, encode_response(200, body=b"seven")))
    lab.step()
    assert whole(lab).body == b"seven"
    nothing_is_left(lab)


async def test_data_is_granted_again(lab: Lab) -> None:
    exchange = lab.send()
    lab.received()
    lab.service.send(encode_frame(FrameType.RESPONSE, 0, exchange, encode_response(200)))
    lab.service.send(encode_frame(FrameType.DATA, 0, exchange, bytes(40_000)))
    lab.step()
    assert lab.received() == [(FrameType.CREDIT, exchange)]
    assert lab.budget.held > 40_000
    lab.service.send(encode_frame(FrameType.DATA, END, exchange, bytes(10)))
    lab.step()
    assert len(whole(lab).body) == 40_010
    nothing_is_left(lab)


async def test_on_a_connection_that_we_dialled_the_ids_have_bit_63() -> None:
    near, far = socketpair()
    wire = Wire(WireSettings(edge_connections_max=2, framed_connections_max=2, exchanges_max=8, routes_max=1))
    takers: Takers = {}
    bit = 1 << 63
    own = Originated(wire, takers, BytesInFlight(1 << 20), window_bytes=9, count_max=3, frame_bits=lambda _: bit)
    lab = Lab(wire, far, wire.adopt(near, SocketKind.FRAMED, dialled=True), takers, BytesInFlight(9), own, [])
    exchange = lab.send()
    assert lab.received() == [(FrameType.REQUEST, exchange | bit)]
    far.send(encode_frame(FrameType.RESPONSE, 0, exchange | bit, encode_response(200)))
    far.send(encode_frame(FrameType.DATA, 0, exchange | bit, bytes(9)))
    lab.step()
    assert lab.received() == [(FrameType.CREDIT, exchange | bit)]
    own.give_up(exchange, CancelReason.SHUTDOWN)
    assert lab.received() == [(FrameType.CANCEL, exchange | bit)]
    wire.close_all()
    far.close()


async def test_refused_and_lost(lab: Lab) -> None:
    exchange = lab.send()
    lab.wire.flush()
    payload = encode_refused(RefusedReason.OVERLOADED, 1_001)
    lab.service.send(encode_frame(FrameType.REFUSED, 0, exchange, payload))
    lab.step()
    assert refused(lab) == Answer(SERVICE_OVERLOADED, retry_after_s=2)
    lab.outcomes.clear()
    lab.send()
    lab.wire.flush()
    lab.service.close()
    lab.step()
    lab.step()
    assert refused(lab) == Answer(SERVICE_LOST)
    nothing_is_left(lab)
    assert lab.maybe_send() == Answer(NO_INSTANCE)
    nothing_is_left(lab)


async def test_who_gives_up_is_told_nothing_more(lab: Lab) -> None:
    exchange = lab.send()
    lab.received()
    lab.originated.give_up(exchange, CancelReason.CLIENT_GONE)
    lab.originated.give_up(exchange, CancelReason.CLIENT_GONE)
    assert lab.received() == [(FrameType.CANCEL, exchange)]
    lab.service.send(encode_frame(FrameType.RESPONSE, END, exchange, encode_response(200)))
    lab.step()
    assert lab.outcomes == []
    nothing_is_left(lab)


async def test_no_more_than_its_part_of_the_exchanges(lab: Lab) -> None:
    for _ in range(3):
        lab.send()
    assert lab.maybe_send() == Answer(EXCHANGES_FULL)
    assert len(lab.originated) == 3


async def test_each_ends_at_its_own_deadline(lab: Lab, autojump_clock: MockClock) -> None:
    ended: list[tuple[float, str]] = []
    start = trio.current_time()

    def send(name: str, deadline_ms: int) -> int:
        outgoing = Outgoing(method=Method.GET, target=b"/a", deadline_ms=deadline_ms)

        def done(outcome: Outcome) -> None:
            assert outcome == Answer(DEADLINE)
            ended.append((round(trio.current_time() - start, 3), name))

        sent = lab.originated.send(Place(lab.connection, 7, 0), outgoing, done)
        assert isinstance(sent, int)
        return sent

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lab.originated.run)
        late = send("late", 9_000)
        await trio.sleep(1)
        early = send("early", 500)
        gone = send("gone", 700)
        lab.originated.give_up(gone, CancelReason.CLIENT_GONE)
        await trio.sleep(20)
        assert ended == [(1.5, "early"), (9.0, "late")]
        nursery.cancel_scope.cancel()
    lab.wire.flush()
    frames = [frame for frame in scan(lab.service.recv(1 << 16)).frames if frame.type == FrameType.CANCEL]
    assert [frame.exchange for frame in frames] == [gone, early, late]
    nothing_is_left(lab)


async def test_deadlines_of_what_is_over_are_forgotten(lab: Lab) -> None:
    for _ in range(1_000):
        exchange = lab.send(100_000)
        lab.originated.give_up(exchange, CancelReason.CLIENT_GONE)
        lab.received()
    assert len(lab.originated._deadlines) < 100
