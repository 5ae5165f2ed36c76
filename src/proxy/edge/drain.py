"""Draining the edge: nothing new, no storm, nothing cut that can still end.

Clients' connections are told to close within a spread of time, each at a random moment: those that are idle then, at
once, the others with their next answer. When the time is over, what is still in progress is given up.
"""

import logging
from collections.abc import Callable
from typing import Final

import trio

from frames.wire import Wire
from frames.wire_values import SocketKind
from proxy.edge.express import ExpressLane
from proxy.edge.task.lane import TaskLane

_log = logging.getLogger("penstock.gateway")

POLL_S: Final = 0.02
LAST_WORDS_S: Final = 1.0
"""How long those that are given up may take to tell their clients."""


async def drain_edge(
    wire: Wire,
    lane: ExpressLane,
    tasks: TaskLane,
    timeout_s: float,
    spread_s: float,
    *,
    give_up_parked: Callable[[], int] = lambda: 0,
) -> None:
    """Stop listening, and wait until every client has gone, or the time is over. Then give up what is left.

    give_up_parked: does so with those that are parked, and returns how many they were.
    """
    wire.stop_listening(SocketKind.EDGE)
    wire.drain_edge(round(spread_s * 1000))
    tasks.drain()
    with trio.move_on_after(timeout_s) as scope:
        while wire.counters()["edge_open_now"]:  # noqa: ASYNC110 - connections end in C, where no event is set
            await trio.sleep(POLL_S)
    if not scope.cancelled_caught:
        return
    parked = give_up_parked()  # first: whoever is told of one may send another
    left = [*wire.sent_exchanges(), *lane.waiting]
    count = len(left) + tasks.in_progress + parked
    _log.warning("%d requests were still in progress after %g s and are given up", count, timeout_s)
    for exchange in left:
        lane.shut_down(exchange)
    tasks.give_up_all()
    with trio.move_on_after(LAST_WORDS_S):
        while tasks.in_progress:  # noqa: ASYNC110 - seldom, and once
            await trio.sleep(POLL_S)
