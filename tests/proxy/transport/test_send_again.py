"""Sending what was kept for the first time: what the wire is told, and what becomes of what it says."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from frames.wire_values import SendHow, WireResult
from proxy.errors import INTERNAL, NO_INSTANCE, SERVICE_CONGESTED, Reason
from proxy.request.exchange import Exchange
from proxy.transport.send_again import make_send_again


class FakeWire:
    """Notes down what it is asked."""

    def __init__(self, result: int = WireResult.OK) -> None:
        self.result = result
        self.calls: list[tuple[Any, ...]] = []

    def again(self, *arguments: Any) -> int:
        self.calls.append(arguments)
        return self.result


def exchange(*, streams: bool = False) -> Exchange:
    route = SimpleNamespace(index=3, how=SendHow.KEEP, attempt_ms=70, offers=())
    offer = SimpleNamespace(connection=5, endpoint_id=6, gauge=8, streams=streams)
    return cast(Exchange, SimpleNamespace(id=7, offer=offer, route=route, offers=route.offers))


def test_it_goes_where_the_stages_have_said_as_the_first_attempt() -> None:
    wire = FakeWire()
    assert make_send_again(wire)(exchange()) is None
    assert make_send_again(wire)(exchange(streams=True)) is None
    assert wire.calls == [
        (7, 5, 3, 6, 8, SendHow.KEEP, 1, 70),
        (7, 5, 3, 6, 8, SendHow.KEEP | SendHow.MAY_STREAM, 1, 70),
    ]


def test_whoever_watches_for_its_end_is_told_although_its_route_is_of_another_configuration() -> None:
    wire = FakeWire()
    make_send_again(wire, watched={7: "somebody"})(exchange())
    make_send_again(wire, watched={8: "somebody"})(exchange())
    assert [call[5] for call in wire.calls] == [SendHow.KEEP | SendHow.TELL, SendHow.KEEP]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (WireResult.FULL, SERVICE_CONGESTED),
        (WireResult.NO_CONNECTION, NO_INSTANCE),
        (WireResult.INVALID, INTERNAL),
    ],
)
def test_what_cannot_be_sent_has_a_reason(result: WireResult, reason: Reason) -> None:
    answer = make_send_again(FakeWire(result))(exchange())
    assert answer is not None
    assert answer.reason is reason


def test_a_client_that_is_gone_is_told_nothing() -> None:
    assert make_send_again(FakeWire(WireResult.NO_EXCHANGE))(exchange()) is None
