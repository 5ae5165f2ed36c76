"""What must hold at four times the load that a service can take, for a minute."""

import pytest
from overload_support import Simulation, Times, exponential, lognormal, steady

KINDS = [exponential, lognormal, steady]


def usual(workers: int, work_s: float, times: Times) -> float:
    """The 99th percentile of a service that has four fifths of what it can do, and no limit."""
    return Simulation(workers, work_s, times, limit=100_000).run(30, 0.8).p99


@pytest.mark.parametrize("times", KINDS)
@pytest.mark.parametrize(("workers", "work_s"), [(4, 0.01), (16, 0.02), (64, 0.04)])
def test_four_times_the_load_for_a_minute(workers: int, work_s: float, times: Times) -> None:
    simulation = Simulation(workers, work_s, times)
    simulation.run(10, 0.8)
    overload = simulation.run(60, 4.0)
    assert overload.useful >= 0.9
    assert overload.p99 <= 2 * usual(workers, work_s, times)
    assert overload.refused > 2 * overload.useful * 60 * workers / work_s


@pytest.mark.parametrize("seed", range(2))
def test_four_times_the_load_from_the_first_request_on(seed: int) -> None:
    """Nothing is known of the service yet: the first second or two are what it costs to find out."""
    overload = Simulation(16, 0.02, exponential, seed=seed).run(60, 4.0)
    assert overload.useful >= 0.95
    assert overload.p99 <= 2 * usual(16, 0.02, exponential)


def test_a_limit_that_is_given_holds_as_well() -> None:
    overload = Simulation(16, 0.02, exponential, limit=20).run(60, 4.0)
    assert overload.useful >= 0.95
    assert overload.p99 <= 2 * usual(16, 0.02, exponential)


def test_without_a_limit_everybody_is_late() -> None:
    """The simulation can show the trouble that all of this is for."""
    assert Simulation(16, 0.02, exponential, limit=100_000).run(10, 4.0).p99 > 20 * usual(16, 0.02, exponential)


def test_what_is_learned_does_not_grow_with_an_overload_that_lasts() -> None:
    simulation = Simulation(16, 0.02, exponential)
    simulation.run(60, 4.0)
    assert all(10 <= limit <= 32 for limit in simulation.run(120, 4.0).limits)


@pytest.mark.parametrize("slowness", [0.25, 3.0])
def test_a_service_that_has_become_another_is_learned_anew(slowness: float) -> None:
    simulation = Simulation(16, 0.02, exponential)
    simulation.run(20, 4.0)
    simulation.slowness = slowness
    simulation.run(20, 4.0)
    overload = simulation.run(40, 4.0)
    assert overload.useful >= 0.85
    assert overload.p99 <= 2 * slowness * usual(16, 0.02, exponential)


def test_below_its_capacity_nearly_nobody_is_refused() -> None:
    simulation = Simulation(16, 0.02, exponential)
    simulation.run(10, 0.7)
    outcome = simulation.run(60, 0.7)
    assert outcome.refused <= 0.005 * 60 * 0.7 * 800
    assert outcome.useful == pytest.approx(0.7, rel=0.05)
