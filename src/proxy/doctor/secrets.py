"""Whether files that hold secrets can be read by others than whom they are for."""

import stat
from collections.abc import Iterator
from pathlib import Path

from penstock.settings import Loaded
from proxy.config import GatewayConfig, gateway_registry

from .finding import Finding, ok


def secret_files(loaded: Loaded[GatewayConfig]) -> Iterator[tuple[str, Path]]:
    """Yield the files that settings read secrets from: keys, and tokens that were named by a variable or a flag."""
    config = loaded.settings
    for files in config.edge.tls_certificates:
        yield "edge.tls_certificates", Path(files.key)
    if config.dial_tls.key is not None:
        yield "dial_tls.key", config.dial_tls.key
    for setting in gateway_registry():
        _, is_file, path = loaded.origins[setting.name].partition("=")
        if setting.is_secret and is_file:
            yield setting.name, Path(path)


def judge_secrets(loaded: Loaded[GatewayConfig]) -> Iterator[Finding]:
    """Yield how it stands with each of them that is there."""
    for name, path in secret_files(loaded):
        try:
            mode = path.stat().st_mode
        except OSError:  # which reading the settings tells, or what is read when it is needed
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            what = f"{path} has a secret in it, and everybody on this machine may read or write it"
            yield Finding(name, "warning", what, f"chmod o-rw {path}, and take another secret if it matters")
        else:
            yield ok(name, f"{path} is not for everybody")
