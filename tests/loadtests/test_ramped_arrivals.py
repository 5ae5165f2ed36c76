"""When requests are due whose rate changes: as many as the rates say, in order, and where the rates put them."""

import random

import pytest
from loadtests.shape.arrivals import Ramp, RampedArrivals


def test_an_even_rate_is_even() -> None:
    arrivals = RampedArrivals.of([Ramp(1.0, 10.0, 10.0)], spacing="even", seed=1)
    assert list(arrivals.offsets_us()) == [number * 100_000 for number in range(10)]
    assert (arrivals.rate, arrivals.duration_s) == (10.0, 1.0)


def test_a_ramp_goes_over_into_the_next() -> None:
    ramps = [Ramp(1.0, 10.0, 10.0), Ramp(2.0, 10.0, 30.0), Ramp(1.0, 5.0, 5.0)]
    moments = list(RampedArrivals.of(ramps, spacing="even", seed=1).offsets_us())
    assert moments == sorted(moments)
    assert [sum(begin <= at < begin + 1_000_000 for at in moments) for begin in range(0, 4_000_000, 1_000_000)] == [
        10,
        15,
        25,
        5,
    ]


@pytest.mark.parametrize("seed", range(5))
def test_chance_has_the_same_rates_in_the_mean(seed: int) -> None:
    ramps = [Ramp(20.0, 100.0, 100.0), Ramp(20.0, 0.0, 400.0)]
    arrivals = RampedArrivals.of(ramps, spacing="poisson", seed=seed)
    moments = list(arrivals.offsets_us())
    assert moments == sorted(moments) == list(arrivals.offsets_us())
    assert moments[-1] < 40_000_000
    first = sum(at < 20_000_000 for at in moments)
    early = sum(20_000_000 <= at < 30_000_000 for at in moments)
    assert abs(first - 2_000) < 6 * 2_000**0.5  # a Poisson number is 6 deviations off once in 500 million times
    assert abs(early - 1_000) < 6 * 1_000**0.5
    assert abs(len(moments) - 6_000) < 6 * 6_000**0.5


def test_when_so_many_were_due_is_when_so_many_are_due() -> None:
    draw = random.Random(7)
    for _ in range(200):
        ramp = Ramp(draw.uniform(0.1, 50), draw.choice([0.0, draw.uniform(0, 500)]), draw.uniform(1, 500))
        count = draw.uniform(0, ramp.count)
        at = ramp.when(count)
        slope = (ramp.end_rate - ramp.begin_rate) / ramp.duration_s
        assert 0 <= at <= ramp.duration_s
        assert ramp.begin_rate * at + slope * at * at / 2 == pytest.approx(count, rel=1e-6, abs=1e-6)
