"""The numbers of one moment, taken from the parts of a gateway for /metrics."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import trio

from frames.frame import Method
from frames.latency_sums import Times
from proxy import __version__
from proxy.admin import process
from proxy.admin.figures import (
    BalanceFigures,
    BodyFigures,
    CacheFigures,
    CallFigures,
    DialledFigures,
    FanOutFigures,
    Figures,
    HedgeFigures,
    IdentityFigures,
    InstanceFigures,
    IssuerFigures,
    KeyFigures,
    RateFigures,
    RegistryFigures,
    ReloadFigures,
    RetryFigures,
    RouteFigures,
    TlsFigures,
)
from proxy.admin.traffic_figures import SeriesBounds, WorkerFigures, WorkforceFigures
from proxy.edge.forwarded import Doubt
from proxy.edge.secured import Secured
from proxy.overview.lists import in_flight_of, in_slices
from proxy.overview.outputs import output_figures
from proxy.overview.revision import revision
from proxy.overview.times import Past, distribution, loop_figures, past_with
from proxy.route.table import Route
from proxy.targets.instance import Instance

if TYPE_CHECKING:
    from proxy.config.reload import Reloader
    from proxy.gateway.app import Gateway


FIGURES_SLICE_S: Final = 0.0001
"""Of taking figures: Prometheus asks for them again and again, day and night."""


async def figures_of(
    gateway: "Gateway", routes: Sequence[Route], secured: Secured | None, *, is_ready: bool
) -> Figures:
    """Return the numbers of now; those of routes in small steps, since they may be ten thousand."""
    wire, bodies, metrics = gateway.wire, gateway.bytes_in_flight, gateway.configured.config.metrics

    connections: dict[Instance, list[int]] = {}
    for number, instance in gateway.registry.instances_by_connection().items():
        connections.setdefault(instance, []).append(number)

    def route_figures(route: Route) -> RouteFigures:
        return RouteFigures(
            method=Method(route.method).name,
            path=route.template,
            statuses=wire.route_statuses(route.index),
            latency=distribution(wire, Times.ROUTE_LATENCY, route.index),
            shares=_shares(route) if route.policy.split is not None else {},
            service=route.service,
            total=distribution(wire, Times.ROUTE_TOTALS, route.index),
            gateway=distribution(wire, Times.ROUTE_GATEWAY, route.index),
            reasons=gateway.counts.of_route(route.index),
            in_flight=wire.route_in_flight[route.index],
        )

    def instance_figures(instance: Instance) -> InstanceFigures:
        past = instance.past
        for connection in connections.get(instance, ()):
            past = past_with(wire, past, connection)
        past = past or Past()
        return InstanceFigures(
            instance.service,
            instance.health.value,
            in_flight_of(wire, instance),
            instance.version,
            instance.instance,
            statuses=past.statuses,
            latency=past.latency,
        )

    return Figures(
        routes=await in_slices(route_figures, routes, FIGURES_SLICE_S, gateway.overview.give_way),
        version=__version__,
        ready=is_ready,
        reasons=dict(gateway.counts),
        wire=wire.counters(),
        instances=await in_slices(
            instance_figures, gateway.registry.instances, FIGURES_SLICE_S, gateway.overview.give_way
        ),
        bodies=BodyFigures(gateway.tasks.in_progress, bodies.held, bodies.peak, bodies.refused),
        tls=_tls(secured),
        doubts={doubt.value: gateway.doubts.get(doubt, 0) for doubt in Doubt},
        balance=_balance(gateway),
        rates=_rates(gateway),
        identity=_identity(gateway),
        registry=_registry(gateway),
        dialled=_dialled(gateway),
        calls=_calls(gateway),
        fanouts=_fanouts(gateway),
        retries=_retries(gateway),
        hedges=_hedges(gateway),
        breakers=gateway.breaking.figures(),
        admission=gateway.admitting.figures(),
        reloads=_reloads(gateway.reloader),
        injected=dict(gateway.configured.injected),
        cache=_cache(gateway),
        keys=_keys(gateway),
        revision=await trio.to_thread.run_sync(revision),
        loop=loop_figures(wire),
        workforce=await _workforce(gateway),
        outputs=output_figures(gateway.recording.counts),
        bounds=SeriesBounds(metrics.routes_max, metrics.instances_max),
    )


async def _workforce(gateway: "Gateway") -> WorkforceFigures:
    """Return this process as the only one; who knows of several says more."""
    counters = gateway.wire.counters()
    return WorkforceFigures(
        workers=[
            WorkerFigures(
                "0",
                "draining" if gateway.is_draining else "serving",
                await trio.to_thread.run_sync(process.own_figures),
                counters["edge_open_now"],
                counters["exchanges_now"],
            )
        ]
    )


def _shares(route: Route) -> dict[str, float]:
    """Return what part of the buckets each version has now: that of a version without instances is the others'."""
    from proxy.route.split import BUCKETS

    splitting, shares, start = route.choice.split, Counter[str](), 0
    if splitting is None:
        return {}
    for end, offers in zip(splitting.bounds, splitting.offers, strict=True):
        version = route.choice.candidates_of(offers).version if offers else "none"
        shares[version] += (end - start) / BUCKETS
        start = end
    return dict(shares)


def _cache(gateway: "Gateway") -> CacheFigures:
    if "caching" not in gateway.answering.__dict__:
        return CacheFigures()
    caching = gateway.answering.caching
    kept, figures = caching.kept, caching.figures
    return CacheFigures(
        waiting=caching.waiting,
        answers=len(kept),
        byte_count=kept.byte_count,
        evicted=kept.evicted,
        invalidated=figures.invalidated,
        requests=dict(figures.outcomes),
        not_kept=dict(figures.not_kept),
        refreshes=dict(figures.refreshed),
    )


