"""The pool of dialled connections: each rule with plain values, and all of them under lists of random operations."""

from collections import Counter

import pytest
from pool_model import KEYS, Operation, World, random_operations

from proxy.pooled import Cause, Close, Dial, Fail, Forget, Give, Retire, TargetKey, Why
from proxy.targets.pool import Pool
from proxy.targets.pool_values import PoolLimits, Ring

A, SECURED, B, C = KEYS
ONE, TWO = ("billing", "i1"), ("billing", "i2")


class Bench:
    """A pool whose draws are always the highest, and the few steps that every test begins with."""

    def __init__(self, *keys: TargetKey, **limits: float) -> None:
        self.in_flight = [0] * 64
        self.pool = Pool(PoolLimits(**limits), self.in_flight, draw=lambda _low, high: high)  # type: ignore[arg-type]
        self.handles = 0
        self.dialling: set[TargetKey] = set()
        self.pool.want(keys or (A,))

    def reach(self, key: TargetKey = A, holder: tuple[str, str] = ONE, now: float = 0.0) -> Ring:
        """Let a dial that is due lead to an instance. Handles and slots count from 1."""
        self.dialling |= {action.key for action in self.pool.turn(now) if isinstance(action, Dial)}
        self.dialling.remove(key)
        self.handles += 1
        assert self.pool.connected(key, self.handles, self.handles, now)
        ring = self.pool.greeted(self.handles, holder, now)
        assert ring is not None
        return ring


# ---- who is dialled, and when ----


def test_each_target_is_dialled_up_to_the_warm_minimum_one_at_a_time() -> None:
    bench = Bench(A, B, warm=2)
    assert bench.pool.turn(0) == [Dial(A), Dial(B)]
    assert bench.pool.turn(1) == []
    bench.pool.connected(A, 1, 1, 1)
    assert bench.pool.turn(1) == [], "not before HELLO"
    bench.pool.greeted(1, ONE, 1)
    assert bench.pool.turn(1) == [Dial(A)]


def test_targets_that_differ_in_their_identity_share_nothing() -> None:
    bench = Bench(A, SECURED)
    plain, secured = bench.reach(A), bench.reach(SECURED)
    assert plain is not secured
    assert (bench.pool.checkout(plain), bench.pool.checkout(secured)) == (1, 2)
    bench.pool.going(2)
    assert bench.pool.checkout(secured) == 0


def test_a_dial_in_vain_is_repeated_ever_more_slowly() -> None:
    bench = Bench()
    times: list[float] = []
    now = 0.0
    while len(times) < 9:
        if bench.pool.turn(now):
            times.append(round(now, 2))
            bench.pool.failed(A, now)
        now += 0.01
    assert times == pytest.approx([0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3], abs=0.1)
    assert bench.pool.statistics()[7:10] == (9, 0, 9)


@pytest.mark.parametrize(("lasted", "pause"), [(4.9, 0.4), (5.0, 0.1)])
def test_a_connection_that_lasted_is_dialled_again_soon(lasted: float, pause: float) -> None:
    bench = Bench()
    bench.pool.turn(0)
    for _ in range(2):
        bench.pool.failed(A, 0)
        bench.pool.turn(10)
    bench.pool.connected(A, 1, 1, 10)
    bench.pool.greeted(1, ONE, 10)
    bench.pool.lost(1, 10 + lasted)
    assert bench.pool.turn(10 + lasted + pause - 0.01) == []
    assert bench.pool.turn(10 + lasted + pause + 0.01) == [Dial(A)]


def test_one_that_is_held_back_is_not_dialled_before_its_time() -> None:
    bench = Bench()
    bench.pool.hold(A, 5)
    assert bench.pool.turn(4.9) == []
    assert bench.pool.turn(5) == [Dial(A)]


