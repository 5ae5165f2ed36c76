"""The gateway's settings: every bound with its unit, its default and the reason for it.

Each field is an entry of the registry (see `penstock.settings.registry`): ``edge.head_timeout_ms`` here is
``edge.head_timeout`` in a file and ``PENSTOCK_EDGE_HEAD_TIMEOUT`` in the environment. `load_gateway` puts the sources
together and checks what no single value can tell: that thresholds are in order, that listeners do not collide, that
nobody is let in without a token.
"""

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec

from penstock.settings import Address, Loaded, LogSettings, Problem, Registry, Secret, Setting, load
from penstock.settings.address import ListenAddress
from penstock.settings.allow import AllowMap
from penstock.settings.types import Count, Duration, Flag, Fraction, Rate, SecretText, Size

_MS = Duration("ms")


class EdgeConfig(msgspec.Struct, frozen=True):
    """Where clients come in by HTTP."""

    listen: Annotated[
        Address, Setting(ListenAddress(), "127.0.0.1:8080", "only this machine, until somebody decides otherwise")
    ]
    max_connections: Annotated[
        int,
        Setting(
            Count(),
            "16384",
            "an idle connection costs little, but descriptors are limited; at the bound, accepting pauses",
            at_least="1",
            at_most="1048576",
        ),
    ]
    head_bytes: Annotated[
        int,
        Setting(
            Size(),
            "16KiB",
            "what other gateways and h11 take; a longer head is answered 431",
            at_least="1KiB",
            at_most="64KiB",
        ),
    ]
    head_fields: Annotated[
        int,
        Setting(Count(), "100", "what other gateways take; more is answered 431", at_least="1", at_most="128"),
    ]
    target_bytes: Annotated[
        int,
        Setting(
            Size(),
            "8KiB",
            "as much as a frame can carry; a longer target is answered 414",
            at_least="16B",
            at_most="8KiB",
        ),
    ]
    body_bytes: Annotated[
        int,
        Setting(Size(), "64KiB", "larger bodies gain nothing from being carried in the batch", at_most="512KiB"),
    ]
    head_timeout_ms: Annotated[
        int,
        Setting(
            _MS, "10s", "ends clients that send a head byte by byte to hold connections", at_least="10ms", at_most="1h"
        ),
    ]
    body_rate_bytes_per_second: Annotated[
        int,
        Setting(
            Rate(), "1KiB", "per second; slower is no honest client, and is answered 408", at_least="1B", at_most="1GiB"
        ),
    ]
    idle_timeout_ms: Annotated[
        int,
        Setting(
            _MS, "75s", "above the 60 s after which common clients give up a connection", at_least="10ms", at_most="24h"
        ),
    ]
    idle_jitter: Annotated[
        float,
        Setting(Fraction(), "10%", "connections that came together do not close and come back together", at_most="50%"),
    ]
    write_timeout_ms: Annotated[
        int, Setting(_MS, "30s", "a client that reads nothing for so long is gone", at_least="10ms", at_most="1h")
    ]
    linger_ms: Annotated[
        int,
        Setting(
            _MS, "2s", "reading on after a last answer lets it arrive before the connection is reset", at_most="60s"
        ),
    ]
    deadline_ms: Annotated[
        int,
        Setting(
            _MS, "10s", "longer than a healthy answer takes, shorter than a person waits", at_least="1ms", at_most="1h"
        ),
    ]
    deadline_max_ms: Annotated[
        int,
        Setting(
            _MS, "30s", "a client may ask for less time, and never for more than this", at_least="1ms", at_most="1h"
        ),
    ]
    reason_header: Annotated[
        bool,
        Setting(
            Flag(),
            "false",
            "x-penstock-reason, on answers that no service gave, tells strangers how the inside works",
        ),
    ]


class ServicesConfig(msgspec.Struct, frozen=True):
    """Where services dial in."""

    listen: Annotated[
        Address, Setting(ListenAddress(), "127.0.0.1:7420", "only this machine; any other address needs services.token")
    ]
    token: Annotated[Secret, Setting(SecretText(), "", "none is needed on loopback, where only this machine can dial")]
    max_connections: Annotated[
        int,
        Setting(Count(), "256", "one connection for each instance, with room to grow", at_least="1", at_most="4096"),
    ]
    output_bytes: Annotated[
        int,
        Setting(
            Size(),
            "4MiB",
            "unsent bytes for each connection: a few of the largest frames; above, the service is overloaded",
            at_least="2MiB",
            at_most="256MiB",
        ),
    ]
    hello_timeout_ms: Annotated[
        int, Setting(_MS, "5s", "the protocol's limit from connection to HELLO", at_least="10ms", at_most="60s")
    ]
    heartbeat_ms: Annotated[
        int,
        Setting(_MS, "5s", "finds a hung peer in seconds and costs next to nothing", at_least="100ms", at_most="60s"),
    ]
    degraded_after_ms: Annotated[
        int, Setting(_MS, "15s", "three heartbeats lost: others are preferred", at_least="100ms", at_most="24h")
    ]
    unhealthy_after_ms: Annotated[
        int, Setting(_MS, "30s", "six heartbeats lost: it gets nothing new", at_least="100ms", at_most="24h")
    ]
    removed_after_ms: Annotated[
        int, Setting(_MS, "90s", "long enough for a restart or a pause of the machine", at_least="100ms", at_most="24h")
    ]
    allow: Annotated[
        Mapping[str, tuple[str, ...]],
        Setting(
            AllowMap(), "", "which service may register which path prefixes; with none given, all may register all"
        ),
    ]


