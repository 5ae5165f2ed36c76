"""What a new configuration changes, and what of it has to wait until the gateway is started again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock.settings import Loaded, Registry

from .gateway import GatewayConfig


class Change(msgspec.Struct, frozen=True):
    """One change. setting: the setting's name; name: with the path within it.

    before, after: texts with secrets as stars, None where there was nothing.
    """

    setting: str
    name: str
    before: str | None
    after: str | None
    needs_restart: bool

    def __str__(self) -> str:
        """Return it as a sentence."""
        from penstock.settings.differences import Difference

        waits = "; takes effect on restart" if self.needs_restart else ""
        return f"{Difference(self.name, self.before, self.after)}{waits}"


class Changes(msgspec.Struct, frozen=True):
    """What is new. files: those that were found changed, the settings file among them; empty where somebody asked."""

    changes: tuple[Change, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def settings(self) -> frozenset[str]:
        """The names of the settings that change now."""
        return frozenset(change.setting for change in self.changes if not change.needs_restart)

    def touches(self, *names: str) -> bool:
        """Whether one of these settings changes now, or one of these sections: ``touches("rules", "identity")``."""
        return any(name in names or name.partition(".")[0] in names for name in self.settings)


def compare(registry: Registry, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what changes between two sets of values by setting name."""
    return tuple(_changes(registry, old, new))


def _changes(registry: Registry, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    from penstock.settings.differences import differences  # what is loaded by who has other settings than before

    for setting in registry:
        for each in differences(setting, old[setting.name], new[setting.name]):
            yield Change(setting.name, each.name, each.before, each.after, setting.restart)


def effective(registry: Registry, old: Loaded[GatewayConfig], new: Loaded[GatewayConfig]) -> Loaded[GatewayConfig]:
    """Return the new settings, but the old value of each that needs a restart."""
    kept = {
        setting.name for setting in registry if setting.restart and old.values[setting.name] != new.values[setting.name]
    }
    if not kept:
        return new
    values = {name: old.values[name] if name in kept else value for name, value in new.values.items()}
    origins = new.origins.with_others(old.origins, kept)
    return Loaded(registry.build(values), values, origins, new.warnings)
