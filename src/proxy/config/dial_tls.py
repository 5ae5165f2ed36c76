"""Settings of TLS to the services that the gateway dials: who it is to them, and whom it believes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from penstock.settings import Problem, Setting
from penstock.settings.files import FilePath
from penstock.settings.types import Text

from .listeners import conflict


class DialTlsConfig(msgspec.Struct, frozen=True):
    """For those of services.dial that are written as ``tls://host:port``."""

    ca: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "certificates of the authorities that sign services which are dialled by TLS",
            "only the operator knows who may be believed to be a service",
        ),
    ]
    certificate: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "the certificate that the gateway shows to services which it dials by TLS, with its chain",
            "a service that wants none is asked without",
        ),
    ]
    key: Annotated[
        Path | None,
        Setting(
            FilePath(),
            "",
            "the key of dial_tls.certificate",
            "there is none without a certificate",
        ),
    ]
    server_name: Annotated[
        str,
        Setting(
            Text(r"[A-Za-z0-9.:_-]{0,253}", "a DNS name or an address", "services.example.com"),
            "",
            "the name that each service's certificate must have, in place of the host that is dialled",
            "whoever is dialled must be who was meant",
        ),
    ]


def check_dial_tls(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with values that are right one by one."""
    problems = []
    secured = [address for address in values["services.dial"] if address.is_secured]
    if secured and values["dial_tls.ca"] is None:
        why = f"{secured[0]} is dialled by TLS, and nothing says whose certificates are believed"
        fix = "set dial_tls.ca (PENSTOCK_DIAL_TLS_CA), or write the address without tls://"
        problems.append(conflict("services.dial", "dial_tls.ca", origins, why, fix))
    if values["dial_tls.ca"] is not None and not secured:
        why = "no address of services.dial is dialled by TLS, so it has no effect"
        fix = "write the address as tls://host:port, or unset dial_tls.ca"
        problems.append(conflict("dial_tls.ca", "services.dial", origins, why, fix))
    for name, other in (("certificate", "key"), ("key", "certificate")):
        if values[f"dial_tls.{name}"] is not None and values[f"dial_tls.{other}"] is None:
            fix = f"set dial_tls.{other}, which may be the same file"
            why = "a certificate is worth nothing without its key, nor a key without its certificate"
            problems.append(conflict(f"dial_tls.{name}", f"dial_tls.{other}", origins, why, fix))
    return problems
