"""How instances stand: their reported load, their slow start, and that nothing is left of those that are gone."""

import pytest
from balance_support import offers

from proxy.targets.instance import Instance
from proxy.targets.ramp import RAMP_LEAST
from proxy.targets.shares import Shares
from proxy.targets.standing import Standing


def instance(slot: int, *, connected_at: float = -100.0, load: int | None = None, generation: int = 1) -> Instance:
    made = Instance("billing", f"b{slot}", generation * 4096 + slot, connected_at)
    made.reported_load = load
    return made


def standing(slow_start_s: float = 10.0) -> tuple[Standing, Shares]:
    shares = Shares(8)
    return Standing(shares, slow_start_s), shares


@pytest.mark.parametrize(("load", "handicap"), [(None, 1.0), (0, 1.0), (5000, 1.5), (10_000, 2.0), (60_000, 2.0)])
def test_the_load_that_it_reports_is_its_handicap(load: int | None, handicap: float) -> None:
    given, shares = standing()
    given.tick(0.0, [instance(3, load=load)])
    assert shares.handicap[3] == pytest.approx(handicap)
    assert shares.handicap[2] == 1.0


def test_the_handicap_follows_within_a_few_seconds_and_not_at_once() -> None:
    given, shares = standing()
    busy = instance(3, load=0)
    given.tick(0.0, [busy])
    busy.reported_load = 10_000
    given.tick(0.25, [busy])
    assert shares.handicap[3] == pytest.approx(1.1)
    for tick in range(2, 22):
        given.tick(tick / 4, [busy])
    assert shares.handicap[3] > 1.85


def test_who_has_come_gets_its_share_little_by_little() -> None:
    given, shares = standing(10.0)
    new, old = instance(3, connected_at=50.0), instance(4)
    (of_new, of_old) = (offers(1, slot)[0] for slot in (3, 4))
    for now, share in ((50.0, RAMP_LEAST), (51.0, 0.1), (52.5, 0.25), (57.5, 0.75), (60.0, 1.0), (99.0, 1.0)):
        given.tick(now, [new, old])
        assert shares.of(of_new) == pytest.approx(share)
        assert shares.of(of_old) == 1.0
        assert shares.is_even is (share == 1.0)
        assert shares.starting == (share < 1.0)


def test_without_slow_start_it_gets_all_at_once() -> None:
    given, shares = standing(0.0)
    given.tick(50.0, [instance(3, connected_at=50.0)])
    assert shares.is_even


def test_nothing_is_left_of_who_is_gone_and_the_next_on_its_slot_begins_anew() -> None:
    given, shares = standing()
    given.tick(50.0, [instance(3, connected_at=50.0, load=10_000)])
    shares.set_ramp(3, 0.5)
    given.tick(51.0, [instance(3, connected_at=51.0, load=1000, generation=2)])
    assert shares.handicap[3] == pytest.approx(1.1)
    assert shares.of(offers(1, 3)[0]) == RAMP_LEAST
    given.tick(52.0, [])
    assert shares.handicap[3] == 1.0
    assert shares.is_even


def test_shares_of_slots_and_gauges_multiply_and_are_above_nothing() -> None:
    shares = Shares(8)
    (offer,) = offers(1, 3)
    version = shares.version
    shares.set_start(3, 0.5)
    shares.set_ramp(3, 0.5)
    shares.set_gauge(offer.gauge, 0.2)
    assert shares.of(offer) == pytest.approx(0.05)
    assert shares.version == version + 3
    shares.set_start(3, 0.5)
    assert shares.version == version + 3, "nothing has changed"
    shares.set_start(3, 0.0)
    assert shares.of(offer) > 0
    for forget in (shares.set_start, shares.set_ramp):
        forget(3, 1.0)
        forget(3, 1.0)
    assert not shares.is_even
    shares.set_gauge(offer.gauge, 1.0)
    assert shares.is_even
    assert shares.of(offer) == 1.0
    assert repr(shares) == "<Shares starting=0 ramped=0>"
