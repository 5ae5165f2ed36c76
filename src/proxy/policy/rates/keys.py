"""By what a request is counted. What a key says of a client is text of the client's, so its length is bounded."""

from collections.abc import Callable
from hashlib import blake2b
from socket import AF_INET6, inet_ntoa, inet_pton
from typing import Final

from frames.template import template_shape
from penstock.settings.rate import RateKey
from proxy.request.exchange import Exchange

Value = Callable[[Exchange], bytes]
"""What a request has for a key."""

_PRINCIPAL_BYTES_MAX: Final = 64
_DIGEST_BYTES: Final = 16
_MAPPED: Final = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96 (RFC 4291, section 2.5.5.2)


def route_name(exchange: Exchange) -> bytes:
    """Return what names a request's route, however often that is made again: method, service and shape of path."""
    route = exchange.route
    return f"{route.method} {route.service} {template_shape(route.template)}".encode()


def digest(text: bytes) -> bytes:
    """Return 16 bytes that stand for a text. They are the same in every gateway."""
    return blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _route(exchange: Exchange) -> bytes:
    return digest(route_name(exchange))


def _tenant(exchange: Exchange) -> bytes:
    """Requests without a tenant are counted together."""
    caller = exchange.caller
    return caller.tenant if caller is not None else b""


def _principal(exchange: Exchange) -> bytes:
    """Requests without an identity are counted together. Two issuers' principals of one name are two."""
    caller = exchange.caller
    if caller is None or caller.identity is None:
        return b""
    identity = caller.identity
    name = f"{identity.issuer}\n{identity.principal}".encode("utf-8", "surrogatepass")
    return name if len(name) <= _PRINCIPAL_BYTES_MAX else digest(name)


def _address(exchange: Exchange) -> bytes:
    address = exchange.fields.client_address(exchange.id)
    return network_of(address) if ":" in address else address.encode()


def network_of(address: str) -> bytes:
    """Return by what an IPv6 address is counted: its /64, since whoever has one address there has all of them.

    One that holds an IPv4 address is counted as that.
    """
    try:
        packed = inet_pton(AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return address.encode("utf-8", "surrogatepass")[:_PRINCIPAL_BYTES_MAX]
    return inet_ntoa(packed[12:]).encode() if packed.startswith(_MAPPED) else packed[:8]


_VALUES: Final[dict[RateKey, Value]] = {
    RateKey.ROUTE: _route,
    RateKey.TENANT: _tenant,
    RateKey.PRINCIPAL: _principal,
    RateKey.ADDRESS: _address,
}


def value_of(keys: tuple[RateKey, ...]) -> Value | None:
    """Return what gives a request's value for a combination of keys; None where all requests have the same."""
    values = [_VALUES[key] for key in keys]
    if len(values) < 2:
        return values[0] if values else None

    def combined(exchange: Exchange) -> bytes:
        parts = [value(exchange) for value in values]
        return b"".join(bytes((len(part),)) + part for part in parts)

    return combined