def test_who_is_not_wanted_any_more_is_retired_and_forgotten() -> None:
    bench = Bench(A, B)
    bench.reach(A)
    bench.pool.want([])
    assert bench.pool.turn(1) == [Retire(1, Cause.REMOVED)]
    assert not bench.pool.connected(B, 2, 2, 1), "it was being dialled"
    bench.pool.lost(1, 1)
    assert repr(bench.pool) == "<Pool targets=0 connections=0 waiting=0>"


# ---- which connection ----


def test_the_first_that_is_not_busy_is_taken_and_another_is_dialled_when_all_are() -> None:
    bench = Bench(grow_at=2, per_target=2)
    ring = bench.reach()
    for load, grows in ((0, False), (1, False), (2, True)):
        bench.in_flight[1] = load
        assert bench.pool.checkout(ring) == 1
        assert (bench.pool.turn(0) == [Dial(A)]) is grows
    bench.pool.connected(A, 2, 2, 0)
    bench.pool.greeted(2, ONE, 0)
    assert bench.pool.checkout(ring) == 2
    bench.in_flight[1] = 1
    assert bench.pool.checkout(ring) == 1
    bench.in_flight[1:3] = [4, 3]
    assert bench.pool.checkout(ring) == 2, "the fewest in flight, since all are busy"
    assert bench.pool.turn(0) == [], "as many as may be"


@pytest.mark.parametrize("how", ["going", "lost", "silent"])
def test_one_that_is_not_alive_is_not_chosen(how: str) -> None:
    bench = Bench(silent_s=15)
    ring = bench.reach()
    if how == "going":
        bench.pool.going(1)
    elif how == "lost":
        bench.pool.lost(1, 1)
    else:
        bench.in_flight[1] = 1
        bench.pool.heard(1, 1)
        bench.pool.turn(15.9)
        assert bench.pool.checkout(ring) == 1
        assert bench.pool.turn(16) == [Dial(A)], "and another one takes its place"
    assert bench.pool.checkout(ring) == 0


def test_a_silent_one_is_chosen_again_when_it_is_heard_and_closed_when_nothing_is_in_flight() -> None:
    bench = Bench(silent_s=15)
    ring = bench.reach()
    bench.in_flight[1] = 1
    bench.pool.turn(15)
    bench.pool.failed(A, 15)
    bench.pool.heard(1, 15.01)
    assert bench.pool.turn(15.02) == []
    assert bench.pool.checkout(ring) == 1
    bench.pool.turn(40)
    bench.in_flight[1] = 0
    assert bench.pool.turn(40) == [Close(1)]


def test_one_that_sends_heartbeats_slowly_is_given_more_time() -> None:
    bench = Bench(silent_s=15)
    bench.pool.turn(0)
    bench.pool.connected(A, 1, 1, 0)
    ring = bench.pool.greeted(1, ONE, 0, patience=4)
    assert ring is not None
    bench.pool.turn(59)
    assert bench.pool.checkout(ring) == 1
    bench.pool.turn(60)
    assert bench.pool.checkout(ring) == 0


# ---- who is given up ----


def test_what_is_above_the_warm_minimum_goes_when_it_was_not_used_for_long_the_longest_unused_first() -> None:
    bench = Bench(warm=1, grow_at=1, per_target=3, idle_s=60, silent_s=1e9)
    ring = bench.reach()
    for slot in (1, 2):
        bench.in_flight[slot] = 1
        bench.pool.checkout(ring)
        bench.reach()
    bench.in_flight[2] = 0
    assert bench.pool.checkout(ring) == 2
    bench.in_flight[1] = 0
    assert bench.pool.checkout(ring) == 1
    assert bench.pool.turn(1) == []
    assert bench.pool.turn(30) == []
    assert bench.pool.turn(61) == [Retire(3, Cause.IDLE), Retire(2, Cause.IDLE)]
    for handle in (2, 3):
        bench.pool.lost(handle, 62)
    assert bench.pool.turn(200) == []


