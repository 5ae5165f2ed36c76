"""The fleet, put together: whom to ask, and what the gateway knows of each instance and of itself."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import trio

from frames.greeting import STATUS
from frames.limits import OPENAPI_ENDPOINT
from proxy import __version__
from proxy.errors import NO_INSTANCE, SERVICE_FEATURE_UNSUPPORTED
from proxy.fanout.asking import Question
from proxy.fanout.fleet import Fleet, Known, question
from proxy.gateway.bounds import own_index
from proxy.overview.breaker_words import instance_text
from proxy.overview.lists import why
from proxy.request.stage import Answer
from proxy.targets.instance import Instance

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway

_NOT_TOLD: Final = Answer(SERVICE_FEATURE_UNSUPPORTED)
_NOT_THERE: Final = Answer(NO_INSTANCE)


def make_fleet(gateway: "Gateway") -> Fleet:
    """Return what makes the page."""
    return Fleet(
        gateway.own.asker,
        instances=lambda service: [_known(gateway, each) for each in _sorted(gateway.registry.instances, service)],
        gateway=lambda: _itself(gateway),
        flush=gateway.wire.flush_soon,
    )


def _sorted(instances: Iterable[Instance], service: str) -> list[Instance]:
    wanted = [each for each in instances if service in ("", each.service)]
    return sorted(wanted, key=lambda each: (each.service, each.instance, each.connection))


def _known(gateway: "Gateway", instance: Instance) -> Known:
    wire, slot, now = gateway.wire, instance.slot, trio.current_time()
    row = {
        "service": instance.service,
        "instance": instance.instance,
        "version": instance.version,
        "region": instance.region,
        "health": instance.health.value,
        "why": why(instance, now) or instance_text(instance, now),
    }
    metrics = {
        "in_flight": wire.in_flight[slot],
        "latency_us": round(wire.latency_us[slot]),
        "load_percent": None if instance.reported_load is None else instance.reported_load / 100,
        "unsent_bytes": wire.unsent[slot],
        "connected_s": round(max(0.0, now - instance.connected_at), 1),
    }
    return Known(row, metrics, _question(gateway, instance))


def _question(gateway: "Gateway", instance: Instance) -> Question | Answer:
    if instance.said is None or instance.is_dormant:
        return _NOT_THERE
    if STATUS not in instance.said.features:
        return _NOT_TOLD
    return question(instance.connection, OPENAPI_ENDPOINT, own_index(gateway.configured.config))


def _itself(gateway: "Gateway") -> dict[str, Any]:
    reasons = gateway.overview.not_ready()
    return {
        "instance": gateway.name,
        "version": __version__,
        "ready": not reasons,
        "reasons": reasons,
        "in_flight": gateway.wire.counters()["exchanges_now"],
    }
