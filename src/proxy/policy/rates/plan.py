"""A plan: the limits that hold for a request, made ready to be counted by.

A limit that does not name the route among its keys is counted over all routes of one service that have the same limit:
`100/s by tenant` in a rule for `/invoices` means 100 a second of each tenant for all that is below it.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from penstock.settings.rate import RateKey, RateLimit
from proxy.policy.rates.keys import Value, digest, value_of
from proxy.policy.rates.store import Demand
from proxy.request.caller import remember
from proxy.request.exchange import Exchange

_NS_PER_MS: Final = 1_000_000
_CROWD: Final = b"\0crowd"


class Tally:
    """How often a limit refused, and what it is. scope: whose it is, a service or the gateway."""

    __slots__ = ("limit", "refused", "scope", "text")

    def __init__(self, scope: str, limit: RateLimit) -> None:
        self.scope = scope
        self.limit = limit
        self.text = str(limit)
        self.refused = 0

    def __repr__(self) -> str:
        """All of it on one line."""
        return f"<Tally {self.text} of {self.scope}, refused {self.refused}>"


_OF_CALLER: Final = frozenset((RateKey.ROUTE, RateKey.TENANT, RateKey.PRINCIPAL))


class Plan:
    """demands_of: what is asked of the store for a request; tallies: of each demand; header: RateLimit-Policy.
    What depends on the caller alone is kept with the caller.
    """

    __slots__ = ("_is_by_caller", "_make", "header", "tallies")

    def __init__(self, tallies: Iterable[Tally], *, route: bytes | None = None) -> None:
        """Make ready. route: the name of the one route, where the plan is that route's."""
        self.tallies = tuple(tallies)
        self.header = ", ".join(_policy(tally) for tally in self.tallies).encode("ascii")
        self._make = _demands_of([_part(tally, route) for tally in self.tallies])
        self._is_by_caller = all(
            _OF_CALLER.issuperset(tally.limit.keys) and (route is not None or RateKey.ROUTE not in tally.limit.keys)
            for tally in self.tallies
        )

    def demands_of(self, exchange: Exchange) -> tuple[Demand, ...]:
        """Return what is asked of the store for a request."""
        caller = exchange.caller
        if caller is None or not self._is_by_caller:
            return self._make(exchange)
        demands: tuple[Demand, ...] | None = caller.memo.get(self)
        if demands is None:
            demands = self._make(exchange)
            remember(caller, self, demands)
        return demands


def interval_ns(limit: RateLimit) -> int:
    """Return what one request takes of a limit's time: rounded up, so that no rounding lets more through."""
    return -(-limit.period_ms * _NS_PER_MS // limit.requests)


class _Part(NamedTuple):
    """What the demand of one limit is made of. value: None where it is the same for all requests."""

    prefix: bytes
    value: Value | None
    interval_ns: int
    tolerance_ns: int

    @property
    def fixed(self) -> Demand:
        """The demand for all requests."""
        return self.prefix, self.interval_ns, self.tolerance_ns, self.prefix


def _part(tally: Tally, route: bytes | None) -> _Part:
    limit = tally.limit
    keys, name = limit.keys, f"{tally.scope}\n{tally.text}".encode()
    if route is not None and RateKey.ROUTE in keys:
        keys, name = tuple(key for key in keys if key is not RateKey.ROUTE), name + b"\n" + route
    interval = interval_ns(limit)
    return _Part(digest(name), value_of(keys), interval, (limit.burst - 1) * interval)


def _demands_of(parts: list[_Part]) -> Callable[[Exchange], tuple[Demand, ...]]:
    """Return what makes the demands of a request. Most have one, for which it is the shortest way."""
    if all(part.value is None for part in parts):
        fixed = tuple(part.fixed for part in parts)
        return lambda exchange: fixed
    makers = [_maker(part) for part in parts]
    return makers[0] if len(makers) == 1 else lambda exchange: tuple([make(exchange)[0] for make in makers])


def _maker(part: _Part) -> Callable[[Exchange], tuple[Demand]]:
    prefix, value, interval, tolerance = part
    if value is None:
        fixed = (part.fixed,)
        return lambda exchange: fixed
    crowd = prefix + _CROWD
    return lambda exchange: ((prefix + value(exchange), interval, tolerance, crowd),)


def _policy(tally: Tally) -> str:
    """Return an item of RateLimit-Policy: the limit by its text, its quota, and the window in seconds."""
    return f'"{tally.text}";q={tally.limit.requests};w={tally.limit.period_ms // 1_000}'
