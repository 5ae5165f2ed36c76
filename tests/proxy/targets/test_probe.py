"""The stage that sends probes: one at a time, and what reads first."""

from breaker_support import Town
from msgspec.structs import replace
from route_support import begun, names, offer, route

from frames.frame import Method
from proxy.breaker_state import Probe
from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.targets.probe import Prober


class Street:
    """A town of four, of which the second is half-open, and what would be asked of it."""

    def __init__(self, method: Method = Method.GET, *, idempotent: bool = False) -> None:
        self.town = Town()
        self.town.fail(1, 7)
        self.town.tick(1.25)
        self.method = method
        self.idempotent = idempotent
        self.prober = Prober(self.town.answers, lambda: self.town.now)

    def offers(self) -> tuple[Offer, ...]:
        return tuple(
            replace(
                offer(one.instance),
                instance=one,
                gauge=self.town.gauge(number),
                breaker=self.town.state(number),
                breakers=one.breakers_of(self.town.gauge(number)),
                idempotent=self.idempotent,
            )
            for number, one in enumerate(self.town.instances)
        )

    def ask(self, deadline_ms: int = 10_000) -> Exchange:
        exchange = begun(route(self.offers()))
        exchange.method, exchange.deadline_ms = self.method, deadline_ms
        self.prober.probe(exchange)
        return exchange


def test_the_first_request_is_the_probe_and_the_others_are_not() -> None:
    street = Street()
    first, second = street.ask(), street.ask()
    assert isinstance(first.offers, Probe)
    assert [names(each.offers) for each in (first, second)] == ["b1", "b0 b2 b3"]
    assert street.prober.sent == 1
    street.town.good(1)
    street.town.tick()
    assert street.town.states() == "CRCC"
    assert names(street.ask().offers) == "b0 b1 b2 b3"


def test_the_next_one_goes_when_the_deadline_of_the_last_is_over() -> None:
    street = Street()
    street.ask(deadline_ms=1_000)
    street.town.tick(1.25)
    assert names(street.ask().offers) == "b0 b2 b3"
    street.town.tick(0.25)
    assert names(street.ask().offers) == "b1"


def test_what_changes_something_is_a_probe_only_where_nothing_else_comes() -> None:
    street = Street(Method.POST)
    street.town.tick(1.75)
    assert names(street.ask().offers) == "b0 b2 b3"
    street.town.tick(0.25)
    assert names(street.ask().offers) == "b1"
    assert names(Street(Method.POST, idempotent=True).ask().offers) == "b1"


def test_while_it_is_out_nobody_is_a_probe() -> None:
    street = Street()
    street.ask()
    street.town.fail(1)
    assert street.town.states() == "COCC"
    assert names(street.ask().offers) == "b0 b2 b3"


def test_a_probe_is_late_once_and_not_where_it_was_answered() -> None:
    street = Street()
    street.ask()
    assert street.prober.late(street.town.now + 0.9, lambda sent: 1.0) == []
    (sent,) = street.prober.late(street.town.now + 1.0, lambda sent: 1.0)
    assert (sent.exchange, sent.offer.instance.instance) == (1, "b1")
    assert street.prober.late(street.town.now + 9.0, lambda sent: 1.0) == []
    street = Street()
    street.ask()
    street.town.good(1)
    street.town.tick()
    assert street.prober.late(street.town.now + 9.0, lambda sent: 1.0) == []