class AdminConfig(msgspec.Struct, frozen=True):
    """Where operators ask for /health, /ready and /metrics."""

    listen: Annotated[
        Address,
        Setting(ListenAddress(), "127.0.0.1:9901", "apart from the edge, so that no client reaches it by mistake"),
    ]


class ExchangesConfig(msgspec.Struct, frozen=True):
    """Requests in progress."""

    max: Annotated[
        int,
        Setting(
            Count(),
            "65536",
            "bounds the table's memory; a request above it is answered 503",
            at_least="1",
            at_most="1048576",
        ),
    ]


class RoutesConfig(msgspec.Struct, frozen=True):
    """What the services offer, all together."""

    max: Annotated[int, Setting(Count(), "4096", "bounds the memory of counts by route", at_least="1", at_most="65536")]


class DrainConfig(msgspec.Struct, frozen=True):
    """Ending in good order."""

    timeout_ms: Annotated[
        int, Setting(_MS, "30s", "the longest deadline: what was begun can end; then it is cancelled", at_most="1h")
    ]


class WireConfig(msgspec.Struct, frozen=True):
    """The batch loop."""

    linger_us: Annotated[
        int,
        Setting(
            Duration("us"),
            "200us",
            "how long a batch waits for more: it adds less than a network's delay, and batches grow under load",
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


def check_together(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with values that are right one by one."""
    return [*_thresholds(values, origins), *_deadlines(values, origins), *_listeners(values, origins)]


def _conflict(name: str, other: str, origins: Mapping[str, str], why: str, fix: str) -> Problem:
    where = " and ".join(dict.fromkeys(f"{each}: {origins[each]}" for each in (name, other)))
    return Problem("conflict", name, where, why, fix)


def _thresholds(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    names = ("services.degraded_after", "services.unhealthy_after", "services.removed_after")
    beat = values["services.heartbeat"]
    problems = [
        _conflict(
            name,
            "services.heartbeat",
            origins,
            f"{_MS.render(values[name])} is less than two heartbeats of {_MS.render(beat)}: one late would count",
            f"set it to at least {_MS.render(2 * beat)}",
        )
        for name in names
        if values[name] < 2 * beat
    ]
    for earlier, later in pairwise(names):
        if values[earlier] >= values[later]:
            why = f"{_MS.render(values[later])} is not later than {earlier}, {_MS.render(values[earlier])}"
            problems.append(_conflict(later, earlier, origins, why, "set degraded < unhealthy < removed"))
    return problems


def _deadlines(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    deadline, most = values["edge.deadline"], values["edge.deadline_max"]
    problems = []
    if deadline > most:
        why = f"{_MS.render(deadline)} is more than edge.deadline_max, {_MS.render(most)}"
        problems.append(
            _conflict("edge.deadline", "edge.deadline_max", origins, why, "lower it, or raise edge.deadline_max")
        )
    if values["edge.target_bytes"] >= values["edge.head_bytes"]:
        why = "a target of that length does not fit into a head of edge.head_bytes"
        problems.append(
            _conflict("edge.target_bytes", "edge.head_bytes", origins, why, "lower it, or raise edge.head_bytes")
        )
    return problems


def _listeners(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    problems = []
    services: Address = values["services.listen"]
    if not services.is_loopback and not values["services.token"]:
        why = f"{services} can be reached from other machines, any of which could register as a service"
        fix = f"set services.token (PENSTOCK_SERVICES_TOKEN_FILE), or listen on 127.0.0.1:{services.port}"
        problems.append(_conflict("services.listen", "services.token", origins, why, fix))
    names = ("edge.listen", "services.listen", "admin.listen")
    for index, name in enumerate(names):
        problems += [
            _conflict(name, other, origins, f"both would listen on {values[name]}", "give one of them another port")
            for other in names[index + 1 :]
            if _collide(values[name], values[other])
        ]
    return problems


def _collide(one: Address, other: Address) -> bool:
    """Whether two listeners cannot both be had. Port 0 is a different free port each time."""
    if one.port != other.port or one.port == 0:
        return False
    hosts = {"127.0.0.1" if address.host == "localhost" else address.host for address in (one, other)}
    same_family = len({":" in host for host in hosts}) == 1
    return len(hosts) == 1 or (same_family and (one.is_wildcard or other.is_wildcard))
