"""When a worker is started again, and when there is no hope."""

import random

from proxy.supervisor.crashes import DELAY_MAX_S, DELAY_S, MINUTE_S, Crashes


def test_one_that_dies_again_and_again_waits_longer() -> None:
    crashes = Crashes()
    assert [crashes.crashed(0, float(now), 10) for now in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_slots_wait_each_for_themselves() -> None:
    crashes = Crashes()
    assert [crashes.crashed(slot, 1.0, 10) for slot in (0, 1, 0, 2)] == [0.1, 0.1, 0.2, 0.1]


def test_too_many_within_a_minute() -> None:
    crashes = Crashes()
    assert [crashes.crashed(slot, 1.0, 2) for slot in (0, 1, 2)] == [0.1, 0.1, None]


def test_a_minute_later_all_is_forgotten() -> None:
    crashes = Crashes()
    assert [crashes.crashed(0, now, 2) for now in (1.0, 2.0, 61.5, 120.0, 122.0)] == [0.1, 0.2, 0.2, 0.2, 0.2]


def test_at_random() -> None:
    for seed in range(200):
        draw = random.Random(seed)
        crashes, most, now, times = Crashes(), draw.randint(1, 8), 0.0, []
        for _ in range(60):
            now += draw.choice((0.01, 1.0, 9.0, 70.0))
            slot = draw.randrange(3)
            times.append((now, slot))
            recent = [each for each in times if each[0] > now - MINUTE_S]
            delay_s = crashes.crashed(slot, now, most)
            assert (delay_s is None) == (len(recent) > most), seed
            if delay_s is not None:
                assert DELAY_S <= delay_s <= DELAY_MAX_S
                assert delay_s == min(DELAY_MAX_S, DELAY_S * 2 ** (sum(each == slot for _, each in recent) - 1))
