"""Settings: one registry per program, loaded from flags, environment, file and defaults, in that order.

    types      kinds of value and their units
    lists      kinds of several values: networks, protocols, names
    files      kinds that name files: certificates and their keys
    tables     structured kinds: tables, lists of a kind, maps from names
    flow       structured values on one line, as variables hold them
    errors     Problem, SettingsError
    registry   Setting, Registry: the entries, as annotations of the struct that holds the values
    load       puts the sources together; every value knows its origin
    file       YAML and TOML with line numbers (imported only when there is a file)
    nodes      values with their lines; yaml_nodes and toml_nodes read them
    secrets    secrets in files of their own
    explain    tables, JSON and the reference page (imported only for `penstock config`)
    log        the settings of logs, which the gateway and services have in common
    service    the settings of a service process (imported when one of its names is first used)

A service says ``load_service_settings()`` and has a frozen `ServiceSettings`: gateways (addresses with host and port),
token (`Secret`: false when empty, ``token.reveal()`` gives the text), region, instance (empty: to be made),
heartbeat_ms, drain_ms, concurrency, log.level, log.format. It raises `SettingsError`, whose text has a line for each
thing that is wrong.
"""

from typing import TYPE_CHECKING

from .address import Address
from .errors import Problem, SettingsError
from .load import Found, Loaded, Origins, SettingsFile, load
from .log import LogSettings
from .registry import Registry, Setting
from .types import Secret

if TYPE_CHECKING:
    from .service import ServiceSettings, load_service, load_service_settings, service_registry

__all__ = [
    "Address",
    "Found",
    "Loaded",
    "LogSettings",
    "Origins",
    "Problem",
    "Registry",
    "Secret",
    "ServiceSettings",
    "Setting",
    "SettingsError",
    "SettingsFile",
    "load",
    "load_service",
    "load_service_settings",
    "service_registry",
]

_OF_SERVICES = frozenset({"ServiceSettings", "load_service", "load_service_settings", "service_registry"})


def __getattr__(name: str) -> object:
    """Loads what only services need on first use (PEP 562)."""
    if name not in _OF_SERVICES:
        raise AttributeError(f"module 'penstock.settings' has no attribute {name!r}")
    from . import service

    value: object = getattr(service, name)
    globals()[name] = value
    return value
