"""What is loaded, for users: set by the generator, or read from the environment under plain `locust -f`."""

import os
from typing import Final

import msgspec

from loadtests.order import Address


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where users go, and how they behave there."""

    edge: Address | None = None
    """None: what Locust was told as --host."""
    services: Address | None = None
    """Where services connect to."""
    tls_edge: Address | None = None
    """Where the edge speaks TLS."""
    authority: str = ""
    """A file of authorities that sign its certificate; empty: those that this machine trusts."""
    token: str = ""
    """Of who asks."""
    think_ms: float = 0.0
    """How long a user thinks between tasks, in the mean."""


class TargetError(Exception):
    """A user cannot go anywhere. Its text is one line."""


def from_environment() -> Target:
    """Return what LOADTESTS_SERVICES and LOADTESTS_TLS_EDGE (host:port), LOADTESTS_CA, LOADTESTS_TOKEN and
    LOADTESTS_THINK_MS say. Raises `TargetError`.
    """
    think = os.environ.get("LOADTESTS_THINK_MS", "0")
    if not think.isdecimal():
        raise TargetError(f"LOADTESTS_THINK_MS is {think!r}; write milliseconds, as 20")
    return Target(
        services=_address("LOADTESTS_SERVICES", "127.0.0.1:7420"),
        tls_edge=_address("LOADTESTS_TLS_EDGE", "localhost:8443"),
        authority=os.environ.get("LOADTESTS_CA", ""),
        token=os.environ.get("LOADTESTS_TOKEN", ""),
        think_ms=float(think),
    )


def _address(name: str, example: str) -> Address | None:
    text = os.environ.get(name, "")
    host, _, port = text.rpartition(":")
    if text and not (host and port.isdecimal()):
        raise TargetError(f"{name} is {text!r}; write host:port, as {example}")
    return Address(host, int(port)) if text else None


class _Current:
    """The one target of this process."""

    def __init__(self) -> None:
        self.target: Target | None = None


_current: Final = _Current()


def use(target: Target) -> None:
    """Have all users of this process go there."""
    _current.target = target


def current() -> Target:
    """Return where users go."""
    if _current.target is None:
        _current.target = from_environment()
    return _current.target
