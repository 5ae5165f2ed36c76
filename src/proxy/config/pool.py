"""Settings of the pool: connections to services that the gateway dials."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from frames.limits import HEARTBEATS_MISSED_MAX
from penstock.settings import Problem, Setting
from penstock.settings.types import Count, Duration, Fraction

from .listeners import conflict

_MS = Duration("ms")


class PoolConfig(msgspec.Struct, frozen=True):
    """How many connections there are to the services of services.dial, and for how long."""

    connections: Annotated[
        int,
        Setting(
            Count(),
            "256",
            "connections to dialled services at once, all together",
            "as many as services.max_connections; above, the longest unused makes room",
            at_least="1",
            at_most="4096",
        ),
    ]
    per_target: Annotated[
        int,
        Setting(
            Count(),
            "4",
            "connections to one dialled address at once, without those that are about to close",
            "one carries a thousand requests; more are for what stands in the way of one another on it",
            at_least="1",
            at_most="64",
        ),
    ]
    warm: Annotated[
        int,
        Setting(
            Count(),
            "1",
            "connections to each dialled address that stay open though nobody uses them; with 0, who is not asked for "
            "pool.idle has none, and the next request waits for a dial",
            "the first request after a quiet hour is as fast as any",
            at_least="0",
            at_most="64",
        ),
    ]
    grow_at: Annotated[
        int,
        Setting(
            Count(),
            "128",
            "requests in flight on each connection of an address from which one more is dialled",
            "what fills one connection's buffers in the kernel, at some kilobytes each",
            at_least="1",
            at_most="65536",
        ),
    ]
    in_flight: Annotated[
        int,
        Setting(
            Count(),
            "1024",
            "requests in flight on one connection at most; above, they wait in line, within their deadlines",
            "as many as an asynchronous service carries at once without being slower for all",
            at_least="1",
            at_most="65536",
        ),
    ]
    waiting: Annotated[
        int,
        Setting(
            Count(),
            "1024",
            "requests that wait for a connection, all together; above, they are answered 503 at once",
            "what a service that came back would answer in a second",
            at_least="0",
            at_most="65536",
        ),
    ]
    idle_ms: Annotated[
        int,
        Setting(
            _MS,
            "1m",
            "how long a connection above pool.warm stays open without a request",
            "over the pauses of ordinary traffic",
            at_least="1s",
            at_most="24h",
        ),
    ]
    age_ms: Annotated[
        int,
        Setting(
            _MS,
            "5m",
            "age at which a connection is replaced by a new one, which is dialled before the old one goes",
            "names that lead elsewhere by now, and load balancers in between, are noticed",
            at_least="1s",
            at_most="24h",
        ),
    ]
    age_jitter: Annotated[
        float,
        Setting(
            Fraction(),
            "10%",
            "how far each connection's age is drawn above or below",
            "connections that were dialled together are not replaced together",
            at_most="50%",
        ),
    ]
    silent_after_ms: Annotated[
        int,
        Setting(
            _MS,
            "15s",
            "silence after which a connection is not chosen, and is closed as soon as nothing is in flight on it",
            "three heartbeats lost, as with services.degraded_after",
            at_least="300ms",
            at_most="1h",
        ),
    ]
    connect_timeout_ms: Annotated[
        int,
        Setting(
            _MS,
            "1s",
            "how long a dial may take, with TLS, but without HELLO",
            "services are near; who does not accept within a second is not there",
            at_least="10ms",
            at_most="60s",
        ),
    ]


_ORDER = (
    ("pool.warm", "pool.per_target", "so many are never open"),
    ("pool.per_target", "pool.connections", "so many are never open"),
    ("pool.grow_at", "pool.in_flight", "none would be dialled before requests wait"),
)
"""The smaller, the larger, and why it must be so."""


def check_pool(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with values that are right one by one; one that nobody set is lowered where it must be."""
    problems = [
        conflict(small, large, origins, f"{values[small]} is more than {large}, {values[large]}: {why}", "lower it")
        for small, large, why in _ORDER
        if values[small] > values[large] and origins[small] != "default"
    ]
    least, silent = HEARTBEATS_MISSED_MAX * values["services.heartbeat"], values["pool.silent_after"]
    if silent < least and origins["pool.silent_after"] != "default":
        why = f"{_MS.render(silent)} is less than {HEARTBEATS_MISSED_MAX} heartbeats: a late one would count"
        fix = f"set it to at least {_MS.render(least)}"
        problems.append(conflict("pool.silent_after", "services.heartbeat", origins, why, fix))
    needed = values["pool.warm"] * len(values["services.dial"])
    if needed > values["pool.connections"]:
        why = f"{len(values['services.dial'])} services with {values['pool.warm']} warm connections need {needed}"
        problems.append(conflict("pool.connections", "pool.warm", origins, why, "raise it, or lower pool.warm"))
    return problems