def test_what_was_given_up_is_closed_when_nothing_is_in_flight_and_what_crossed_the_goodbye_was_refused() -> None:
    bench = Bench(A)
    bench.reach()
    bench.in_flight[1] = 1
    bench.pool.want([])
    assert bench.pool.turn(1) == [Retire(1, Cause.REMOVED)]
    assert bench.pool.turn(2) == []
    bench.in_flight[1] = 0
    assert bench.pool.turn(2) == [Close(1)]
    assert bench.pool.turn(3) == [Close(1)], "unless it was put off"
    again = Bench(A)
    again.reach()
    again.pool.want([])
    again.pool.turn(1)
    assert again.pool.turn(1.2) == []
    assert again.pool.turn(1.3) == [Close(1)]


def test_an_old_one_goes_when_another_has_taken_its_place_and_not_before() -> None:
    bench = Bench(age_s=300, age_jitter=0.1, silent_s=1e9)
    ring = bench.reach()
    assert bench.pool.turn(329) == []
    assert bench.pool.turn(330) == [Dial(A)]
    bench.pool.failed(A, 330)
    assert bench.pool.checkout(ring) == 1, "better an old one than none"
    bench.in_flight[1] = 1
    bench.reach(now=331)
    assert bench.pool.turn(331) == [Retire(1, Cause.AGE)], "what is in flight ends well"
    assert bench.pool.checkout(ring) == 2


def test_the_longest_unused_of_all_makes_room_for_another_target() -> None:
    bench = Bench(A, B, connections=3, grow_at=1, per_target=3)
    rings = {key: bench.reach(key) for key in (A, B)}
    bench.in_flight[1] = 1
    bench.pool.checkout(rings[A])
    bench.reach(A)
    bench.in_flight[2] = 1
    bench.pool.checkout(rings[B])
    assert bench.pool.turn(1) == [Retire(3, Cause.ROOM)], "the first of A is in use, the second is not"
    bench.pool.checkout(rings[B])
    assert bench.pool.turn(1) == [], "it is about to go, so nobody else need"
    bench.pool.lost(3, 1)
    bench.pool.checkout(rings[B])
    assert bench.pool.turn(1) == [Dial(B)]


def test_nobody_who_is_in_use_or_warm_makes_room() -> None:
    bench = Bench(A, B, connections=2, grow_at=1, per_target=3)
    bench.reach(A)
    ring = bench.reach(B)
    bench.in_flight[2] = 1
    bench.pool.checkout(ring)
    assert bench.pool.turn(1) == []


# ---- who waits ----


def full(**limits: float) -> tuple[Bench, Ring]:
    """A target with one connection that has no room."""
    bench = Bench(grow_at=1, in_flight_max=1, per_target=1, **limits)
    ring = bench.reach()
    bench.in_flight[1] = 1
    assert bench.pool.checkout(ring) == 0
    return bench, ring


def test_who_waits_is_served_in_order_and_nobody_overtakes() -> None:
    bench, ring = full()
    assert [bench.pool.wait(ring, waiter, 10, 0) for waiter in (7, 8)] == [None, None]
    assert bench.pool.serve(1) == []
    bench.in_flight[1] = 0
    assert bench.pool.checkout(ring) == 0, "there is room, but for those who wait"
    assert bench.pool.serve(1) == [Give(7, 1)]
    assert bench.pool.given(7, ring) == 1
    assert bench.pool.serve(1) == [], "the place is kept until it is in flight"
    bench.in_flight[1] = 1
    bench.pool.settle(7)
    bench.in_flight[1] = 0
    assert bench.pool.serve(2) == [Give(8, 1)]
    assert bench.pool.statistics()[4:7] == (0, 2, 2)


