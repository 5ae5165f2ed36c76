"""The key of a split: by what of a request it is told to which part it belongs."""

from collections.abc import Callable, Mapping
from typing import Final

from proxy.exchange import Exchange
from proxy.route_policy import Key, KeyKind

ReadKey = Callable[[Exchange], bytes | None]
"""The value of the key; None or empty where the request has none."""


def key_reader(key: Key) -> ReadKey:
    """Return what reads a key of requests."""
    if key.kind is KeyKind.HEADER:
        return _header_reader(key.name.lower().encode("latin-1"))
    if key.kind is KeyKind.COOKIE:
        return _cookie_reader(key.name.encode("latin-1"))
    return _READERS[key.kind]


def _no_key(_: Exchange) -> None:
    return None


def _tenant(exchange: Exchange) -> bytes | None:
    caller = exchange.caller
    return None if caller is None else caller.tenant


def _principal(exchange: Exchange) -> bytes | None:
    caller = exchange.caller
    identity = None if caller is None else caller.identity
    return None if identity is None else identity.principal.encode("utf-8", "surrogatepass")


def _address(exchange: Exchange) -> bytes:
    return exchange.fields.client_address(exchange.id).encode("ascii")


_READERS: Final[Mapping[KeyKind, ReadKey]] = {
    KeyKind.NONE: _no_key,
    KeyKind.TENANT: _tenant,
    KeyKind.PRINCIPAL: _principal,
    KeyKind.ADDRESS: _address,
}


def _header_reader(name: bytes) -> ReadKey:
    def read(exchange: Exchange) -> bytes | None:
        return exchange.fields.named_field(exchange.id, name)

    return read


def _cookie_reader(name: bytes) -> ReadKey:
    """Read a cookie (RFC 6265, section 4.2): the first of its name."""
    begin = name + b"="

    def read(exchange: Exchange) -> bytes | None:
        cookies = exchange.fields.named_field(exchange.id, b"cookie")
        if cookies is None:
            return None
        pairs = (pair.strip() for pair in cookies.replace(b",", b";").split(b";"))
        return next((pair[len(begin) :].strip(b'"') for pair in pairs if pair.startswith(begin)), None)

    return read
