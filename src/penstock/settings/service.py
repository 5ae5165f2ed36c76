"""The settings of a service, read from the environment. There is no file: a service has few settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace

from .address import Address, Gateway, Gateways, MaybeListenAddress
from .errors import Problem
from .files import FilePath
from .load import Loaded, load
from .log import LogSettings
from .registry import Registry, Setting
from .types import Choice, Count, Duration, Flag, Secret, SecretText, Text

NODE_NAME = r"[A-Za-z0-9._-]{1,64}"

# Variables of the gateway begin with one of these: a service that is started beside a gateway sees them too.
GATEWAY_SECTIONS = (
    *("edge", "services", "admin", "exchanges", "routes", "drain", "wire", "metrics"),
    *("regions", "versions", "placement", "reload", "identity", "rates", "rules", "balancing", "fanouts"),
    *("breakers", "retries", "pool", "dial_tls", "shedding", "cache", "idempotency", "faults", "supervisor", "workers"),
    *("records", "access_log", "traces"),
)


class ServiceSettings(msgspec.Struct, frozen=True):
    """The settings of one service process. Names are those of the variables, without ``PENSTOCK_``."""

    gateways: Annotated[
        tuple[Gateway, ...],
        Setting(
            Gateways(),
            "tcp://127.0.0.1:7420",
            "the gateways to dial, separated by commas; with ?priority=1 only while no better one is connected",
            "the address on which a gateway listens for services by default; none where service.listen is set",
        ),
    ]
    listen: Annotated[
        Address | None,
        Setting(
            MaybeListenAddress(),
            "",
            "where gateways may dial this service",
            "a service dials its gateways, unless it cannot",
            name="service.listen",
        ),
    ]
    listen_insecure: Annotated[
        bool,
        Setting(
            Flag(),
            "false",
            "listen for gateways on an address that other machines reach",
            "nothing proves a gateway to a service: who reaches that address is shown the token, and may say who asks",
            name="service.listen_insecure",
        ),
    ]
    listen_certificate: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "the certificate that gateways which dial are shown, with its chain; with it, they dial by TLS",
            "only the operator has one",
            name="service.listen_certificate",
        ),
    ]
    listen_key: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "the key of service.listen_certificate",
            "there is none without a certificate",
            name="service.listen_key",
        ),
    ]
    listen_ca: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "certificates of the authorities that sign gateways; given, each must show a certificate",
            "with none given, whoever dials is taken for a gateway",
            name="service.listen_ca",
        ),
    ]
    token: Annotated[
        Secret,
        Setting(
            SecretText(),
            "",
            "what the gateways want to be shown",
            "a gateway on loopback asks for none",
            name="service.token",
        ),
    ]
    region: Annotated[
        str,
        Setting(
            Text(NODE_NAME, "1 to 64 of A-Z a-z 0-9 . _ -", "eu-1"),
            "local",
            "the region that this process is in",
            "a single site needs no name",
        ),
    ]
    instance: Annotated[
        str,
        Setting(
            Text(NODE_NAME, "1 to 64 of A-Z a-z 0-9 . _ -", "billing-7f9c"),
            "",
            "the name of this process among those of its service",
            "one is made at start, different for each process",
        ),
    ]
    heartbeat_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "5s",
            "how often to send HEARTBEAT",
            "three may be lost before the gateway calls the service degraded",
            at_least="100ms",
            at_most="60s",
            name="service.heartbeat",
        ),
    ]
    drain_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "30s",
            "how long to wait at the end for what was begun",
            "as long as the longest deadline of the gateway, so that what was begun is finished",
            at_most="1h",
            name="service.drain",
        ),
    ]
    concurrency: Annotated[
        int,
        Setting(
            Count(),
            "256",
            "async handlers at once",
            "what comes above is refused, which is safe to send elsewhere",
            at_least="1",
            at_most="65536",
            name="service.concurrency",
        ),
    ]
    overrides: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "a YAML file that changes what the code says of its endpoints",
            "the code's own word holds",
            name="service.overrides",
        ),
    ]
    traces: Annotated[
        str,
        Setting(
            Choice("none", "otlp"),
            "none",
            "where spans of handlers and of calls go: nowhere, or to a collector by OTLP over HTTP, as the standard"
            " variables OTEL_* say (needs penstock[otel])",
            "somebody must have a collector; traces go on to other services in any case",
            name="service.traces",
        ),
    ]
    log: LogSettings


def service_registry() -> Registry:
    """Return the registry of a service's settings."""
    sections = tuple(f"PENSTOCK_{section.upper()}_" for section in GATEWAY_SECTIONS)
    return Registry(ServiceSettings, neighbours=(*sections, "PENSTOCK_RULES", "PENSTOCK_FANOUTS", "PENSTOCK_WORKERS"))


def load_service(environment: Mapping[str, str] | None = None) -> Loaded[ServiceSettings]:
    """Return a service's settings with origins and warnings (default: `os.environ`), or raise `SettingsError`."""
    loaded = load(service_registry(), os.environ if environment is None else environment, check=_check_together)
    settings = loaded.settings
    if settings.listen is not None and loaded.origins["gateways"] == "default":
        settings = replace(settings, gateways=())
        return replace(loaded, settings=settings, values={**loaded.values, "gateways": ()})
    return loaded


def _check_together(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with values that are right one by one."""
    listen: Address | None = values["service.listen"]
    problems = []
    is_proven = values["service.listen_insecure"] or values["service.listen_ca"] is not None
    problems += _tls(values, origins)
    problems += _traces(values, origins)
    if listen is not None and not listen.is_loopback and not is_proven:
        problems.append(
            Problem(
                code="open_door",
                what=f"service.listen = {listen}",
                where=origins["service.listen"],
                why="other machines reach that address, and nothing proves that it is a gateway that dials",
                fix="listen on 127.0.0.1, or let the service dial its gateways, or have them show a certificate"
                " (PENSTOCK_SERVICE_LISTEN_CA); where the network lets only gateways in, set"
                " PENSTOCK_SERVICE_LISTEN_INSECURE=true",
            )
        )
    if listen is None and not values["gateways"]:
        problems.append(
            Problem(
                code="conflict",
                what="gateways = none",
                where=origins["gateways"],
                why="the service would neither dial a gateway nor listen for one",
                fix="name a gateway, or set PENSTOCK_SERVICE_LISTEN",
            )
        )
    return problems


def _traces(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    from importlib.util import find_spec

    if values["service.traces"] == "none":
        return []
    wanted = ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.exporter.otlp")
    missing = next((name for name in wanted if find_spec(name) is None), None)
    if missing is None:
        return []
    fix = "pip install 'penstock[otel]', or unset PENSTOCK_SERVICE_TRACES"
    return [Problem("missing", "service.traces = otlp", origins["service.traces"], f"{missing} is not installed", fix)]


def _tls(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """Whoever names a certificate, a key or an authority believes to have TLS."""
    needed = {
        "service.listen_certificate": ("service.listen", "service.listen_key"),
        "service.listen_key": ("service.listen_certificate",),
        "service.listen_ca": ("service.listen_certificate",),
    }
    return [
        Problem("conflict", name, origins[name], f"without {other} it has no effect", f"set {other}, or unset {name}")
        for name, others in needed.items()
        for other in others
        if values[name] is not None and values[other] is None
    ]


def load_service_settings(environment: Mapping[str, str] | None = None) -> ServiceSettings:
    """Return a service's settings (default: from `os.environ`), or raise `SettingsError`."""
    return load_service(environment).settings