def test_the_dead_leave_first_and_take_nobodys_place() -> None:
    bench, ring = full(waiting_max=2)
    assert [bench.pool.wait(ring, waiter, until, 0) for waiter, until in ((7, 1), (8, 10))] == [None, None]
    assert bench.pool.wait(ring, 9, 10, 0.5) is Why.FULL
    assert bench.pool.wait(ring, 9, 10, 1) is None
    bench.in_flight[1] = 0
    assert bench.pool.serve(1) == [Fail(7, Why.DEAD), Give(8, 1)]
    assert bench.pool.wait(ring, 10, 1, 1) is Why.DEAD
    assert bench.pool.statistics().refusals == {"full": 1, "dead": 2, "unreachable": 0}


def test_who_leaves_leaves_nothing_behind() -> None:
    bench, ring = full()
    for waiter in (7, 8):
        bench.pool.wait(ring, waiter, 10, 0)
    bench.pool.settle(7)
    bench.in_flight[1] = 0
    assert bench.pool.serve(0) == [Give(8, 1)]
    bench.pool.settle(8)  # gone before it was sent
    bench.pool.settle(8)
    assert bench.pool.checkout(ring) == 1
    assert not bench.pool.is_waited_for


def test_deadlines_of_those_who_have_left_are_not_kept() -> None:
    bench, ring = full()
    for waiter in range(10_000):
        bench.pool.wait(ring, waiter, 1e9, 0)
        bench.pool.settle(waiter)
    assert len(bench.pool._lines._deadlines) < 100


def test_what_was_given_is_worth_nothing_once_it_is_gone() -> None:
    bench, ring = full()
    bench.pool.wait(ring, 7, 10, 0)
    bench.in_flight[1] = 0
    assert bench.pool.serve(0) == [Give(7, 1)]
    bench.pool.lost(1, 0)
    assert bench.pool.given(7, ring) == 0
    bench.pool.settle(7)


def test_who_waits_for_a_service_that_is_not_there_is_told_when_the_dial_is_in_vain() -> None:
    bench, ring = full()
    bench.pool.wait(ring, 7, 100, 0)
    bench.pool.lost(1, 1)
    assert bench.pool.turn(1.2) == [Dial(A)]
    bench.pool.failed(A, 1.2)
    assert bench.pool.wait(ring, 8, 100, 1.2) is Why.UNREACHABLE, "not before it is dialled again"
    assert bench.pool.turn(1.2) == [Forget(ONE), Fail(7, Why.UNREACHABLE)]


def test_who_was_lost_is_looked_for_before_it_counts_as_gone() -> None:
    bench = Bench(warm=0, silent_s=1e9)
    ring = bench.reach()
    bench.pool.lost(1, 10)
    assert bench.pool.wait(ring, 7, 100, 10) is None
    assert bench.reach(now=10.2) is ring
    assert bench.pool.turn(10.2) == [Give(7, 2)]
    assert not ring.is_dormant


# ---- who sleeps ----


def dormant() -> tuple[Bench, Ring]:
    """A target whose only connection was not used for long."""
    bench = Bench(warm=0, idle_s=60, silent_s=1e9)
    ring = bench.reach()
    bench.pool.turn(0)
    assert bench.pool.turn(60) == [Retire(1, Cause.IDLE)]
    bench.pool.lost(1, 60.1)
    assert bench.pool.turn(61) == [], "nobody asks"
    assert repr(ring) == "<Ring billing/i1 connections=0 waiting=0 dormant>"
    return bench, ring


def test_a_dormant_instance_is_dialled_when_it_is_asked() -> None:
    bench, ring = dormant()
    assert bench.pool.checkout(ring) == 0
    assert bench.pool.wait(ring, 7, 100, 70) is None
    assert bench.reach(now=70) is ring
    assert bench.pool.turn(70) == [Give(7, 2)]
    assert bench.pool.statistics().dormant == 0


