"""Counting: at most the burst and what the rate refills, for a bounded number of keys."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.policy.rates.store import Demand, MemoryStore, Refused

CROWD = b"crowd"


def demand(key: bytes = b"k", interval: int = 10, burst: int = 3, crowd: bytes = CROWD) -> Demand:
    return key, interval, (burst - 1) * interval, crowd


def passes(store: MemoryStore, now: int, *demands: Demand) -> bool:
    return store.take(demands or (demand(),), now) is None


def test_a_burst_passes_and_then_as_many_as_are_refilled() -> None:
    store = MemoryStore()
    assert [passes(store, 100) for _ in range(5)] == [True, True, True, False, False]
    assert [passes(store, now) for now in (109, 110, 110, 119, 120)] == [False, True, False, False, True]
    assert [passes(store, 1_000) for _ in range(4)] == [True, True, True, False]


def test_the_wait_is_exact() -> None:
    store = MemoryStore()
    for _ in range(3):
        assert passes(store, 100)
    assert store.take([demand()], 103) == Refused(0, 7)
    assert not passes(store, 109)
    assert passes(store, 110)


def test_a_burst_of_one() -> None:
    store = MemoryStore()
    once = demand(burst=1)
    assert [passes(store, now, once) for now in (0, 0, 9, 10, 19, 20)] == [True, False, False, True, False, True]


class Bucket:
    """A token bucket in exact fractions: tokens drip in all the time, and one is taken by each request."""

    def __init__(self, interval: int, burst: int) -> None:
        self.interval, self.burst = interval, burst
        self.tokens, self.at = Fraction(burst), 0

    def refill(self, now: int) -> bool:
        self.tokens = min(Fraction(self.burst), self.tokens + Fraction(now - self.at, self.interval))
        self.at = now
        return self.tokens >= 1


LIMITS = st.tuples(st.integers(1, 20), st.integers(1, 6))
STEPS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abc")), max_size=80)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(LIMITS, STEPS)
def test_it_is_a_token_bucket(limit: tuple[int, int], steps: list[tuple[int, str]]) -> None:
    interval, burst = limit
    store, buckets, now = MemoryStore(), {key: Bucket(interval, burst) for key in "abc"}, 0
    for step, key in steps:
        now += step
        has_token = buckets[key].refill(now)
        assert passes(store, now, demand(key.encode(), interval, burst)) is has_token
        if has_token:
            buckets[key].tokens -= 1


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(LIMITS, min_size=1, max_size=3), st.lists(st.integers(0, 40), max_size=80))
def test_all_limits_agree_or_none_is_charged(limits: list[tuple[int, int]], steps: list[int]) -> None:
    demands = [demand(bytes((number,)), *limit) for number, limit in enumerate(limits)]
    buckets = [Bucket(*limit) for limit in limits]
    store, now = MemoryStore(), 0
    for step in steps:
        now += step
        tokens = [bucket.refill(now) for bucket in buckets]
        has_tokens = all(tokens)
        before = store.peek(demands, now)
        refused = store.take(demands, now)
        assert (refused is None) is has_tokens
        if refused is None:
            for bucket in buckets:
                bucket.tokens -= 1
        else:
            assert store.peek(demands, now) == before
            waits = [max(Fraction(0), (1 - bucket.tokens) * bucket.interval) for bucket in buckets]
            assert refused.wait_ns == max(waits)
            assert waits[refused.place] == max(waits)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(LIMITS, st.lists(st.integers(0, 40), max_size=60))
def test_over_any_time_at_most_the_burst_and_what_the_rate_gives(limit: tuple[int, int], steps: list[int]) -> None:
    interval, burst = limit
    store, now, passed = MemoryStore(), 0, []
    for step in steps:
        now += step
        if passes(store, now, demand(b"k", interval, burst)):
            passed.append(now)
    for first, begin in enumerate(passed):
        for last, end in enumerate(passed[first:], first):
            assert last - first + 1 <= burst + (end - begin) // interval


# ---- a bounded number of keys ----


def test_what_has_run_out_is_forgotten_when_others_come() -> None:
    store = MemoryStore(keys_max=100)
    for number in range(10_000):
        assert passes(store, number * 10, demand(b"%d" % number))
        assert len(store) <= 4
    assert store.crowded == 0


def test_keys_that_were_many_become_few_again() -> None:
    store = MemoryStore()
    for number in range(1_000):
        assert passes(store, 0, demand(b"%d" % number))
    for number in range(1_000):
        assert passes(store, 1_000_000 + number * 100, demand(b"new %d" % number))
    assert len(store) <= 4


def full(keys_max: int = 50) -> MemoryStore:
    store = MemoryStore(keys_max=keys_max)
    for number in range(keys_max):
        assert passes(store, 0, demand(b"%d" % number))
    return store


def test_where_all_are_live_newcomers_are_counted_together() -> None:
    store = full()
    assert [passes(store, 1, demand(b"new %d" % number)) for number in range(6)] == [True] * 3 + [False] * 3
    assert [passes(store, 1, demand(b"7")) for _ in range(3)] == [True, True, False]
    assert (len(store), store.crowded) == (51, 6)
    assert passes(store, 1, demand(b"another", crowd=b"of another limit"))


def test_a_newcomer_is_counted_alone_again_where_there_is_room() -> None:
    store = full()
    for number in range(6):
        passes(store, 1, demand(b"new %d" % number))
    assert all(passes(store, 11, demand(b"new %d" % number)) for number in range(6))
    assert store.crowded == 6


def test_several_limits_where_there_is_no_room() -> None:
    store = full()
    two = demand(b"x", crowd=b"c1"), demand(b"y", burst=2, crowd=b"c2")
    assert [passes(store, 1, *two) for _ in range(3)] == [True, True, False]
    assert store.peek(two, 1) == [20, 20]
    other = demand(b"v", crowd=b"c1"), demand(b"w", burst=2, crowd=b"c2")
    assert store.take(other, 1) == Refused(1, 10)
    assert len(store) == 52


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.integers(1, 8), st.lists(st.tuples(st.integers(0, 15), st.sets(st.integers(0, 30), max_size=3)), max_size=100)
)
def test_the_bound_holds_whatever_comes(keys_max: int, steps: list[tuple[int, set[int]]]) -> None:
    store, now = MemoryStore(keys_max=keys_max), 0
    for step, keys in steps:
        now += step
        store.take([demand(bytes((key,)), crowd=b"crowd %d" % place) for place, key in enumerate(keys)], now)
        assert sorted(store._queue) == sorted(store._times)
        assert len(store) <= keys_max + 3 + 2  # a crowd for each place, and what one request brings at once


def test_to_look_changes_nothing() -> None:
    store = MemoryStore()
    assert store.peek([demand()], 0) == [0]
    assert len(store) == 0
    assert passes(store, 0)
    assert store.peek([demand(), demand(b"other")], 4) == [6, 0]
    assert store.peek([demand()], 400) == [0]
