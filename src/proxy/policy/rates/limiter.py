"""The limiter: asks the store whether a request may go on, and says what is to be answered where it may not.

All limits of a request must agree. One that is refused by any of them is counted by none, so that who asks too often by
one limit does not use up another. The answer is 429 with Retry-After, and with the fields of the draft
draft-ietf-httpapi-ratelimit-headers: RateLimit-Policy names the limits, RateLimit the one that refused.
"""

import logging
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from penstock.settings.rate import RateLimit
from penstock.telemetry.occasional import Occasional
from proxy.errors import RATE_LIMITED
from proxy.policy.rates.keys import route_name
from proxy.policy.rates.plan import Plan, Tally
from proxy.policy.rates.store import KEYS_MAX, MemoryStore, RateStore, Refused
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer

_log = logging.getLogger("penstock.rates")

TALLIES_MAX: Final = 4_096
"""Limits that are remembered: far more than are configured, and yet an end to what services may declare by and by."""

_NS_PER_S: Final = 1_000_000_000
_UNCOUNTED: Final = Answer(RATE_LIMITED, "Requests cannot be counted at the moment.")


class Standing(NamedTuple):
    """How a request stands with a limit. wait_s: until there is room for one more; 0 where there is."""

    limit: str
    scope: str
    remaining: int
    wait_s: float


class Statistics(NamedTuple):
    """refused: by scope and limit; keys: held, crowded: newcomers counted together, failures: of the store."""

    refused: dict[tuple[str, str], int]
    keys: int
    crowded: int
    failures: int


class RateLimiter:
    """Counts by plans. One serves all stages, so that all keys are within one bound."""

    def __init__(
        self,
        store: RateStore | None = None,
        *,
        keys_max: int = KEYS_MAX,
        clock: Callable[[], int] = time.monotonic_ns,
        is_open_on_failure: bool = True,
    ) -> None:
        """Begin with nothing counted.

        store: in memory where none is given, with so many keys. clock: nanoseconds; a wall clock's jumps are none of
        its. Should it go back nevertheless, no time passes until it goes on. is_open_on_failure: what a store that
        fails lets through.
        """
        self.store: RateStore = MemoryStore(keys_max) if store is None else store
        self.is_open_on_failure = is_open_on_failure
        self.failures = 0
        self._clock = clock
        self._last_ns = clock()
        self._ahead_ns = 0  # of the clock, by what it has gone back
        self._tallies: dict[tuple[str, RateLimit], Tally] = {}
        self._failed = Occasional()

    def plan(self, scope: str, limits: tuple[RateLimit, ...], *, route: bytes | None = None) -> Plan:
        """Return the plan for limits; each counts once. scope: whose they are; route: of the one that it is for."""
        return Plan([self._tally(scope, limit) for limit in dict.fromkeys(limits)], route=route)

    def plan_of(self, exchange: Exchange) -> Plan:
        """Return the plan of a request's route, which remembers it."""
        route = exchange.route
        plan: Plan | None = route.rates
        if plan is None:
            plan = self.plan(f"service {route.service}", route.policy.rate_limits, route=route_name(exchange))
            route.rates = plan
        return plan

    def change(self, *, keys_max: int, is_open_on_failure: bool) -> None:
        """Go on with other bounds. keys_max: of a store in memory."""
        self.is_open_on_failure = is_open_on_failure
        if isinstance(self.store, MemoryStore):
            self.store.keys_max = keys_max

    def check(self, exchange: Exchange, plan: Plan) -> Answer | None:
        """Count a request, or return the answer that refuses it."""
        now_ns = self._clock() + self._ahead_ns
        if now_ns < self._last_ns:
            now_ns = self._gone_back(now_ns)
        self._last_ns = now_ns
        caller = exchange.caller
        demands = caller.memo.get(plan) if caller is not None else None
        if demands is None:
            demands = plan.demands_of(exchange)
        try:
            refused = self.store.take(demands, now_ns)
        except Exception as error:
            return self._store_failed(error)
        return None if refused is None else _refusal(plan, refused)

    def peek(self, exchange: Exchange, plan: Plan) -> tuple[Standing, ...]:
        """Return how a request stands with each limit, without counting it. Raises what the store raises."""
        demands = plan.demands_of(exchange)
        now_ns = max(self._clock() + self._ahead_ns, self._last_ns)
        standings = []
        for tally, demand, ahead_ns in zip(plan.tallies, demands, self.store.peek(demands, now_ns), strict=True):
            _, interval_ns, tolerance_ns, _ = demand
            free_ns = tolerance_ns - ahead_ns
            remaining = max(0, free_ns // interval_ns + 1)
            standings.append(Standing(tally.text, tally.scope, remaining, max(0, -free_ns) / _NS_PER_S))
        return tuple(standings)

    def statistics(self) -> Statistics:
        """Return what was counted since the start."""
        store = self.store
        keys, crowded = (len(store), store.crowded) if isinstance(store, MemoryStore) else (0, 0)
        refused = {(tally.scope, tally.text): tally.refused for tally in self._tallies.values()}
        return Statistics(refused, keys, crowded, self.failures)

    def _tally(self, scope: str, limit: RateLimit) -> Tally:
        tally = self._tallies.get((scope, limit))
        if tally is None:
            if len(self._tallies) >= TALLIES_MAX:
                del self._tallies[next(iter(self._tallies))]
            tally = self._tallies[scope, limit] = Tally(scope, limit)
        return tally

    def _gone_back(self, now_ns: int) -> int:
        """Take note that the clock has gone back. What was counted stays as far ahead of now as it was."""
        self._ahead_ns += self._last_ns - now_ns
        return self._last_ns

    def _store_failed(self, error: Exception) -> Answer | None:
        self.failures += 1
        held_back = self._failed.held_back(type(error).__name__)
        if held_back is not None:
            effect = "let through uncounted" if self.is_open_on_failure else "refused"
            cause = type(error).__name__
            _log.error("the store of rates fails, so requests are %s: %s (%d more)", effect, cause, held_back)
        return None if self.is_open_on_failure else _UNCOUNTED


def _refusal(plan: Plan, refused: Refused) -> Answer:
    tally = plan.tallies[refused.place]
    tally.refused += 1
    wait_s = -(-refused.wait_ns // _NS_PER_S)  # above 0, so at least 1
    limit = f'"{tally.text}";r=0;t={wait_s}'.encode("ascii")
    headers = ((b"ratelimit-policy", plan.header), (b"ratelimit", limit))
    return Answer(RATE_LIMITED, f"The limit is {tally.text}.", headers, wait_s)
