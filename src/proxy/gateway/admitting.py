"""Admission, put together: limits and lines where rules ask for them, and shedding, in one gateway.

Limits are loaded with the first rule that has one. Shedding looks at the gateway a few times a second, and puts its
stage into the path only while something is short.
"""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from frames.wire import Wire
from proxy.admission.pressure import SHARE_MAX
from proxy.admission.priority import Priority
from proxy.admission.shedding import LOOK_S, Shedding, Thresholds, make_shed
from proxy.admission.stages import make_limit_concurrency, priority_of
from proxy.config import GatewayConfig
from proxy.gateway.bounds import trusts
from proxy.policy.limits import BytesInFlight
from proxy.request.exchange import Exchange
from proxy.request.stage import Stage

if TYPE_CHECKING:
    from proxy.admin.figures import AdmissionFigures
    from proxy.admission.admitting import Admission, ParkingPort, Standing
    from proxy.route.table import Route

_BEFORE: Final = 2
"""Stages that come before shedding: so that its answers carry the ids that the client knows, and the head is read."""


class Admitting:
    """What decides in this gateway who goes on, while there is too much to do."""

    def __init__(
        self,
        wire: Wire,
        config: GatewayConfig,
        bytes_in_flight: BytesInFlight,
        *,
        parking: "Callable[[], ParkingPort]",
        swap: Callable[[], None],
    ) -> None:
        """swap: puts the stages into the path that `entry` returns by then."""
        self._wire = wire
        self._parking = parking
        self._swap = swap
        self._is_wanted = trio.Event()
        self._trusts = trusts(config)
        self.shedding = Shedding(_thresholds(config), lambda: bytes_in_flight.held)
        self._is_shedding = False
        self.holds = 0
        """How often accepting was held."""
        self.is_holding = False

    @cached_property
    def admission(self) -> "Admission":
        """Limits and lines; loaded with the first rule that has any."""
        from proxy.admission.admitting import Admission

        self._is_wanted.set()
        return Admission(self._wire, self._parking)

    def admission_if_any(self) -> "Admission | None":
        """Return it, if there was ever a rule for it."""
        return self.__dict__.get("admission")

    def stage(self, trusts: Callable[[str], bool]) -> Stage:
        """Return the stage that holds requests to their limits. trusts: whose x-priority is believed."""
        return make_limit_concurrency(self._wire, self.admission, trusts)

    def standing_of(self, route: "Route") -> "Standing | None":
        """Return how it stands with the limits of a route; None where it has none."""
        if route.policy.concurrency is None:
            return None
        return self.admission.standing(route.gate or self.admission.gate_of(route))

    def figures(self) -> "AdmissionFigures":
        """Return the numbers of now."""
        from proxy.admin.figures import AdmissionFigures, GateFigures

        admission, shedding = self.admission_if_any(), self.shedding
        tallies = admission.tallies if admission is not None else {}
        return AdmissionFigures(
            gates={
                (each.service, each.route): GateFigures(each.route_max, each.service_max, each.in_flight, each.waiting)
                for each in (admission.standings() if admission is not None else ())
            },
            waited={service: (tally.admitted, tally.waited_s) for service, tally in tallies.items()},
            refused={
                (service, cause.value): count
                for service, tally in tallies.items()
                for cause, count in tally.refused.items()
            },
            shed={short.value: count for short, count in shedding.shed.items()},
            shares={short.value: share / SHARE_MAX for short, share in shedding.shares.items()},
            delay_s=shedding.delay_s,
            holds=self.holds,
        )

    def entry(self, entry: Sequence[Stage]) -> tuple[Stage, ...]:
        """Return the stages up to match, with the one that sheds while anything is short."""
        if not self._is_shedding:
            return tuple(entry)
        return (*entry[:_BEFORE], make_shed(self.shedding, self._priority), *entry[_BEFORE:])

    def change(self, config: GatewayConfig) -> None:
        """Follow another configuration."""
        self._trusts = trusts(config)
        self.shedding.thresholds = _thresholds(config)

    def _priority(self, exchange: Exchange) -> Priority:
        return priority_of(exchange, Priority.NORMAL, self._trusts)

    async def run(self) -> NoReturn:
        """Learn limits, and look what is short, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._learn)
            await self._watch()

    async def _learn(self) -> NoReturn:
        await self._is_wanted.wait()
        await self.admission.run()

    async def _watch(self) -> NoReturn:
        steps, busy_s = self._wire.counters()["steps"], time.process_time()
        while True:
            due = trio.current_time() + LOOK_S
            await trio.sleep_until(due)
            late_s = trio.current_time() - due
            before, busy_before_s = steps, busy_s
            steps, busy_s = self._wire.counters()["steps"], time.process_time()
            self.look(late_s + (busy_s - busy_before_s) / max(1, steps - before))

    def look(self, delay_s: float) -> None:
        """Look what is short. delay_s: how late this comes, and how long others wait for a turn of the wire."""
        shedding = self.shedding
        shedding.look(delay_s)
        if shedding.is_on != self._is_shedding:
            self._is_shedding = shedding.is_on
            self._swap()
        if shedding.holds_connections != self.is_holding:
            self.is_holding = shedding.holds_connections
            self.holds += self.is_holding
            self._wire.hold_accepting(self.is_holding)


def _thresholds(config: GatewayConfig) -> Thresholds:
    shedding, bytes_max = config.shedding, config.edge.bytes_in_flight
    return Thresholds(
        queue_delay_s=shedding.queue_delay_ms / 1000,
        memory_bytes=shedding.memory_bytes,
        bytes_threshold=shedding.bytes_in_flight * bytes_max if shedding.bytes_in_flight < 1 else float("inf"),
        bytes_max=bytes_max,
    )
