"""The path of a request that has waited: which stages it still has before it.

What was decided before may be wrong by then: routes are found anew, in the snapshot of now, and whoever was chosen is
chosen again. What was found out about the client, and what was counted, is not asked twice.
"""

from collections.abc import Collection, Sequence

from proxy.errors import INTERNAL
from proxy.exchange import Exchange
from proxy.snapshot import Snapshot
from proxy.stage import Answer, Await, Lane, Reply, Stage

Found = Answer | Reply | Await | None
"""What the stages have found: None when an instance was chosen."""


class Path:
    """The stages in their order, by what can be run again."""

    def __init__(
        self,
        match: Sequence[Stage],
        rest: Sequence[Stage],
        *,
        choosing: Sequence[Stage],
    ) -> None:
        """match: finds the route; rest: those after it, the last of which sends.

        choosing: of them, whether who asks may, and who gets it.
        """
        self._match = tuple(match)
        self._order = {stage: place for place, stage in enumerate(rest)}
        self._send = rest[-1]
        self._choosing = frozenset(choosing)

    def choose_again(self, exchange: Exchange, snapshot: Snapshot) -> Found:
        """Choose an instance for a request that has waited for its body, by what is registered now.

        The route may be another one by now, so it is asked again whether it may be.
        """
        return self._run(exchange, snapshot, self._choosing)

    def go_on(self, exchange: Exchange, stage: Stage, snapshot: Snapshot) -> Found:
        """Run the stage that has waited, and those after it up to the choice, for a request whose head was matched."""
        place = self._order.get(stage, 0)
        return self._run(exchange, snapshot, {one for one, at in self._order.items() if at >= place})

    def choose(self, exchange: Exchange) -> Answer | None:
        """Choose an instance for the call of a service, if it may be made. Its route and its caller are known."""
        found = self._run_stages(exchange, self._choosing)
        return found if found is None or isinstance(found, Answer) else Answer(INTERNAL)

    def _run(self, exchange: Exchange, snapshot: Snapshot, wanted: Collection[Stage]) -> Found:
        exchange.snapshot = snapshot
        for stage in self._match:
            result = stage(exchange)
            if result is not None:
                return _found(result)
        return self._run_stages(exchange, wanted)

    def _run_stages(self, exchange: Exchange, wanted: Collection[Stage]) -> Found:
        for stage in exchange.route.stages:
            result = stage(exchange) if stage in wanted and stage is not self._send else None
            if result is not None:
                return _found(result)
        return None


def _found(result: Answer | Reply | Await | Lane) -> Found:
    """No stage before send asks for a task: the request has one."""
    return Answer(INTERNAL) if isinstance(result, Lane) else result
