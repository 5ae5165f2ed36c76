"""A program: take a connection of the pool and give it back, in turns for each kind; prints nanoseconds as JSON.

A connection is taken by `Pool.checkout`, and is given back as the wire does it: by its count of what is in flight,
which goes up with the request and down with the answer. Both are done here in Python, so they are dearer than in C.

    one         one target with one connection, which has room: what nearly every request finds
    among 256   64 targets with four connections each, asked in turn, three of each four busy
    line        no room: the request waits, is given a connection when one answer has come, and leaves the line
"""

import json
import sys
import time
from collections.abc import Callable
from itertools import cycle

from proxy.pooled import Dial, TargetKey
from proxy.targets.pool import Pool
from proxy.targets.pool_values import PoolLimits, Ring

ROUND_NS = 10_000_000
BATCH = 1_000
GROW_AT = 8


def open_pool(targets: int, each: int, limits: PoolLimits) -> tuple[Pool, memoryview, list[Ring]]:
    """Return a pool with so many targets and connections, the wire's counts, and a ring for each target."""
    in_flight = memoryview(bytearray(4 * (targets * each + 1))).cast("I")
    pool, rings, handles = Pool(limits, in_flight), {}, iter(range(1, targets * each + 1))
    pool.want(TargetKey(f"service-{number}", 7501) for number in range(targets))
    for _ in range(each):
        for action in pool.turn(0.0):
            if isinstance(action, Dial):
                handle = next(handles)
                pool.connected(action.key, handle, handle, 0.0)
                rings[action.key] = pool.greeted(handle, (action.key.host, "i1"), 0.0)
    return pool, in_flight, [ring for ring in rings.values() if ring is not None]


def hits(targets: int, each: int, busy: int) -> Callable[[], int]:
    """Return a function that takes and gives back a thousand times, and says how often. busy: of each, how many are."""
    pool, in_flight, rings = open_pool(targets, each, PoolLimits(warm=each, grow_at=GROW_AT))
    for ring in rings:
        for connection in ring.connections[:busy]:
            in_flight[connection.slot] = GROW_AT
    turns, checkout = cycle(rings), pool.checkout

    def run() -> int:
        for _ in range(BATCH):
            handle = checkout(next(turns))
            in_flight[handle] += 1
            in_flight[handle] -= 1
        return BATCH

    return run


def waits() -> Callable[[], int]:
    """Return a function that waits and is served a thousand times."""
    pool, in_flight, (ring,) = open_pool(1, 1, PoolLimits(grow_at=1, in_flight_max=1, per_target=1))
    in_flight[1] = 1

    def run() -> int:
        for waiter in range(BATCH):
            if pool.checkout(ring) or pool.wait(ring, waiter, 10.0, 0.0) is not None:
                sys.exit("there was room, or nobody could wait")
            in_flight[1] = 0
            pool.serve(0.0)
            in_flight[1] = 1
            pool.settle(waiter)
        return BATCH

    return run


def time_round(run: Callable[[], int]) -> float:
    """Return nanoseconds for each, over at least ROUND_NS, with the loop around it."""
    done, start = 0, time.perf_counter_ns()
    while True:
        done += run()
        spent = time.perf_counter_ns() - start
        if spent >= ROUND_NS:
            return spent / done


def main(rounds: int) -> None:
    """Measure all in turns and print the rounds."""
    work = {"one": hits(1, 1, 0), "among 256": hits(64, 4, 3), "line": waits()}
    print(json.dumps([{name: time_round(run) for name, run in work.items()} for _ in range(rounds)]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
