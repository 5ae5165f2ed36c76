"""How an instance is, at and around each threshold."""

import pytest

from frames.frame import HealthStatus
from proxy.targets.health import Health, HealthThresholds, health_of

THRESHOLDS = HealthThresholds()


@pytest.mark.parametrize(
    ("silent_s", "health"),
    [
        (0, Health.HEALTHY),
        (14.9, Health.HEALTHY),
        (15, Health.DEGRADED),
        (29.9, Health.DEGRADED),
        (30, Health.UNHEALTHY),
        (89.9, Health.UNHEALTHY),
        (90, Health.REMOVED),
        (1e9, Health.REMOVED),
    ],
)
def test_silence_makes_it_worse_step_by_step(silent_s: float, health: Health) -> None:
    assert health_of(THRESHOLDS, silent_s, HealthStatus.HEALTHY, is_going=False) is health


@pytest.mark.parametrize(
    ("silent_s", "reported", "is_going", "health"),
    [
        (0, HealthStatus.DEGRADED, False, Health.DEGRADED),
        (30, HealthStatus.DEGRADED, False, Health.UNHEALTHY),
        (0, HealthStatus.DRAINING, False, Health.DRAINING),
        (0, HealthStatus.HEALTHY, True, Health.DRAINING),
        (45, HealthStatus.HEALTHY, True, Health.DRAINING),
        (90, HealthStatus.DRAINING, True, Health.REMOVED),
    ],
)
def test_what_it_says_of_itself_counts(silent_s: float, reported: HealthStatus, is_going: bool, health: Health) -> None:
    assert health_of(THRESHOLDS, silent_s, reported, is_going=is_going) is health


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"heartbeat_s": 0}, "longer than 0 s"),
        ({"heartbeat_s": float("nan")}, "longer than 0 s"),
        ({"heartbeat_s": 5.1}, r"sooner than 3 heartbeats of 5.1 s: make it at least 15.3 s"),
        ({"degraded_s": 14.0}, "sooner than 3 heartbeats"),
        ({"unhealthy_s": 15.0}, "each must be longer"),
        ({"removed_s": 30.0}, "each must be longer"),
        ({"removed_s": float("nan")}, "each must be longer"),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(numbers: dict[str, float], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        HealthThresholds(**numbers)


@pytest.mark.parametrize(("peer_heartbeat_s", "patience"), [(0.1, 1), (5, 1), (10, 2), (60, 12)])
def test_a_peer_with_slow_heartbeats_is_given_three_of_them(peer_heartbeat_s: float, patience: float) -> None:
    assert THRESHOLDS.patience(peer_heartbeat_s) == patience
