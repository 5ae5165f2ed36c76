"""What the settings mean for each part: the bounds that it is made with."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from frames.greeting import DIGEST, OPENAPI, STATUS, STREAMS, WORKERS
from frames.limits import HEARTBEATS_MISSED_MAX
from frames.wire_values import WireSettings
from penstock.settings.rate import RateLimit
from proxy.config import GatewayConfig
from proxy.edge.task.settings import TaskSettings
from proxy.targets.allow import AllowList
from proxy.targets.health import HealthThresholds
from proxy.transport.port import FramedSettings

if TYPE_CHECKING:
    from proxy.edge.forwarded import TrustedProxies
    from proxy.targets.breaker import BreakerSettings
    from proxy.targets.pool_values import PoolLimits

_ROUTES_MAX: Final = 65_536
"""WIRE_ROUTES_MAX of csrc/wire_values.h."""
_WATCHED_RECORDS: Final = 4_096
"""Some tens of milliseconds of full load: they are drained sooner."""


def wire_settings(config: GatewayConfig) -> WireSettings:
    """Return the bounds of the wire that the settings ask for."""
    edge = config.edge
    return WireSettings(
        edge_connections_max=edge.max_connections,
        framed_connections_max=config.services.max_connections,
        exchanges_max=config.exchanges.max,
        routes_max=min(config.routes.max + 1, _ROUTES_MAX),  # the last counts what is no client's
        framed_output_bytes_max=config.services.output_bytes,
        head_ms=edge.head_timeout_ms,
        body_bytes_per_second=edge.body_rate_bytes_per_second,
        idle_ms=edge.idle_timeout_ms,
        idle_jitter_percent=round(edge.idle_jitter * 100),
        write_ms=edge.write_timeout_ms,
        linger_ms=edge.linger_ms,
        connection_requests_max=edge.connection_requests,
        connection_age_ms=edge.connection_age_ms,
        connection_bytes_max=edge.connection_bytes,
        connections_per_address_max=edge.connections_per_address,
        tls_handshake_ms=edge.tls_handshake_timeout_ms,
        keeps_malformed=edge.parsing == "tolerant",
        kept_bytes_max=config.retries.buffer_bytes,
        kept_total_bytes_max=config.retries.buffer_total_bytes,
        measures=config.metrics.enabled,
        recent_records=config.records.recent,
        notable_records=config.records.notable,
        watched_records=_WATCHED_RECORDS,
        slow_us=config.records.slow_ms * 1_000,
        head_bytes_max=edge.head_bytes,
        fields_max=edge.head_fields,
        target_bytes_max=edge.target_bytes,
        body_bytes_max=edge.body_bytes,
    )


def thresholds(config: GatewayConfig) -> HealthThresholds:
    """Return after how much silence a service is how."""
    services = config.services
    return HealthThresholds(
        heartbeat_s=services.heartbeat_ms / 1000,
        degraded_s=services.degraded_after_ms / 1000,
        unhealthy_s=services.unhealthy_after_ms / 1000,
        removed_s=services.removed_after_ms / 1000,
    )


def breaker_settings(config: GatewayConfig) -> "BreakerSettings":
    """Return when breakers open, and for how long."""
    from proxy.targets.breaker import BreakerSettings  # loaded with the first failure

    breakers = config.breakers
    return BreakerSettings(
        failures=breakers.failures,
        success_percent=breakers.success,
        requests=breakers.requests,
        requests_min=breakers.requests_min,
        silence_s=breakers.silence_ms / 1000,
        slow_factor=float(breakers.slow_factor),
        open_s=breakers.open_ms / 1000,
        open_max_s=breakers.open_max_ms / 1000,
        ramp_s=breakers.ramp_ms / 1000,
    )


def pool_limits(config: GatewayConfig) -> "PoolLimits":
    """Return the bounds of the pool. What nobody set is never above what it is to be under."""
    from proxy.targets.pool_values import PoolLimits  # what a gateway that dials nobody does not load

    pool = config.pool
    connections = min(pool.connections, config.services.max_connections)
    per_target = min(pool.per_target, connections)
    return PoolLimits(
        connections=connections,
        per_target=per_target,
        warm=min(pool.warm, per_target),
        grow_at=min(pool.grow_at, pool.in_flight),
        in_flight_max=pool.in_flight,
        waiting_max=pool.waiting,
        idle_s=pool.idle_ms / 1000,
        age_s=pool.age_ms / 1000,
        age_jitter=pool.age_jitter,
        silent_s=max(pool.silent_after_ms, HEARTBEATS_MISSED_MAX * config.services.heartbeat_ms) / 1000,
    )


def framed_settings(config: GatewayConfig, name: str) -> FramedSettings:
    """Return what the gateway says to services, and how long it waits for them."""
    return FramedSettings(
        gateway=name,
        heartbeat_s=config.services.heartbeat_ms / 1000,
        hello_s=config.services.hello_timeout_ms / 1000,
        drain_s=config.drain.timeout_ms / 1000,
        credit_bytes=config.services.credit_bytes,
        hello_rate=hello_rate(config),
        features=(STREAMS, DIGEST, OPENAPI, STATUS, WORKERS),
        advertised_host=config.services.advertised_host or None,
    )


def hello_rate(config: GatewayConfig) -> RateLimit:
    """Return how often one connection may say HELLO: a sixth of what is allowed in a minute at once."""
    per_minute = config.services.hello_rate_per_minute
    return RateLimit(per_minute, 60_000, max(1, per_minute // 6))


def allow_list(config: GatewayConfig) -> AllowList:
    """Return what judges whether a service is let in."""
    return AllowList(config.services.allow, config.services.token.reveal())


def trusted_proxies(config: GatewayConfig) -> "TrustedProxies | None":
    """Return who is believed about who asks; None where nobody is."""
    if not config.edge.trusted_proxies:
        return None
    from proxy.edge.forwarded import TrustedProxies  # what a gateway that trusts nobody does not load

    return TrustedProxies(config.edge.trusted_proxies)


def trusts(config: GatewayConfig) -> Callable[[str], bool]:
    """Return what tells whether an address is that of somebody who is believed."""
    proxies = trusted_proxies(config)
    return nobody_is_trusted if proxies is None else proxies.trusts


def nobody_is_trusted(_: str) -> bool:
    """Trust no address."""
    return False


def task_settings(config: GatewayConfig) -> TaskSettings:
    """Return the bounds of the task lane."""
    edge = config.edge
    return TaskSettings(
        call_bytes=edge.call_bytes,
        buffered_bytes=edge.buffered_bytes,
        body_bytes_per_second=edge.body_rate_bytes_per_second,
        grace_s=edge.head_timeout_ms / 1000,
        write_s=edge.write_timeout_ms / 1000,
        idle_s=edge.stream_idle_timeout_ms / 1000,
        window_bytes=config.services.credit_bytes,
        head_bytes=edge.head_bytes,
        head_fields=edge.head_fields,
        is_tolerant=edge.parsing == "tolerant",
        upgrades=frozenset(edge.upgrades),
    )


def own_index(config: GatewayConfig) -> int:
    """Return the index by which the wire counts what is no client's request: the one behind those of routes."""
    return min(config.routes.max, _ROUTES_MAX - 1)
