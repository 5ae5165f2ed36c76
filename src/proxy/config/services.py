"""Settings of services: where they come in or are dialled, who they may be, and when one counts as gone."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from penstock.settings import Address, Secret, Setting
from penstock.settings.address import ListenAddress, MaybeListenAddress
from penstock.settings.allow import AllowMap
from penstock.settings.later import Later
from penstock.settings.numbers import PerMinute
from penstock.settings.types import Count, Duration, SecretText, Size, Text

if TYPE_CHECKING:
    from .structured import ServiceCall
else:  # what a gateway without calls between services does not load
    ServiceCall = Any

SERVICE_NAME = Text(r"[a-z][a-z0-9-]{0,63}", "1 to 64 of a-z 0-9 -, beginning with a letter", "billing")

_MS = Duration("ms")
_KINDS = "proxy.config.structured"
_DIAL: Later[tuple[Address, ...]] = Later(_KINDS, "DIAL", (), "list of addresses")
_REQUIRED: Later[tuple[str, ...]] = Later(_KINDS, "REQUIRED", (), "list of services")
_CALLS: Later[tuple[ServiceCall, ...]] = Later(_KINDS, "CALLS", (), "list of calls")
_silence = partial(Setting, _MS, at_least="100ms", at_most="24h", restart=True)


class ServicesConfig(msgspec.Struct, frozen=True):
    """Where services dial in."""

    listen: Annotated[
        Address,
        Setting(
            ListenAddress(),
            "127.0.0.1:7420",
            "where services dial in",
            "only this machine; any other address needs services.token",
            restart=True,
        ),
    ]
    advertised_host: Annotated[
        str,
        Setting(
            Text(r"[A-Za-z0-9.:_%-]{1,253}", "a name or an address without a port", "gateway-7.internal"),
            "",
            "where services reach each worker of this gateway",
            "at the address that they have dialled",
            restart=True,
        ),
    ]
    worker_listen: Annotated[
        Address | None,
        Setting(
            MaybeListenAddress(),
            "",
            "where services reach one certain worker: the first of as many ports as there are workers; "
            "empty: the host of services.listen, and any free ports",
            "services are told the ports; to be set where a firewall stands between",
            restart=True,
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
            restart=True,
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
            restart=True,
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
            restart=True,
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
            restart=True,
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
            restart=True,
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
    dial: Annotated[
        tuple[Address, ...],
        Setting(
            _DIAL,
            "",
            "services that listen, and that the gateway dials",
            "services dial the gateway, unless they cannot",
        ),
    ]
    required: Annotated[
        tuple[str, ...],
        Setting(
            _REQUIRED,
            "",
            "services without which the gateway is not ready",
            "it cannot know which there should be",
        ),
    ]
    calls: Annotated[
        tuple[ServiceCall, ...],
        Setting(
            _CALLS,
            "",
            "which service may call which, and with what claims",
            "no service calls another unless it may",
        ),
    ]
    hello_rate_per_minute: Annotated[
        int,
        Setting(
            PerMinute(),
            "60/m",
            "how often one connection may say HELLO; above, the connection is ended",
            "endpoints change at a release, and not every second",
            at_least="1/m",
            at_most="60000/m",
        ),
    ]
