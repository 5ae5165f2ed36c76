"""What is concluded from a load in whose midst an instance was lost."""

import pytest
from benchmarks.lost_case import judged
from benchmarks.steady import Part, SteadyResult
from benchmarks.tools import NotMeasured

LOST_AT_S = 1.05


def result(*p99_us: float, failed_at: int = -1, refused_at: int = -1) -> SteadyResult:
    """A load with these 99th percentiles in its tenths of a second, ten of 1 ms before them."""
    windows = [
        Part(at / 10, 100, int(at == 10 + refused_at), int(at == 10 + failed_at), 500.0, value, 10 * value)
        for at, value in enumerate([1000.0] * 10 + list(p99_us))
    ]
    return SteadyResult(5.0, len(windows) / 10, windows[0], tuple(windows))


def test_nothing_failed_and_nothing_changed() -> None:
    sample = judged(result(*[1000.0] * 10), LOST_AT_S)
    assert (sample["failed"], sample["failed_percent"], sample["back_s"]) == (0, 0, 0)
    assert (sample["requests"], sample["usual_p99_us"], sample["longest_us"]) == (1000, 1000.0, 10_000.0)


def test_what_failed_or_was_refused_counts() -> None:
    sample = judged(result(*[1000.0] * 10, failed_at=0, refused_at=2), LOST_AT_S)
    assert sample["failed"] == 2
    assert sample["failed_percent"] == pytest.approx(100 * 2 / 1002)
    assert sample["back_s"] == pytest.approx(0.25)


def test_it_is_back_when_it_stays_so() -> None:
    slow = 1_000_000.0
    assert judged(result(slow, 1000.0, slow, *[2900.0] * 7), LOST_AT_S)["back_s"] == pytest.approx(0.25)
    assert judged(result(*[slow] * 10), LOST_AT_S)["back_s"] == pytest.approx(0.85), "never, as far as it was watched"


def test_nothing_was_asked_afterwards() -> None:
    with pytest.raises(NotMeasured, match="nothing was asked"):
        judged(result(), LOST_AT_S)
