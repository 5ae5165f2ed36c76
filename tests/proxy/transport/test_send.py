"""Send: what the wire is asked, and what becomes of its refusals."""

from typing import Any

import pytest
from msgspec.structs import replace
from request_fields import NoFields

from frames.frame import Method
from frames.wire_values import NO_IDENTITY, SendHow, WireResult, make_identity
from proxy.errors import DEADLINE, INTERNAL, NO_INSTANCE, SERVICE_CONGESTED, Reason
from proxy.request.caller import Caller
from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import Answer
from proxy.route.table import Route, RouteTable
from proxy.targets.instance import Instance
from proxy.transport.send import make_send

SNAPSHOT = Snapshot(RouteTable(), Limits())


class FakePort:
    def __init__(self, result: int) -> None:
        self.result = result
        self.sent: list[tuple[int, ...]] = []
        self.identities: list[Any] = []

    def send(
        self,
        exchange: int,
        connection: int,
        route: int,
        endpoint: int,
        gauge: int,
        how: int,
        deadline_ms: int,
        attempt_ms: int,
        identity: Any,
        /,
    ) -> int:
        self.sent.append((exchange, connection, route, endpoint, gauge, how, deadline_ms, attempt_ms))
        self.identities.append(identity)
        return self.result


def decided() -> Exchange:
    exchange = Exchange(NoFields(), SNAPSHOT)
    exchange.begin(11, Method.GET, 0, b"/", SNAPSHOT)
    exchange.offers = ()
    exchange.route = Route(12, Method.GET, "/", (), how=SendHow.KEEP, attempt_ms=16)
    exchange.deadline_ms = 13
    exchange.caller = None
    exchange.offer = Offer(
        slot=1,
        connection=14,
        endpoint_id=15,
        deadline_ms=None,
        idempotent=False,
        streams=False,
        instance=Instance("billing", "b-1", 14, 0.0),
        gauge=17,
    )
    return exchange


def test_what_was_decided_is_what_is_sent() -> None:
    port = FakePort(WireResult.OK)
    assert make_send(port)(decided()) is None
    assert port.sent == [(11, 14, 12, 15, 17, SendHow.KEEP, 13, 16)]
    assert port.identities == [NO_IDENTITY]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (WireResult.FULL, SERVICE_CONGESTED),
        (WireResult.NO_CONNECTION, NO_INSTANCE),
        (WireResult.LATE, DEADLINE),
        (WireResult.NO_ROOM, INTERNAL),
        (WireResult.INVALID, INTERNAL),
        (WireResult.SYSTEM, INTERNAL),
    ],
)
def test_what_the_wire_refuses_is_answered(result: WireResult, reason: Reason) -> None:
    answer = make_send(FakePort(result))(decided())
    assert isinstance(answer, Answer)
    assert answer.reason is reason


def test_where_one_cannot_take_it_another_is_sent_to() -> None:
    class Picky(FakePort):
        def send(self, exchange: int, connection: int, *rest: Any) -> int:
            super().send(exchange, connection, *rest)
            return WireResult.OK if connection == 22 else WireResult.FULL

    port, exchange = Picky(0), decided()
    others = [replace(exchange.offer, connection=connection, gauge=0) for connection in (21, 22, 23)]
    exchange.offers = (exchange.offer, *others)
    assert make_send(port)(exchange) is None
    assert [sent[1] for sent in port.sent] == [14, 21, 22]
    assert exchange.offer is others[1]
    exchange = decided()
    exchange.offers = (exchange.offer, others[0])
    answer = make_send(port)(exchange)
    assert isinstance(answer, Answer)
    assert answer.reason is SERVICE_CONGESTED


def test_whose_client_is_gone_is_not_answered() -> None:
    assert make_send(FakePort(WireResult.NO_EXCHANGE))(decided()) is None


def test_the_identity_goes_with_the_request() -> None:
    port, identity = FakePort(WireResult.OK), make_identity(b"alice", b"{}", drops_credentials=True)
    exchange = decided()
    exchange.caller = Caller(wire=identity)
    assert make_send(port)(exchange) is None
    assert port.identities == [identity]
