"""What the events of a batch tell breakers: which number, what kind, and how long it took; and then goes on."""

from types import SimpleNamespace
from typing import Any

import pytest

from frames.wire_values import EXPIRED_EARLY, LOST_UNSENT, Event, EventKind
from proxy.gateway.breaking import Breaking
from proxy.request.outcomes import OutcomeKind

GAUGE, NOW = 17, 5.0
ONE = SimpleNamespace(others=())
SEVERAL = SimpleNamespace(others=(8,))


class Told(Breaking):
    """Keeps what it is told."""

    def __init__(self, instance: Any = ONE, *, is_hedge_due: bool = False) -> None:
        wire: Any = SimpleNamespace(age_ms=lambda exchange: 250)
        registry: Any = SimpleNamespace(maybe_instance=lambda connection: instance, instances=())
        super().__init__(
            wire,
            lambda: registry,
            lambda: None,  # type: ignore[arg-type, return-value]
            lambda: None,  # type: ignore[arg-type, return-value]
            route_of=lambda key: None,
            on_change=lambda change: None,
            is_hedge_due=lambda exchange, connection: is_hedge_due,
            clock=lambda: NOW,
        )
        self.told_of: list[tuple[int, OutcomeKind, int]] = []

    def failed(self, gauge: int, kind: OutcomeKind, latency_us: int, now: float) -> None:
        assert now == NOW
        self.told_of.append((gauge, kind, latency_us))


def event(kind: EventKind, *, detail: int = 0, flags: int = 0, connection: int = 3, a: int = 0, b: int = 0) -> Event:
    return (1, connection, kind, detail, flags, 0, 0, a, b, 0, 0)


def told(what: Event, breaking: Told) -> list[tuple[int, OutcomeKind, int]]:
    handled: list[Event] = []
    handlers = breaking.watching(dict.fromkeys(EventKind, handled.append))
    handlers[what[2]](what)
    assert handled == [what]
    return breaking.told_of


ANSWERED, LOST, EXPIRED = EventKind.ANSWERED, EventKind.LOST, EventKind.EXPIRED


@pytest.mark.parametrize(
    ("status", "gauge", "kind"),
    [
        (500, GAUGE, OutcomeKind.STATUS),
        (429, GAUGE, OutcomeKind.PRESSURE),
        (501, GAUGE, OutcomeKind.OTHER),
        (200, 0, OutcomeKind.OTHER),  # the wire has counted it
        (404, 0, OutcomeKind.OTHER),
    ],
)
def test_an_answer(status: int, gauge: int, kind: OutcomeKind) -> None:
    assert told(event(ANSWERED, detail=status, a=GAUGE, b=90), Told()) == [(gauge, kind, 90)]


@pytest.mark.parametrize(
    ("instance", "flags", "kind"),
    [
        (SEVERAL, 0, OutcomeKind.LOST),
        (SEVERAL, LOST_UNSENT, OutcomeKind.OTHER),
        (ONE, 0, OutcomeKind.OTHER),  # it is forgotten in a moment
        (None, 0, OutcomeKind.OTHER),
    ],
)
def test_a_lost_connection(instance: Any, flags: int, kind: OutcomeKind) -> None:
    assert told(event(LOST, flags=flags, a=GAUGE), Told(instance)) == [(GAUGE, kind, 0)]


def test_what_has_expired() -> None:
    assert told(event(EXPIRED, a=GAUGE), Told()) == [(GAUGE, OutcomeKind.EXPIRED, 250_000)]
    assert told(event(EXPIRED, flags=EXPIRED_EARLY, a=GAUGE), Told()) == [(GAUGE, OutcomeKind.EXPIRED, 0)]
    (waited,) = told(event(EXPIRED, connection=0, a=GAUGE), Told())
    assert waited[0] == 0, "no service had it"
    (hedged,) = told(event(EXPIRED, flags=EXPIRED_EARLY, a=GAUGE), Told(is_hedge_due=True))
    assert hedged[0] == 0, "another attempt begins beside it"


def test_a_refusal_and_a_bad_response() -> None:
    overloaded, draining = (event(EventKind.REFUSED, detail=reason, a=500, b=GAUGE) for reason in (1, 2))
    assert told(overloaded, Told()) == [(GAUGE, OutcomeKind.PRESSURE, 0)]
    assert told(draining, Told()) == [(GAUGE, OutcomeKind.OTHER, 0)]
    assert told(event(EventKind.BAD_RESPONSE, a=GAUGE), Told()) == [(GAUGE, OutcomeKind.BAD_RESPONSE, 0)]


def test_nothing_is_loaded_for_what_has_no_number() -> None:
    breaking = Told()
    Breaking.failed(breaking, 0, OutcomeKind.STATUS, 0, NOW)
    Breaking.tick(breaking, NOW)
    assert not breaking.is_loaded
