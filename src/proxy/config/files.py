"""The files that settings name: which are watched, and which `penstock check` opens."""

from collections.abc import Iterator
from pathlib import Path

from penstock.settings import Loaded

from .gateway import GatewayConfig, gateway_registry


def watched_files(loaded: Loaded[GatewayConfig]) -> tuple[Path, ...]:
    """Return the files whose change is a reason to read the settings again. Those of TLS are watched by themselves."""
    return tuple(dict.fromkeys(_files(loaded)))


def _files(loaded: Loaded[GatewayConfig]) -> Iterator[Path]:
    config = loaded.settings
    yield from config.placement.maps
    for issuer in config.identity.issuers:
        yield from (path for path in (issuer.jwks.path, issuer.jwks_ca) if path is not None)
    if config.identity.api_keys_file is not None:
        yield config.identity.api_keys_file
    for setting in gateway_registry():
        if setting.is_secret:
            _, found, path = loaded.origins[setting.name].partition("=")
            if found:
                yield Path(path)
