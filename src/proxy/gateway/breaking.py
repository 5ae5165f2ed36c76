"""Where breakers meet the gateway: what fails is told to them, and who is out is told to the registry.

What decides is loaded when something fails for the first time, or when there are several instances to be compared.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

import trio

from frames.wire_values import EXPIRED_EARLY, LOST_UNSENT, Event, EventKind
from proxy.request.exchange import Exchange
from proxy.request.outcomes import FAILURE_STATUS, OutcomeKind, kind_of_refusal, kind_of_status
from proxy.request.stage import Stage, for_routes
from proxy.targets.instance import Change, RouteKey
from proxy.targets.registry import Registry

if TYPE_CHECKING:
    from frames.wire import Wire
    from proxy.admin.breaker_metrics import BreakerFigures
    from proxy.gateway.breaker_keeper import BreakerKeeper
    from proxy.route.table import Route
    from proxy.targets.breaker import BreakerSettings
    from proxy.targets.probe import Prober

_log = logging.getLogger("penstock.breakers")

Handler = Callable[[Event], None]
_US: Final = 1000


if TYPE_CHECKING:

    class Ramps(Protocol):
        """Who gives an instance that comes back a part of its share: `proxy.targets.shares.Shares`."""

        def set_ramp(self, slot: int, share: float, /) -> None:
            """Set the share of an instance, until it is 1."""
            ...

        def set_gauge(self, gauge: int, share: float, /) -> None:
            """Set the share of one endpoint of an instance, until it is 1."""
            ...


class Breaking:
    """Takes events of the batch, and ticks. ``settings`` may be set anew at any time."""

    def __init__(
        self,
        wire: "Wire",
        registry: Callable[[], Registry],
        ramps: "Callable[[], Ramps]",
        settings: "Callable[[], BreakerSettings]",
        *,
        route_of: "Callable[[RouteKey], Route | None]",
        on_change: Callable[[Change], None],
        is_hedge_due: Callable[[int, int], bool] = lambda exchange, connection: False,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """ramps: who gives shares, asked when it is first needed; settings: of now; route_of: the route of now.

        on_change: told what changes in the registry; is_hedge_due: whether the time of an attempt that is over is
        that after which there is another one beside it.
        """
        self._wire = wire
        self._registry = registry
        self._ramps = ramps
        self._settings = settings
        self._route_of = route_of
        self._on_change = on_change
        self._is_hedge_due = is_hedge_due
        self._clock = clock

        @for_routes(lambda route: route.choice is not None and route.choice.is_recovering)
        def probe(exchange: Exchange) -> None:
            self.prober.probe(exchange)

        self.stage: Stage = probe
        """The stage before pick."""

    @cached_property
    def keeper(self) -> "BreakerKeeper":
        """Who decides."""
        from proxy.gateway.breaker_keeper import BreakerKeeper

        return BreakerKeeper(self._wire, self._registry(), self._ramps(), self._settings(), self._route_of)

    @cached_property
    def prober(self) -> "Prober":
        """Who sends probes."""
        from proxy.targets.probe import Prober

        return Prober(self._wire.gauge_answers, self._clock)

    @property
    def is_loaded(self) -> bool:
        """Whether there has been anything to decide."""
        return "keeper" in self.__dict__

    def changed(self) -> None:
        """Follow other settings."""
        if self.is_loaded:
            self.keeper.breakers.settings = self._settings()

    def figures(self) -> "BreakerFigures":
        """Return the numbers of now."""
        from proxy.admin.breaker_metrics import BreakerFigures  # asked by people, now and then

        gauges = self._registry().gauges
        if not self.is_loaded:
            return BreakerFigures(gauges=len(gauges), gauges_missing=gauges.missing)
        keeper = self.keeper
        sent = {"sent": self.prober.sent} if "prober" in self.__dict__ else {}
        return BreakerFigures(
            states=keeper.states(),
            opened=dict(keeper.breakers.opened),
            failures=dict(keeper.breakers.failures),
            probes=sent | dict(keeper.breakers.probes),
            panics=dict(keeper.panics),
            panic_routes=dict(keeper.panicking),
            rescued=keeper.rescued,
            gauges=len(gauges),
            gauges_missing=gauges.missing,
        )

    # ---- from the batch, and from time ----

    def watching(self, handlers: Mapping[int, Handler]) -> dict[int, Handler]:
        """Return handlers of events that first tell here what failed: whoever sends it again should know who is out."""

        def watched(kind: EventKind, look: Callable[[Event], tuple[int, OutcomeKind, int]]) -> Handler:
            handle = handlers[kind]

            def take(event: Event) -> None:
                self.failed(*look(event), self._clock())
                handle(event)

            return take

        looks = {
            EventKind.ANSWERED: _look_at_answered,
            EventKind.LOST: self._look_at_lost,
            EventKind.EXPIRED: self._look_at_expired,
            EventKind.REFUSED: lambda event: (event[8], kind_of_refusal(event[3]), 0),
            EventKind.BAD_RESPONSE: lambda event: (event[7], OutcomeKind.BAD_RESPONSE, 0),
        }
        return {kind: watched(kind, look) for kind, look in looks.items()}

    def failed(self, gauge: int, kind: OutcomeKind, latency_us: int, now: float) -> None:
        """Take in what became of a request. latency_us: how long it took, 0 for unknown; now: of the clock of ticks."""
        if gauge:
            self._apply(self.keeper.failed(gauge, kind, latency_us, now))

    def told(self, gauge: int, kind: OutcomeKind, latency_us: int) -> None:
        """Take in what failed of what no event of the wire tells: `proxy.request.outcomes.Told`."""
        self.failed(gauge, kind, latency_us, self._clock())

    def tick(self, now: float) -> None:
        """Do what time does."""
        if self.is_loaded or len(self._registry().instances) > 1:
            self._apply(self.keeper.tick(now))
        if "prober" in self.__dict__:
            self.keeper.hurry(self.prober, now)

    def registered(self, change: Change) -> None:
        """Look whether all instances have to be used, after routes have changed."""
        if self.is_loaded:
            self.keeper.look_for_panic((*change.changed, *change.removed))

    def _look_at_lost(self, event: Event) -> tuple[int, OutcomeKind, int]:
        """Whose only connection is lost is forgotten in a moment, and what was not sent tells nothing."""
        instance = self._registry().maybe_instance(event[1])
        is_known = event[4] & LOST_UNSENT or instance is None or not instance.others
        return event[7], OutcomeKind.OTHER if is_known else OutcomeKind.LOST, 0

    def _look_at_expired(self, event: Event) -> tuple[int, OutcomeKind, int]:
        """How long was waited is asked where the client may have chosen the time. One that is with no service waits."""
        gauge = event[7] if event[1] else 0
        is_ours = event[4] & EXPIRED_EARLY
        if is_ours and self._is_hedge_due(event[0], event[1]):
            return 0, OutcomeKind.OTHER, 0  # it takes longer than most, which is no failure
        return gauge, OutcomeKind.EXPIRED, 0 if is_ours else max(1, self._wire.age_ms(event[0])) * _US

    def _apply(self, change: Change | None) -> None:
        if change is None:
            return
        for level, text in self.keeper.notes(change.moves):
            _log.log(level, "%s", text)
        self._on_change(change)


def _look_at_answered(event: Event) -> tuple[int, OutcomeKind, int]:
    """Good answers are told of what was sent again; the wire has counted them."""
    kind = kind_of_status(event[3])
    return event[7] if kind is not OutcomeKind.OTHER or event[3] >= FAILURE_STATUS else 0, kind, event[8]
