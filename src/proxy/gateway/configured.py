"""What the configuration makes, and makes anew when it changes: stages, terms of routes, identities, limits, placement.

A change is prepared whole, beside the traffic, and whatever is wrong with it is told before anything is changed. Then
all of it is swapped within one turn of the event loop, so that no request sees half of it.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import trio

from frames.template import template_shape
from frames.wire import Wire
from penstock.settings import Problem, SettingsError
from proxy.attempts.notes import Notes
from proxy.config import GatewayConfig
from proxy.config.rule import Rule
from proxy.gateway.assembly import Assembly
from proxy.gateway.pipeline import Parts, Pipeline, make_pipeline
from proxy.gateway.terms import Registered, Terms
from proxy.policy.identity.identities import Identities
from proxy.policy.identity.prepare import prepare_identities
from proxy.policy.rates.stages import Rates
from proxy.request.route_policy import Access
from proxy.request.snapshot import Limits
from proxy.request.stage import Stage
from proxy.route.hosts import HostRules
from proxy.route.placement import make_offers_of_tenant
from proxy.route.placement_file import FilePlacement, read_maps
from proxy.route.regions import Regions
from proxy.route.rules import Policies
from proxy.route.table import RouteError
from proxy.targets.pick import Figures
from proxy.targets.shares import Shares

if TYPE_CHECKING:
    from proxy.attempts.hedging import HedgeDelays
    from proxy.attempts.profiles import Profile
    from proxy.edge.forwarded import Doubt
    from proxy.fanout.plan import FanOutPlan
    from proxy.request.parked import Parking
    from proxy.targets.instance import RouteKey

WHOLE_PERCENT: Final = 100.0


class Configured:
    """The parts that follow the configuration. ``config`` is what they follow now."""

    def __init__(
        self,
        config: GatewayConfig,
        wire: Wire,
        doubts: "dict[Doubt, int]",
        mirror: Stage,
        parking: "Callable[[], Parking]",
        probe: Stage,
        *,
        fanout: Stage,
        connect: Stage,
        hedge_delays: "Callable[[], HedgeDelays]",
        admission: Callable[[Callable[[str], bool]], Stage] | None = None,
        answers: Callable[[GatewayConfig], tuple[Stage, ...]] = lambda config: (),
    ) -> None:
        """Make them. mirror: the stage behind send; parking: where exchanges are parked; probe: the stage before pick;
        fanout: the stage of routes that ask several; connect: the stage behind pick; hedge_delays: when requests are
        hedged, loaded with the first of them;
        answers: the stages of what keeps answers; admission: makes what holds requests to limits.

        Raises `SettingsError` for files that the configuration names and that are wrong.
        """
        self.config = config
        self.identities = Identities(prepare_identities(config.identity))
        self.rates = Rates(keys_max=config.rates.keys_max, is_open_on_failure=config.rates.on_store_failure == "open")
        self.placement = FilePlacement(config.placement.maps)
        self.placement.load()
        self.figures = Figures(wire.in_flight, wire.latency_us, Shares(len(wire.in_flight)), Counter())
        self.injected: Counter[tuple[str, str]] = Counter()
        """How often a fault was injected on purpose, by service and kind."""
        self.notes = Notes()
        self.parts = Parts(
            wire,
            doubts,
            self.identities,
            self.rates,
            self.placement,
            mirror,
            parking,
            self.figures,
            self.injected,
            self.notes,
            probe=probe,
            fanout=fanout,
            connect=connect,
            answers=answers,
            hedge_delays=hedge_delays,
            admission=admission,
        )
        self.offers_of_tenant = make_offers_of_tenant(self.placement)
        self.pipeline = make_pipeline(config, self.parts)
        self.terms = make_terms(config, self.pipeline)
        _tell_faults(config)

    async def change(
        self,
        config: GatewayConfig,
        assembly: Assembly,
        registered: Callable[[], Registered],
        swapped: Callable[[], None],
    ) -> None:
        """Follow another configuration. registered: what is now; swapped: called when all is swapped, to go on by it.

        Raises:
            SettingsError: something in it, or in a file that it names, is wrong; nothing was changed.
        """
        identities = await trio.to_thread.run_sync(prepare_identities, config.identity)
        maps = await trio.to_thread.run_sync(read_maps, config.placement.maps)
        problems = self.placement.check(maps)
        if problems:
            raise SettingsError(problems)
        pipeline = make_pipeline(config, self.parts)
        terms = make_terms(config, pipeline)

        def swap() -> None:  # nothing waits in it, and nothing fails
            self.config, self.pipeline, self.terms = config, pipeline, terms
            self.identities.swap(identities)
            self.placement.paths = config.placement.maps
            self.placement.swap(maps)
            self.rates.change(
                keys_max=config.rates.keys_max, is_open_on_failure=config.rates.on_store_failure == "open"
            )
            swapped()
            _tell_faults(config)

        try:
            await assembly.replace(terms, registered, swap)
        except RouteError as error:
            raise SettingsError([_contested(error)]) from None


def make_terms(config: GatewayConfig, pipeline: Pipeline) -> Terms:
    """Return what holds for routes by a configuration."""
    return Terms(
        stages=pipeline.rest,
        limits=Limits(config.edge.deadline_ms, config.edge.deadline_max_ms),
        hosts=HostRules(config.routes.hosts),
        regions=Regions(
            config.regions.own, config.regions.neighbours, panic_part=config.breakers.panic / WHOLE_PERCENT
        ),
        policies=Policies(_rules(config), undeclared=Access(config.identity.undeclared)),
        profiles=_profiles(config),
        fanouts=_fanouts(config),
    )


def _fanouts(config: GatewayConfig) -> "Mapping[RouteKey, FanOutPlan]":
    if not config.fanouts:
        return {}
    from proxy.config.fanouts import make_plans  # what a gateway without fan-outs does not load

    return {(plan.method, template_shape(plan.path), plan.service): plan for plan in make_plans(config.fanouts)}


def _profiles(config: GatewayConfig) -> "Mapping[str, Profile] | None":
    if not config.retries.profiles:
        return None
    from proxy.config.retry_profiles import make_profiles  # what a gateway without profiles of its own does not load

    return make_profiles(config.retries.profiles)


def _rules(config: GatewayConfig) -> tuple[Rule, ...]:
    if not config.rules:
        return ()
    from proxy.config.rules import make_rules  # what a gateway without rules does not load

    return make_rules(config.rules)


def _tell_faults(config: GatewayConfig) -> None:
    """Say in the log that faults are on, and which: nobody is to look for their cause elsewhere."""
    if not config.faults.enabled:
        return
    from proxy.faults.telling import tell_faults

    tell_faults(_rules(config))


def _contested(error: RouteError) -> Problem:
    """Two services that hosts told apart until now would have one path."""
    fix = "give the two services different hosts, or take the path from one of them"
    return Problem("route_contested", "routes.hosts", "what services have registered", str(error), fix)