def _keys(gateway: "Gateway") -> KeyFigures:
    if "repeating" not in gateway.answering.__dict__:
        return KeyFigures()
    repeating = gateway.answering.repeating
    ledger, figures = repeating.ledger, repeating.figures
    return KeyFigures(
        known=len(ledger),
        in_flight=ledger.in_flight,
        byte_count=ledger.byte_count,
        evicted=ledger.evicted,
        failures=repeating.store.failures,
        requests={name: getattr(figures, name) for name in ("begun", "kept", "freed", "lost", "replayed")},
    )


def _tls(secured: Secured | None) -> TlsFigures:
    if secured is None:
        return TlsFigures()
    certificates, edge = secured
    return TlsFigures(
        handshakes=edge.handshakes,
        resumed=edge.resumed,
        sessions=edge.sessions_now,
        failures={cause.value: count for cause, count in edge.failures.items()},
        reloads=certificates.reloads,
        bad_reloads=certificates.bad_reloads,
        certificate_seconds_left=certificates.seconds_left(),
    )


def _balance(gateway: "Gateway") -> BalanceFigures:
    figures = gateway.configured.figures
    return BalanceFigures(figures.shares.starting, figures.tally["moved"], figures.tally["keyless"])


def _rates(gateway: "Gateway") -> RateFigures:
    counted = gateway.configured.rates.limiter.statistics()
    return RateFigures(counted.refused, counted.keys, counted.crowded, counted.failures)


def _identity(gateway: "Gateway") -> IdentityFigures:
    known = gateway.configured.identities.statistics()
    issuers = [
        IssuerFigures(name, each.keys, each.age_s, each.is_stale, each.fetches, each.failures)
        for name, each in known.keyrings.items()
    ]
    return IdentityFigures(known.known, known.refused, known.keys_missing, issuers)


def _registry(gateway: "Gateway") -> RegistryFigures:
    registered, carried = gateway.registry.statistics(), gateway.transport.statistics()
    return RegistryFigures(
        routes=registered.routes,
        hellos=registered.hellos,
        heartbeats=registered.heartbeats,
        replacements=registered.replacements,
        removals=registered.removals,
        faults={str(cause): count for cause, count in carried.faults.items()},
        slim=carried.slim,
        lists_asked=carried.lists_asked,
        silences=registered.silences,
    )


def _fanouts(gateway: "Gateway") -> FanOutFigures:
    """Of what was ever asked for: neither is there before it is first needed."""
    fan_outs, asker = (gateway.own.__dict__.get(name) for name in ("fan_outs", "asker"))
    if asker is None:
        return FanOutFigures()
    return FanOutFigures(
        in_flight=len(fan_outs) if fan_outs is not None else 0,
        legs_in_flight=asker.under_way,
        kept_bytes=fan_outs.kept.held_bytes if fan_outs is not None else 0,
        requests=dict(fan_outs.outcomes) if fan_outs is not None else {},
        legs=dict(asker.results),
    )


def _dialled(gateway: "Gateway") -> DialledFigures:
    told, addresses = gateway.pooling.statistics, len(gateway.configured.config.services.dial)
    if told is None:
        return DialledFigures(addresses)
    return DialledFigures(
        addresses=addresses,
        connections=told.connections,
        reached=told.reached,
        failures=told.failures,
        dormant=told.dormant,
        waiting=told.waiting,
        hits=told.hits,
        misses=told.misses,
        served=told.served,
        evictions=told.evictions,
        refusals=told.refusals,
    )


def _retries(gateway: "Gateway") -> RetryFigures:
    retrying = gateway.lane.attempts_made
    if retrying is None:
        return RetryFigures()
    from proxy.attempts.judging import LIMITS
    from proxy.attempts.retrying import Retrying
    from proxy.request.failure import FailureKind

    if not isinstance(retrying, Retrying):
        return RetryFigures()
    budgets = gateway.attempt_budgets
    return RetryFigures(
        waiting=len(retrying.waiting),
        sent={kind.value: retrying.sent[kind] for kind in FailureKind if kind is not FailureKind.NOBODY},
        limited={why.value: retrying.given_up[why] for why in LIMITS},
        left={service: budgets.left(service) for service in budgets},
    )


def _hedges(gateway: "Gateway") -> HedgeFigures:
    """Of what was ever made: nothing of it is there before."""
    hedging = getattr(gateway.lane.attempts_made, "hedging", None)
    if hedging is None:
        return HedgeFigures()
    from proxy.attempts.hedging import MADE

    made = {outcome.value: hedging.outcomes[outcome] for outcome in MADE}
    limits = {outcome.value: count for outcome, count in hedging.outcomes.items() if outcome not in MADE}
    return HedgeFigures(len(hedging), made, limits)


def _calls(gateway: "Gateway") -> CallFigures:
    own = gateway.own
    mirror = own.__dict__.get("mirror")  # neither is there before it is first needed
    copies = {name: 0 if mirror is None else getattr(mirror, name) for name in ("sent", "dropped", "failed")}
    relay = own.__dict__.get("relay")
    return CallFigures(
        in_flight=own.calls_in_flight,
        refused=gateway.transport.statistics().calls_refused + (relay.no_calls if relay is not None else 0),
        copies=copies,
        answered=dict(relay.answered) if relay is not None else {},
        not_answered=dict(relay.refused) if relay is not None else {},
    )


def _reloads(make: "Callable[[], Reloader] | None") -> ReloadFigures:
    if make is None:
        return ReloadFigures()
    reloader = make()
    return ReloadFigures(reloader.applied, reloader.refused, reloader.applied_at, reloader.revision)
