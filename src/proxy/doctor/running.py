"""The gateway that runs with these settings already, if one does."""

import http.client
import json
import re
from typing import Any, Final

import msgspec

from penstock.settings import Address, Secret
from proxy import __version__

from .finding import Finding, ok

TIMEOUT_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 64 << 20
_version_of = re.compile(r'^penstock_build_info\{[^}]*\bversion="([^"]*)"', re.MULTILINE)


class Running(msgspec.Struct, frozen=True):
    """What it says of itself."""

    is_ready: bool
    reasons: tuple[str, ...]
    version: str
    """Empty where it is not told, for want of the token, say."""


def ask_running(address: Address, token: Secret) -> Running | None:
    """Return what the gateway with this admin listener says; None where none answers."""
    if not address.port:
        return None
    try:
        status, ready = _get(address, "/ready", token)
        told = json.loads(ready)
        if not isinstance(told, dict) or not {"status", "reasons"} <= told.keys():
            return None
        found = _version_of.search(_get(address, "/metrics", token)[1].decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return Running(status == 200, tuple(map(str, told["reasons"])), found[1] if found else "")


def judge_running(running: Running | None) -> Finding:
    """Return how it is."""
    about = "running"
    if running is None:
        return ok(about, "no gateway with these settings runs now")
    if running.version and running.version != __version__:
        what = f"a gateway of version {running.version} runs, and {__version__} is installed"
        return Finding(about, "warning", what, "penstock upgrade")
    if not running.is_ready:
        fix = "start what is missing; penstock services shows who is connected"
        return Finding(about, "warning", f"a gateway runs, and is not ready: {'; '.join(running.reasons)}", fix)
    return ok(about, "a gateway runs, and is ready")


def _get(address: Address, path: str, token: Secret) -> tuple[int, bytes]:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - it is dialled
    connection = http.client.HTTPConnection(host, address.port, timeout=TIMEOUT_S)
    headers: dict[str, Any] = {"authorization": f"Bearer {token.reveal()}"} if token else {}
    try:
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            return response.status, response.read(ANSWER_BYTES_MAX)
    finally:
        connection.close()
