"""A program: choose one of several instances, in turns for each way; prints nanoseconds per choice as JSON.

The stages are the gateway's own, with counts of requests in flight that differ from instance to instance.

    random.choice         of the standard library, of 4: what a choice costs that looks at nothing
    two choices           the default, of 4 and of 64
    two choices, uneven   the same while one instance has just come, and gets less than its share
    least loaded, round robin, consistent hashing
"""

import json
import random
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any

from frames.frame import Method
from frames.greeting import EndpointOffer
from proxy.request.exchange import Exchange
from proxy.request.route_policy import Balance, BalancePolicy, Key, KeyKind, RoutePolicy
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import stages_of
from proxy.route.table import Route, RouteTable
from proxy.targets.choose import Balancing, make_picks
from proxy.targets.instance import Instance
from proxy.targets.pick import Figures
from proxy.targets.shares import Shares

ROUND_NS = 10_000_000
BATCH = 1_000
ENDPOINT = EndpointOffer(id=1, method="GET", path="/invoices")
BY_ADDRESS = Key(KeyKind.ADDRESS)


class Fields:
    """A request of somebody."""

    def client_address(self, _: int) -> str:
        """Return who it is."""
        return "192.0.2.17"


def chooses(count: int, balance: Balance | None = None, *, is_uneven: bool = False) -> Callable[[], int]:
    """Return a function that chooses a thousand times among so many, and says how often."""
    in_flight = memoryview(array("I", (at % 5 for at in range(count))))
    latency_us = memoryview(array("f", (400.0 + at for at in range(count))))
    figures = Figures(in_flight, latency_us, Shares(count), Counter())
    if is_uneven:
        figures.shares.set_start(0, 0.5)
    snapshot = Snapshot(RouteTable(), Limits())
    fields: Any = Fields()
    exchange = Exchange(fields, snapshot)
    exchange.begin(1, Method.GET, 0, b"/invoices", snapshot)
    offers = tuple(Instance("billing", f"b{slot}", slot, 0.0).offer(ENDPOINT) for slot in range(count))
    exchange.route = Route(0, Method.GET, "/invoices", offers, policy=RoutePolicy(balance=balance))
    exchange.offers = offers
    (stage,) = stages_of(make_picks(figures, Balancing(figures)), exchange.route)

    def run() -> int:
        for _ in range(BATCH):
            stage(exchange)
        return BATCH

    return run


def draws(count: int) -> Callable[[], int]:
    """Return a function that draws a thousand times among so many, and says how often."""
    offers = [Instance("billing", f"b{slot}", slot, 0.0).offer(ENDPOINT) for slot in range(count)]

    def run() -> int:
        for _ in range(BATCH):
            random.choice(offers)
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
    work = {
        "random.choice of 4": draws(4),
        "two choices of 4": chooses(4),
        "two choices of 64": chooses(64),
        "two choices of 4, uneven": chooses(4, is_uneven=True),
        "least loaded of 4": chooses(4, Balance(policy=BalancePolicy.LEAST_LOADED)),
        "round robin of 4": chooses(4, Balance(policy=BalancePolicy.ROUND_ROBIN)),
        "consistent hashing of 4": chooses(4, Balance(policy=BalancePolicy.CONSISTENT_HASH, key=BY_ADDRESS)),
    }
    print(json.dumps([{name: time_round(run) for name, run in work.items()} for _ in range(rounds)]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
