"""Pick as a stage: one of the exchange's offers, by the wire's figures of now."""

from array import array

from request_fields import NoFields

from frames.frame import Method
from proxy.errors import NO_INSTANCE
from proxy.exchange import Exchange
from proxy.offer import Offer
from proxy.route.table import RouteTable
from proxy.snapshot import Limits, Snapshot
from proxy.stage import Answer
from proxy.targets.choose import make_pick
from proxy.targets.instance import Instance

SNAPSHOT = Snapshot(RouteTable(), Limits())


def offer(slot: int) -> Offer:
    return Offer(
        slot=slot,
        connection=slot,
        endpoint_id=1,
        deadline_ms=None,
        idempotent=False,
        streams=False,
        instance=Instance("billing", f"b-{slot}", slot, 0.0),
    )


def begun(*offers: Offer) -> Exchange:
    exchange = Exchange(NoFields(), SNAPSHOT)
    exchange.begin(1, Method.GET, 0, b"/", SNAPSHOT)
    exchange.offers = offers
    return exchange


def test_no_offer() -> None:
    answer = make_pick([], [])(begun())
    assert isinstance(answer, Answer)
    assert answer.reason is NO_INSTANCE


def test_the_only_offer() -> None:
    exchange = begun(one := offer(3))
    assert make_pick([0] * 4, [0.0] * 4)(exchange) is None
    assert exchange.offer is one


def test_the_less_loaded_of_two_by_the_figures_of_now() -> None:
    in_flight, latency_us = array("I", [0] * 4), array("f", [0.0] * 4)
    stage = make_pick(in_flight, latency_us, rand=lambda: 0.4)
    exchange = begun(one := offer(1), two := offer(2))
    in_flight[1] = 5
    assert stage(exchange) is None
    assert exchange.offer is two
    in_flight[1], in_flight[2] = 0, 5
    assert stage(exchange) is None
    assert exchange.offer is one


def test_chance_decides_between_equals() -> None:
    stage = make_pick(array("I", [0] * 4), array("f", [0.0] * 4))
    exchange = begun(offer(1), offer(2))
    chosen = set()
    for _ in range(100):
        stage(exchange)
        chosen.add(exchange.offer.slot)
    assert chosen == {1, 2}
