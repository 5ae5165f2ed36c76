"""The gateway's settings: every bound with its unit, its default and the reason for it.

Each field is an entry of the registry (see `penstock.settings.registry`): ``edge.head_timeout_ms`` here is
``edge.head_timeout`` in a file and ``PENSTOCK_EDGE_HEAD_TIMEOUT`` in the environment. `load_gateway` puts the sources
together and checks what no single value can tell: that thresholds are in order, that listeners do not collide, that
nobody is let in without a token. The edge's settings are in `proxy.settings_connections` and `proxy.settings_edge`.
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec

from penstock.settings import Address, Loaded, LogSettings, Registry, Secret, Setting, load
from penstock.settings.address import ListenAddress
from penstock.settings.allow import AllowMap
from penstock.settings.types import Count, Duration, SecretText, Size

from .config_checks import check_together
from .settings_edge import EdgeConfig

_MS = Duration("ms")
_silence = partial(Setting, _MS, at_least="100ms", at_most="24h")
_address = partial(Setting, ListenAddress())


class ServicesConfig(msgspec.Struct, frozen=True):
    """Where services dial in."""

    listen: Annotated[
        Address,
        _address(
            "127.0.0.1:7420", "where services dial in", "only this machine; any other address needs services.token"
        ),
    ]
    token: Annotated[
        Secret,
        Setting(
            SecretText(),
            "",
            "what a service must show to be let in",
            "none is needed on loopback, where only this machine can dial",
        ),
    ]
    max_connections: Annotated[
        int,
        Setting(
            Count(),
            "256",
            "connections from services at once",
            "one connection for each instance, with room to grow",
            at_least="1",
            at_most="4096",
        ),
    ]
    output_bytes: Annotated[
        int,
        Setting(
            Size(),
            "4MiB",
            "unsent bytes for each connection to a service",
            "a few of the largest frames; above, the service is overloaded",
            at_least="2MiB",
            at_most="256MiB",
        ),
    ]
    credit_bytes: Annotated[
        int,
        Setting(
            Size(),
            "128KiB",
            "what a service may send on a stream before the first CREDIT, and then ahead of what its client has read",
            "fills a network of 10 Gbit/s and 0.1 ms; what one slow reader can make the gateway hold",
            at_least="16KiB",
            at_most="16MiB",
        ),
    ]
    hello_timeout_ms: Annotated[
        int,
        Setting(
            _MS,
            "5s",
            "from connection to HELLO",
            "the protocol's limit from connection to HELLO",
            at_least="10ms",
            at_most="60s",
        ),
    ]
    heartbeat_ms: Annotated[
        int,
        Setting(
            _MS,
            "5s",
            "how often the gateway sends HEARTBEAT",
            "finds a hung peer in seconds and costs next to nothing",
            at_least="100ms",
            at_most="60s",
        ),
    ]
    degraded_after_ms: Annotated[
        int,
        _silence(
            "15s",
            "silence after which an instance is degraded",
            "three heartbeats lost: others are preferred from then on",
        ),
    ]
    unhealthy_after_ms: Annotated[
        int,
        _silence(
            "30s",
            "silence after which an instance is unhealthy",
            "six heartbeats lost: it gets nothing new from then on",
        ),
    ]
    removed_after_ms: Annotated[
        int,
        _silence(
            "90s",
            "silence after which an instance is removed",
            "long enough for a restart or a pause of the machine",
        ),
    ]
    allow: Annotated[
        Mapping[str, tuple[str, ...]],
        Setting(
            AllowMap(),
            "",
            "which service may register which path prefixes",
            "with none given, every service may register everything",
        ),
    ]


class AdminConfig(msgspec.Struct, frozen=True):
    """Where operators ask for /health, /ready and /metrics."""

    listen: Annotated[
        Address,
        _address(
            "127.0.0.1:9901",
            "where /health, /ready and /metrics are",
            "apart from the edge, so that no client reaches it by mistake",
        ),
    ]


class ExchangesConfig(msgspec.Struct, frozen=True):
    """Requests in progress."""

    max: Annotated[
        int,
        Setting(
            Count(),
            "65536",
            "requests in progress at once",
            "bounds the table's memory; a request above it is answered 503",
            at_least="1",
            at_most="1048576",
        ),
    ]


class RoutesConfig(msgspec.Struct, frozen=True):
    """What the services offer, all together."""

    max: Annotated[
        int,
        Setting(
            Count(),
            "4096",
            "endpoints of all services together",
            "bounds the memory of counts by route",
            at_least="1",
            at_most="65536",
        ),
    ]


class DrainConfig(msgspec.Struct, frozen=True):
    """Ending in good order."""

    timeout_ms: Annotated[
        int,
        Setting(
            _MS,
            "30s",
            "how long to wait at the end for what was begun",
            "the longest deadline: what was begun can end; then it is cancelled",
            at_most="1h",
        ),
    ]
    spread_ms: Annotated[
        int,
        Setting(
            _MS,
            "5s",
            "within which connections are told to close, each at a moment of its own; at most drain.timeout",
            "clients that are sent away together would come back together, elsewhere",
            at_most="1h",
        ),
    ]

    @property
    def spread_within_timeout_ms(self) -> int:
        """The spread, cut to the timeout: a default may be above a timeout that was lowered."""
        return min(self.spread_ms, self.timeout_ms)


class WireConfig(msgspec.Struct, frozen=True):
    """The batch loop."""

    linger_us: Annotated[
        int,
        Setting(
            Duration("us"),
            "200us",
            "how long a batch waits for more before it gives way to other work",
            "less than a network's delay, and batches grow under load",
            at_least="0us",
            at_most="5ms",
        ),
    ]


class GatewayConfig(msgspec.Struct, frozen=True):
    """All settings of the gateway, by section."""

    edge: EdgeConfig
    services: ServicesConfig
    admin: AdminConfig
    exchanges: ExchangesConfig
    routes: RoutesConfig
    drain: DrainConfig
    wire: WireConfig
    log: LogSettings


# Variables of services, which may be in the same environment and are no mistake there.
SERVICE_VARIABLES = ("PENSTOCK_GATEWAYS", "PENSTOCK_REGION", "PENSTOCK_INSTANCE", "PENSTOCK_SERVICE_")


def gateway_registry() -> Registry:
    """Return the registry of the gateway's settings."""
    return Registry(GatewayConfig, neighbours=SERVICE_VARIABLES)


def load_gateway(
    environment: Mapping[str, str] | None = None,
    *,
    flags: Mapping[str, str] | None = None,
    path: Path | None = None,
) -> Loaded[GatewayConfig]:
    """Return the gateway's settings, or raise `SettingsError`.

    environment: `os.environ` by default; flags: texts by setting name; path: of a settings file.

    ``load_gateway({}).settings`` are the defaults.
    """
    registry = gateway_registry()
    file = None
    if path is not None:
        from penstock.settings.file import read_settings_file

        file = read_settings_file(path, registry)
    return load(
        registry, os.environ if environment is None else environment, flags=flags, file=file, check=check_together
    )