def test_a_dormant_instance_that_cannot_be_reached_is_forgotten_and_looked_for() -> None:
    bench, ring = dormant()
    bench.pool.wait(ring, 7, 100, 70)
    assert bench.pool.turn(70) == [Dial(A)]
    bench.pool.failed(A, 70)
    assert bench.pool.turn(70) == [Forget(ONE), Fail(7, Why.UNREACHABLE)]
    assert bench.pool.turn(71) == [Dial(A)], "nobody asks, but who is there is not known"


def test_where_another_instance_is_found_the_dormant_one_is_forgotten() -> None:
    bench, ring = dormant()
    bench.pool.wait(ring, 7, 100, 70)
    other = bench.reach(holder=TWO, now=70)
    assert other is not ring
    assert bench.pool.turn(70) == [Forget(ONE), Fail(7, Why.UNREACHABLE)]


def test_one_of_several_behind_one_address_is_not_put_to_sleep() -> None:
    bench = Bench(warm=0, idle_s=60, grow_at=1, silent_s=1e9)
    ring = bench.reach()
    bench.in_flight[1] = 1
    bench.pool.checkout(ring)
    other = bench.reach(holder=TWO)
    bench.in_flight[1] = 0
    bench.pool.turn(0)
    assert bench.pool.turn(60) == [Retire(1, Cause.IDLE), Retire(2, Cause.IDLE)]
    assert not other.is_dormant, "a dial may lead to the one or to the other"


# ---- all of it ----

TIGHT = PoolLimits(connections=6, per_target=2, warm=1, grow_at=2, in_flight_max=3, waiting_max=5, idle_s=20, age_s=60)
ASLEEP = PoolLimits(connections=4, per_target=3, warm=0, grow_at=1, in_flight_max=1, waiting_max=3, idle_s=5, age_s=30)
ROOMY = PoolLimits(connections=12, per_target=4, warm=2, grow_at=3, in_flight_max=3, idle_s=20, age_s=1e9, silent_s=60)


@pytest.mark.parametrize("limits", [TIGHT, ASLEEP, ROOMY], ids=["tight", "asleep", "roomy"])
def test_no_list_of_operations_breaks_a_bound(limits: PoolLimits) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(40):
        world = World(limits, seed)
        operations = random_operations(seed, 300)
        try:
            for done, operation in enumerate(operations, 1):  # noqa: B007 - told when it fails
                world.do(operation)
            outcomes += world.outcomes + Counter(world.pool.statistics().evictions)
            world.end()
        except Exception as error:
            raise AssertionError(f"seed {seed}, operation {done} of {operations[:done]}") from error
    assert {"hit", "given", "dead", "unreachable", "silent", "removed"} <= outcomes.keys()


RECORDED: list[list[Operation]] = [
    # A wait that was in vain, and whose waiter leaves before it is told.
    [
        ("want", (0,)),
        ("turn",),
        ("reach", 0),
        ("greet", 0, 1),
        ("lose", 0),
        ("pass", 0.25),
        ("ask", 0, 10.0),
        ("turn",),
    ],
    # A target that is taken away while it is dialled, and given back.
    [("want", (0,)), ("turn",), ("want", ()), ("turn",), ("want", (0,)), ("turn",), ("reach", 0), ("greet", 0, 1)],
    # One that is silent while another is dialled for it, and is heard again then.
    [("want", (0,)), ("turn",), ("reach", 0), ("greet", 0, 1), ("pass", 40.0), ("turn",), ("hear", 0), ("turn",)],
    # One that goes before it has said HELLO.
    [("want", (0,)), ("turn",), ("reach", 0), ("go", 0), ("turn",), ("lose", 0), ("pass", 0.25), ("turn",)],
]


@pytest.mark.parametrize("operations", RECORDED)
def test_what_was_written_down_is_replayed_with_a_cancel_behind_each_step(operations: list[Operation]) -> None:
    for count in range(len(operations) + 1):
        world = World(TIGHT)
        for operation in operations[:count]:
            world.do(operation)
        world.end()
