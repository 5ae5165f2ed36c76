"""What is given again for a while: never too long, never too much."""

import random

from proxy.fanout.kept import Kept


def test_an_answer_is_found_until_its_time_is_over() -> None:
    kept: Kept[str] = Kept()
    assert kept.keep("a", "one", 10, expires_at=2.0, now=1.0)
    assert kept.find("a", 1.9) == "one"
    assert kept.find("b", 1.9) is None
    assert kept.find("a", 2.0) is None
    assert (len(kept), kept.held_bytes) == (0, 0)


def test_a_newer_one_takes_the_place_of_the_older() -> None:
    kept: Kept[str] = Kept()
    kept.keep("a", "one", 10, 2.0, 1.0)
    kept.keep("a", "two", 4, 3.0, 1.0)
    assert (kept.find("a", 2.5), len(kept), kept.held_bytes) == ("two", 1, 4)


def test_the_oldest_go_where_there_is_no_room() -> None:
    kept: Kept[str] = Kept(count_max=2, bytes_max=10)
    for name in "abc":
        kept.keep(name, name, 1, 9.0, 1.0)
    assert [name for name in "abc" if kept.find(name, 1.0)] == ["b", "c"]
    assert kept.keep("d", "d", 9, 9.0, 1.0)
    assert [name for name in "abcd" if kept.find(name, 1.0)] == ["c", "d"]


def test_what_is_too_large_alone_is_not_kept_and_drives_nobody_out() -> None:
    kept: Kept[str] = Kept(bytes_max=10)
    kept.keep("a", "a", 10, 9.0, 1.0)
    assert not kept.keep("b", "b", 11, 9.0, 1.0)
    assert kept.find("a", 1.0) == "a"
    assert not kept.keep("c", "c", 1, 1.0, 1.0)


def test_a_sweep_forgets_what_is_too_old() -> None:
    kept: Kept[str] = Kept()
    kept.keep("a", "a", 1, 2.0, 1.0)
    kept.keep("b", "b", 1, 3.0, 1.0)
    kept.sweep(2.0)
    assert len(kept) == 1
    kept.clear()
    assert (len(kept), kept.held_bytes) == (0, 0)


def test_at_random_the_bounds_hold_and_nothing_is_given_too_late() -> None:
    rand = random.Random(7)
    kept: Kept[float] = Kept(count_max=5, bytes_max=40)
    now = 0.0
    for _ in range(20_000):
        now += rand.random() * 0.2
        key = rand.randrange(12)
        if rand.random() < 0.5:
            found = kept.find(key, now)
            assert found is None or found > now
        elif rand.random() < 0.9:
            expires_at = now + rand.random()
            kept.keep(key, expires_at, rand.randrange(1, 45), expires_at, now)
        else:
            kept.sweep(now)
        assert len(kept) <= 5
        assert kept.held_bytes == sum(entry[1] for entry in kept._entries.values()) <= 40
