"""The page about the truth of latencies says what was measured, and what must have been so."""

from loadtests.truth.page import Stall, Told, page, slow

from proxy.loading.histogram import Histogram

QUICK = [1_000] * 900
STALL = Stall(duration_s=10.0, stall_s=1.0, rate=100.0, users=5)
CLOSED = Told("closed loop", 905, Histogram.of([*QUICK, *[500_000] * 5]))
OPEN = Told("open loop", 1_000, Histogram.of([*QUICK, *range(10_000, 1_010_000, 10_000)]))


def test_slow_ones_are_those_over_100_ms() -> None:
    assert slow(CLOSED.times) == 5
    assert slow(Histogram.of([99_000, 101_000, 5])) == 1


def test_the_page_holds_both_against_what_must_be_so() -> None:
    text = page(STALL, [CLOSED, OPEN, OPEN])
    assert "| closed loop | 905 | 5 | 1.0 ms | 1.0 ms | 1.0 ms | 500.0 ms | 500.0 ms |" in text
    assert "| open loop | 1,000 | 91 | 1.0 ms | 500.2 ms | 900.1 ms | 990.2 ms | 1,000.0 ms |" in text
    assert "away for 10% of the time, so 10% of those" in text
    assert "about 100 requests, the unluckiest for all of 1 s. So 1 % of all waited for\n900 ms or longer" in text
    assert "5 slow requests of 905, and a p99 of 1.0 ms" in text
    assert f"{slow(OPEN.times)}\nslow requests, and a p99 of " in text
