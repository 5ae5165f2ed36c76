"""The path of a request that has waited: which stages it still has before it.

What was decided before may be wrong by then: routes are found anew, in the snapshot of now, and whoever was chosen is
chosen again. What was found out about the client, and what was counted, is not asked twice.
"""

from collections.abc import Collection, Sequence

from proxy.errors import INTERNAL
from proxy.exchange import Exchange
from proxy.snapshot import Snapshot
from proxy.stage import Answer, Stage


class Path:
    """The stages in their order, by what can be run again."""

    def __init__(
        self,
        match: Sequence[Stage],
        rest: Sequence[Stage],
        *,
        choosing: Sequence[Stage],
        of_calls: Sequence[Stage] = (),
    ) -> None:
        """match: finds the route; rest: those after it, the last of which sends; choosing: of them, who gets it.

        of_calls: beside those, what a service that calls another is held to.
        """
        self._match = tuple(match)
        self._order = {stage: place for place, stage in enumerate(rest)}
        self._send = rest[-1]
        self._choosing = frozenset(choosing)
        self._of_calls = self._choosing.union(of_calls)

    def choose_again(self, exchange: Exchange, snapshot: Snapshot) -> Answer | None:
        """Choose an instance for a request that has waited for its body, by what is registered now."""
        return self._run(exchange, snapshot, self._choosing)

    def go_on(self, exchange: Exchange, stage: Stage, snapshot: Snapshot) -> Answer | None:
        """Run the stage that has waited, and those after it up to the choice, for a request whose head was matched."""
        place = self._order.get(stage, 0)
        return self._run(exchange, snapshot, {one for one, at in self._order.items() if at >= place})

    def choose(self, exchange: Exchange) -> Answer | None:
        """Choose an instance for the call of a service, if it may be made. Its route and its caller are known."""
        return self._run_stages(exchange, self._of_calls)

    def _run(self, exchange: Exchange, snapshot: Snapshot, wanted: Collection[Stage]) -> Answer | None:
        exchange.snapshot = snapshot
        for stage in self._match:
            result = stage(exchange)
            if result is not None:
                return result if isinstance(result, Answer) else Answer(INTERNAL)
        return self._run_stages(exchange, wanted)

    def _run_stages(self, exchange: Exchange, wanted: Collection[Stage]) -> Answer | None:
        for stage in exchange.route.stages:
            result = stage(exchange) if stage in wanted and stage is not self._send else None
            if result is not None:
                return result if isinstance(result, Answer) else Answer(INTERNAL)
        return None
