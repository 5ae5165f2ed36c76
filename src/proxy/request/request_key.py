"""The key of a request: by what of it requests are told apart, where one asker is always to be treated alike.

A split reads it to know which part a request belongs to, and consistent hashing to know which instance.
"""

from collections.abc import Callable, Mapping
from typing import Final

from frames.template import parameter_name, wildcard_name
from proxy.request.exchange import Exchange
from proxy.request.route_policy import Key, KeyKind

ReadKey = Callable[[Exchange], bytes | None]
"""The value of the key; None or empty where the request has none."""


def key_reader(key: Key, template: str = "") -> ReadKey:
    """Return what reads a key of requests. template: the path of their route, for a parameter of it."""
    if key.kind is KeyKind.HEADER:
        return _header_reader(key.name.lower().encode("latin-1"))
    if key.kind is KeyKind.COOKIE:
        return _cookie_reader(key.name.encode("latin-1"))
    if key.kind is KeyKind.PARAMETER:
        return _parameter_reader(key.name, template)
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


def _parameter_reader(name: str, template: str) -> ReadKey:
    """Read a parameter of the path, as it came; of a wildcard all that it matches. No template has it: there is none.

    The path was matched by the template, so it has the segments that the template has.
    """
    for place, segment in enumerate(template.split("/")):
        if parameter_name(segment) == name:
            return _segment_reader(place)
        if wildcard_name(segment) == name:
            return _rest_reader(place)
    return _no_key


def _segment_reader(place: int) -> ReadKey:
    def read(exchange: Exchange) -> bytes | None:
        return exchange.path.split(b"/", place + 1)[place]

    return read


def _rest_reader(place: int) -> ReadKey:
    def read(exchange: Exchange) -> bytes | None:
        segments = exchange.path.split(b"/", place)
        return segments[place] if len(segments) > place else None

    return read
