"""Puts together what sends requests again: loaded with the first one that fails."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from proxy.attempts.budget import BudgetTerms
from proxy.attempts.budgets import AttemptBudgets
from proxy.attempts.retrying import Retrying
from proxy.config import GatewayConfig
from proxy.route.table import Route

if TYPE_CHECKING:
    from proxy.attempts.hedging import HedgeDelays, Hedging
    from proxy.gateway.app import Gateway
    from proxy.request.offer import Offer


def budget_terms(config: GatewayConfig) -> BudgetTerms:
    """Return how much may be sent again, by the settings."""
    retries = config.retries
    return BudgetTerms(percent=retries.budget, floor=retries.budget_floor, window_s=retries.budget_window_ms / 1000)


def make_budgets(gateway: "Gateway") -> AttemptBudgets:
    """Return the budgets of all services, which retries and hedges share."""
    wire, groups = gateway.wire, gateway.assembly.groups

    def requests_of(service: str) -> int:
        return wire.group_figures(groups.number(service)).requests

    return AttemptBudgets(
        budget_terms(gateway.configured.config), requests_of, trio.current_time, gateway.request_marks.of
    )


def make_retrying(gateway: "Gateway") -> Retrying:
    """Return who sends requests again."""
    wire, assembly = gateway.wire, gateway.assembly

    def route_of(index: int) -> Route | None:
        key = assembly.key(index)
        return None if key is None else assembly.route(key)

    def instance_of(connection: int) -> str:
        instance = gateway.registry.maybe_instance(connection)
        return instance.name if instance else ""

    def choose(offers: "Sequence[Offer]") -> "Offer | None":
        return gateway.configured.pipeline.balancing.pick(offers)

    def is_well(connection: int, gauge: int) -> bool:
        instance = gateway.registry.maybe_instance(connection)
        return instance is not None and instance.breaker is None and gauge not in instance.breakers

    def make_hedging() -> "Hedging":
        from proxy.attempts.hedging import Hedging

        return Hedging(
            wire,
            gateway.own.takers,
            gateway.attempt_budgets,
            gateway.bytes_in_flight,
            gateway.configured.notes,
            gateway.hedge_delays,
            instance_of=instance_of,
            is_well=is_well,
            connect=gateway.pooling.connection,
            choose=choose,
            settle=gateway.lane.settle,
            failed=gateway.lane.take_failure,
        )

    return Retrying(
        wire,
        gateway.attempt_budgets,
        gateway.bytes_in_flight,
        gateway.configured.notes,
        route_of=route_of,
        instance_of=instance_of,
        connect=gateway.pooling.connection,
        choose=choose,
        hedging=make_hedging,
    )


def is_hedge_due(gateway: "Gateway", exchange: int, connection: int) -> bool:
    """Whether the time of an attempt that is over is that for a hedge, and says nothing of its instance."""
    attempts = gateway.lane.attempts()
    return isinstance(attempts, Retrying) and attempts.is_hedge_due(exchange, connection)


def make_hedge_delays(gateway: "Gateway") -> "HedgeDelays":
    """Return what knows when requests are hedged: made by the first profile that says so."""
    from proxy.admin.latency import upper_bound_us
    from proxy.attempts.hedging import HedgeDelays

    return HedgeDelays(gateway.wire.route_latency, upper_bound_us, time.monotonic)
