"""What can be wrong with where the gateway listens: colliding listeners, an open door, TLS without its files."""

import os
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from penstock.settings import Address, Problem
from penstock.settings.files import CertificateFiles

_LISTENERS = ("edge.listen", "edge.tls_listen", "services.listen", "admin.listen")


def conflict(name: str, other: str, origins: Mapping[str, str], why: str, fix: str) -> Problem:
    """Return the problem of a setting that does not go with another one."""
    where = " and ".join(dict.fromkeys(f"{each}: {origins[each]}" for each in (name, other)))
    return Problem("conflict", name, where, why, fix)


def listeners(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with the listeners' addresses."""
    problems = []
    services: Address = values["services.listen"]
    admin: Address = values["admin.listen"]
    if not admin.is_loopback and not values["admin.token"]:
        why = f"{admin} can be reached from other machines, any of which could see everything and reload the settings"
        fix = f"set admin.token (PENSTOCK_ADMIN_TOKEN_FILE), or listen on 127.0.0.1:{admin.port}"
        problems.append(conflict("admin.listen", "admin.token", origins, why, fix))
    if not services.is_loopback and not values["services.token"]:
        why = f"{services} can be reached from other machines, any of which could register as a service"
        fix = f"set services.token (PENSTOCK_SERVICES_TOKEN_FILE), or listen on 127.0.0.1:{services.port}"
        problems.append(conflict("services.listen", "services.token", origins, why, fix))
    names = [name for name in _LISTENERS if values[name] is not None]
    problems += [
        conflict(name, other, origins, f"both would listen on {values[name]}", "give one of them another port")
        for name, other in combinations(names, 2)
        if _collide(values[name], values[other])
    ]
    return problems


def _collide(one: Address, other: Address) -> bool:
    """Whether two listeners cannot both be had. Port 0 is a different free port each time."""
    if one.port != other.port or one.port == 0:
        return False
    hosts = {"127.0.0.1" if address.host == "localhost" else address.host for address in (one, other)}
    same_family = len({":" in host for host in hosts}) == 1
    return len(hosts) == 1 or (same_family and (one.is_wildcard or other.is_wildcard))


def tls(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with the settings of TLS, its files included."""
    problems = []
    if values["edge.tls_client_names"] and values["edge.tls_client_ca"] is None:
        why = "no client shows a certificate unless an authority is given, so everybody would be let in"
        fix = "set edge.tls_client_ca (PENSTOCK_EDGE_TLS_CLIENT_CA)"
        problems.append(conflict("edge.tls_client_names", "edge.tls_client_ca", origins, why, fix))
    if values["edge.tls_listen"] is None:
        return problems + list(_without_effect(values, origins))
    if not values["edge.tls_certificates"]:
        why = "there is no certificate to show to clients"
        fix = "set edge.tls_certificates (PENSTOCK_EDGE_TLS_CERTIFICATES=cert.pem:key.pem), or unset edge.tls_listen"
        problems.append(conflict("edge.tls_listen", "edge.tls_certificates", origins, why, fix))
    return problems + list(_unreadable(values, origins))


def _without_effect(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[Problem]:
    """Whoever names certificates believes to have TLS."""
    for name in ("edge.tls_certificates", "edge.tls_client_ca"):
        if values[name]:
            why = "nothing listens for TLS, so it has no effect"
            yield conflict(name, "edge.tls_listen", origins, why, f"set edge.tls_listen, or unset {name}")


def _unreadable(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[Problem]:
    pairs: tuple[CertificateFiles, ...] = values["edge.tls_certificates"]
    files = [("edge.tls_certificates", path) for pair in pairs for path in dict.fromkeys((pair.certificate, pair.key))]
    if values["edge.tls_client_ca"] is not None:
        files.append(("edge.tls_client_ca", values["edge.tls_client_ca"]))
    for name, path in files:
        why = _why_unreadable(path)
        if why:
            yield Problem("file_unreadable", name, origins[name], why, "name a file that this user may read")


def _why_unreadable(path: Path) -> str:
    if not path.exists():
        return f"there is no file {path}"
    if not path.is_file():
        return f"{path} is no file"
    return "" if os.access(path, os.R_OK) else f"this user may not read {path}"
