"""The files that settings name: which are watched, and which `penstock check` opens."""

from collections.abc import Iterator
from pathlib import Path

from penstock.settings import Loaded

from .config import GatewayConfig, gateway_registry


def watched_files(loaded: Loaded[GatewayConfig]) -> tuple[Path, ...]:
    """Return the files whose change is a reason to read the settings again. Those of TLS are watched by themselves."""
    return tuple(dict.fromkeys(_files(loaded)))


def _files(loaded: Loaded[GatewayConfig]) -> Iterator[Path]:
    config = loaded.settings
    yield from config.placement.maps
    for setting in gateway_registry():
        if setting.is_secret:
            _, found, path = loaded.origins[setting.name].partition("=")
            if found:
                yield Path(path)
