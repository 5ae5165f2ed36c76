"""Times as histograms for /metrics: what the wire has counted, put together by their bounds."""

from collections.abc import Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from frames.latency_sums import COARSE, LatencySums, Times
from proxy.admin.metric_bounds import GATEWAY_BOUNDS_S, REQUEST_BOUNDS_S, TURN_BOUNDS_S, microseconds
from proxy.admin.traffic_figures import Distribution, LoopFigures

if TYPE_CHECKING:
    from frames.wire import Wire

_REQUESTS: Final = LatencySums(microseconds(REQUEST_BOUNDS_S))
_INSTANCES: Final = LatencySums(microseconds(REQUEST_BOUNDS_S), COARSE)
_GATEWAY: Final = LatencySums(microseconds(GATEWAY_BOUNDS_S), COARSE)
_TURNS: Final = LatencySums(microseconds(TURN_BOUNDS_S), COARSE)
_SUMS: Final = {
    Times.ROUTE_LATENCY: _REQUESTS,
    Times.ROUTE_TOTALS: _REQUESTS,
    Times.ROUTE_GATEWAY: _GATEWAY,
    Times.INSTANCE_LATENCY: _INSTANCES,
}


def distribution(wire: "Wire", what: Times, number: int) -> Distribution | None:
    """Return times of a route, or a framed connection; None where there are none, or they are not measured."""
    told = wire.times(what, number, _SUMS[what])
    return None if told is None else Distribution(told[0], told[1] / 1_000_000)


def added(distributions: Iterable[Distribution | None]) -> Distribution | None:
    """Return several as one; None where none is there."""
    there = [each for each in distributions if each is not None]
    if len(there) < 2:
        return there[0] if there else None
    within = [sum(column) for column in zip(*(each.within for each in there), strict=True)]
    return Distribution(within, sum(each.total for each in there))


class Past(NamedTuple):
    """Responses by status class, and times to respond."""

    statuses: tuple[int, ...] = (0,) * 6
    latency: Distribution | None = None


def past_with(wire: "Wire", past: Past | None, connection: int) -> Past:
    """Return what was counted before, and of a framed connection."""
    before = past or Past()
    statuses = wire.instance_statuses(connection)
    return Past(
        tuple(one + other for one, other in zip_longest(before.statuses, statuses, fillvalue=0)),
        added((before.latency, distribution(wire, Times.INSTANCE_LATENCY, connection))),
    )


def loop_figures(wire: "Wire") -> LoopFigures:
    """Return how batches went, where that is measured, and how many tasks there are."""
    tasks = trio.lowlevel.current_statistics().tasks_living
    if not wire.settings.measures:
        return LoopFigures(tasks=tasks)
    turns, (turn_counts, away_counts) = wire.turns(), wire.turn_times(_TURNS)
    batches, within = 0, []
    for count in turns.batch_requests:
        batches += count
        within.append(batches)
    return LoopFigures(
        turns=Distribution(turn_counts, turns.turn_sum_us / 1_000_000),
        away=Distribution(away_counts, turns.away_sum_us / 1_000_000),
        batches=Distribution(within, wire.counters()["requests"]),
        longest_turn_s=turns.turn_max_us / 1_000_000,
        longest_away_s=turns.away_max_us / 1_000_000,
        tasks=tasks,
    )
