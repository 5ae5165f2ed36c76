"""The gateway's settings: every bound with its unit, its default and the reason for it.

Each field is an entry of the registry (see `penstock.settings.registry`): ``edge.head_timeout_ms`` here is
``edge.head_timeout`` in a file and ``PENSTOCK_EDGE_HEAD_TIMEOUT`` in the environment. `load_gateway` puts the sources
together and checks what no single value can tell: that thresholds are in order, that listeners do not collide, that
nobody is let in without a token. The sections are in files of their own, `proxy.config`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from penstock.settings import Loaded, LogSettings, Registry, Setting, load
from penstock.settings.later import Later

from .access_log import AccessLogConfig, RecordsConfig
from .admission import SheddingConfig
from .answers import CacheConfig, IdempotencyConfig
from .balancing import BalancingConfig
from .breakers import BreakersConfig
from .checks import advise, check_together
from .choosing import PlacementConfig, RegionsConfig, VersionsConfig
from .dial_tls import DialTlsConfig
from .edge import EdgeConfig
from .faults import FaultsConfig
from .identity import IdentityConfig
from .metrics import MetricsConfig
from .pool import PoolConfig
from .process import AdminConfig, ExchangesConfig, ReloadConfig, WireConfig
from .process import DrainConfig as DrainConfig
from .rates import RatesConfig
from .retries import RetriesConfig
from .routes import RoutesConfig
from .services import ServicesConfig
from .traces import TracesConfig
from .workers import SupervisorConfig, WorkerCount

if TYPE_CHECKING:
    from .fanouts import FanOutTable
    from .rules import RuleTable
else:  # what a gateway without rules does not load
    RuleTable = FanOutTable = Any

_FANOUTS: Later[tuple[FanOutTable, ...]] = Later("proxy.config.fanouts", "FANOUTS", (), "list of fan-outs")
_RULES: Later[tuple[RuleTable, ...]] = Later("proxy.config.rules", "RULES", (), "list of rules")


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
    metrics: MetricsConfig
    records: RecordsConfig
    access_log: AccessLogConfig
    traces: TracesConfig
    regions: RegionsConfig
    versions: VersionsConfig
    placement: PlacementConfig
    identity: IdentityConfig
    rates: RatesConfig
    pool: PoolConfig
    dial_tls: DialTlsConfig
    balancing: BalancingConfig
    retries: RetriesConfig
    breakers: BreakersConfig
    cache: CacheConfig
    idempotency: IdempotencyConfig
    shedding: SheddingConfig
    reload: ReloadConfig
    faults: FaultsConfig
    supervisor: SupervisorConfig
    workers: Annotated[
        int,
        Setting(
            WorkerCount(),
            "auto",
            "processes that serve, each on a core of its own, and one that supervises them; "
            "`auto`: one for each core (a single one where rules keep answers to Idempotency-Keys), "
            "0: this process serves by itself",
            "one process uses one core",
            restart=True,
        ),
    ]
    fanouts: Annotated[
        tuple[FanOutTable, ...],
        Setting(
            _FANOUTS,
            "",
            "routes that ask several services, or several instances of one, and make one answer of theirs",
            "a request is for one service",
        ),
    ]
    rules: Annotated[
        tuple[RuleTable, ...],
        Setting(_RULES, "", "what holds for routes, in the order of the rules", "what the services declare is enough"),
    ]


# Variables of services, which may be in the same environment and are no mistake there.
# Those that end with _ are beginnings.
SERVICE_VARIABLES = ("PENSTOCK_GATEWAYS", "PENSTOCK_REGION", "PENSTOCK_INSTANCE", "PENSTOCK_SERVICE_")


def gateway_registry() -> Registry:
    """Return the registry of the gateway's settings."""
    return Registry(GatewayConfig, neighbours=SERVICE_VARIABLES)


def load_gateway(
    environment: Mapping[str, str] | None = None,
    *,
    flags: Mapping[str, str] | None = None,
    path: Path | None = None,
    text: bytes | None = None,
) -> Loaded[GatewayConfig]:
    """Return the gateway's settings, or raise `SettingsError`.

    environment: `os.environ` by default; flags: texts by setting name; path: of a settings file; text: what the file is
    taken to say, in place of what stands in it.

    ``load_gateway({}).settings`` are the defaults.
    """
    registry = gateway_registry()
    file = None
    if path is not None:
        from penstock.settings.file import read_settings_file

        file = read_settings_file(path, registry, text)
    return load(
        registry,
        os.environ if environment is None else environment,
        flags=flags,
        file=file,
        check=check_together,
        advise=advise,
    )
