"""The path of a request that has waited: which stages it still has before it.

What was decided before may be wrong by then: routes are found anew, in the snapshot of now, and whoever was chosen is
chosen again. What was found out about the client, and what was counted, is not asked twice.
"""

from collections.abc import Collection, Sequence

from proxy.errors import INTERNAL
from proxy.request.exchange import Exchange
from proxy.request.snapshot import Snapshot
from proxy.request.stage import Answer, Await, Lane, Reply, Result, Stage

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
        connecting: Sequence[Stage] = (),
    ) -> None:
        """match: finds the route; rest: those after it, the last of which sends.

        choosing: of them, whether who asks may, and who gets it; connecting: by which connection, for which only those
        wait who were asked by a client.
        """
        self._match = tuple(match)
        self._order = {stage: place for place, stage in enumerate(rest)}
        self._send = rest[-1]
        self._calling = frozenset(choosing)
        self._choosing = self._calling.union(connecting)

    def choose_again(self, exchange: Exchange, snapshot: Snapshot) -> Found:
        """Choose an instance for a request that has waited for its body, by what is registered now.

        The route may be another one by now, so it is asked again whether it may be.
        """
        return self._run(exchange, snapshot, self._choosing)

    def go_on(self, exchange: Exchange, stage: Stage, snapshot: Snapshot) -> Found:
        """Run the stage that has waited, and those after it up to the choice, for a request whose head was matched."""
        place = self._order.get(stage, 0)
        return self._run(exchange, snapshot, {one for one, at in self._order.items() if at >= place})

    def after(self, exchange: Exchange, stage: Stage, snapshot: Snapshot) -> Result:
        """Run the stages behind one that has parked a request, up to the choice: None when an instance was chosen.

        Where the snapshot is another one by now, its route is found anew, and it is asked again whether it may be. A
        stage that this configuration has no more is taken for the last one before the choice.
        """
        wanted = self._behind(stage)
        if snapshot is exchange.snapshot:
            return self._run_until(exchange, wanted)
        exchange.snapshot = snapshot
        result = self._match_again(exchange)
        return self._run_until(exchange, wanted | self._choosing) if result is None else result

    def choose(self, exchange: Exchange) -> Answer | None:
        """Choose an instance for the call of a service, if it may be made. Its route and its caller are known."""
        found = self._run_stages(exchange, self._calling)
        return found if found is None or isinstance(found, Answer) else Answer(INTERNAL)

    def _run(self, exchange: Exchange, snapshot: Snapshot, wanted: Collection[Stage]) -> Found:
        exchange.snapshot = snapshot
        result = self._match_again(exchange)
        return self._run_stages(exchange, wanted) if result is None else _found(result)

    def _run_stages(self, exchange: Exchange, wanted: Collection[Stage]) -> Found:
        result = self._run_until(exchange, wanted)
        return None if result is None else _found(result)

    def _match_again(self, exchange: Exchange) -> Result:
        for stage in self._match:
            result = stage(exchange)
            if result is not None:
                return result
        return None

    def _run_until(self, exchange: Exchange, wanted: Collection[Stage]) -> Result:
        for stage in exchange.route.stages:
            result = stage(exchange) if stage in wanted and stage is not self._send else None
            if result is not None:
                return result
        return None

    def _behind(self, stage: Stage) -> frozenset[Stage]:
        """Return the stages behind one, which may be of a configuration before: then it is known by its name."""
        place = self._order.get(stage)
        if place is None:
            name = _name(stage)
            place = next((at for one, at in self._order.items() if _name(one) == name), None)
        if place is None:
            return self._choosing | self._behind(max(self._choosing, key=self._order.__getitem__))
        return frozenset(one for one, at in self._order.items() if at > place)


def _name(stage: Stage) -> str:
    return getattr(stage, "__qualname__", "")


def _found(result: Answer | Reply | Await | Lane) -> Found:
    """No stage before send asks for a task: the request has one."""
    return Answer(INTERNAL) if isinstance(result, Lane) else result
