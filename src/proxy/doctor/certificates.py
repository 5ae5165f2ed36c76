"""Until when the certificates hold that the settings name."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from penstock.settings import SettingsError
from penstock.settings.files import CertificateFiles
from proxy.config import GatewayConfig

from .finding import Finding, ok

if TYPE_CHECKING:
    from proxy.edge.tls.pair import Pair

DAY_S: Final = 86_400
SOON_S: Final = 14 * DAY_S
"""Certificates are mostly renewed a month before their end: whoever has less left was forgotten."""


def judge_certificates(config: GatewayConfig, now: float | None = None) -> Iterator[Finding]:
    """Yield how it stands with each certificate of the edge, and with that of TLS to services. now: Unix seconds."""
    at = time.time() if now is None else now
    named = [("edge.tls_certificates", files) for files in config.edge.tls_certificates]
    if config.dial_tls.certificate is not None and config.dial_tls.key is not None:
        named.append(("dial_tls.certificate", CertificateFiles(config.dial_tls.certificate, config.dial_tls.key)))
    if not named:
        return
    from proxy.edge.tls.pair import read_pair
    from proxy.edge.tls.problems import CertificateError

    for about, files in named:
        try:
            yield judge_pair(about, str(files.certificate), read_pair(files), at)
        except (CertificateError, SettingsError) as error:
            for problem in error.problems:
                yield Finding(about, "error", f"{problem.where}: {problem.why}", problem.fix)


def judge_pair(about: str, path: str, pair: "Pair", now: float) -> Finding:
    """Return how it stands with a certificate that can be read."""
    names = ", ".join(pair.names) or "no name"
    ends = time.strftime("%Y-%m-%d", time.gmtime(pair.ends_at))
    days = (pair.ends_at - now) / DAY_S
    renew = "renew it; the gateway reads it again by itself"
    if days < 0:
        return Finding(about, "error", f"{path} for {names} has run out on {ends}", renew)
    if now < pair.begins_at:
        begins = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(pair.begins_at))
        return Finding(
            about, "error", f"{path} for {names} counts only from {begins} on", "look at this machine's clock"
        )
    if pair.ends_at - now < SOON_S:
        return Finding(about, "warning", f"{path} for {names} runs out on {ends}, in {int(days)} days", renew)
    return ok(about, f"{path} for {names} holds until {ends}")
