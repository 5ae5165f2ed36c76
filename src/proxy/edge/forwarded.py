"""Who is behind the peer: Forwarded (RFC 7239) and X-Forwarded-For and -Proto, from trusted peers only.

Each proxy on the way adds who connected to it at the right end. So the list is read from the right: as long as an
address is that of a trusted proxy, what stands to the left of it was written by that proxy and is believed. The first
one that is not trusted is the client; what stands to its left is the client's own word and is not looked at.

When in doubt, the peer itself is the client: where a field is malformed, or where both kinds of field are there and do
not say the same. An ``unknown`` or obfuscated node ends the list: the client is then the last address that is known.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

ADDRESSES_CACHED: Final = 4096  # proxies are few, but each reads a client's address too; 1 MiB at most

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_PAIR = re.compile(rb"(%s)=(%s|%s)" % (_TOKEN, _TOKEN, _QUOTED))
_BETWEEN = re.compile(rb"[ \t]*([;,]|\Z)[ \t]*")
_NODE = re.compile(
    rb"(?:(?P<v4>[0-9.]{7,15})|\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<hidden>(?i:unknown)|_[A-Za-z0-9._-]+))"
    rb"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
)
_BARE_V6 = re.compile(rb"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_SCHEMES: Final = {b"http": b"http", b"https": b"https", b"ws": b"http", b"wss": b"https"}  # some proxies say wss


class Doubt(Enum):
    """Why a trusted peer was not believed."""

    MALFORMED = "malformed"
    DISAGREEING = "disagreeing"


class Client(NamedTuple):
    """Who asks."""

    address: str
    """In the form of RFC 5952; an IPv4 address that was mapped into IPv6 as IPv4."""
    scheme: bytes
    """``http`` or ``https``: how the client came to the first proxy, or to us."""
    doubt: Doubt | None = None
    """Set when a trusted peer was not believed: to be counted."""


class _MalformedError(Exception):
    """A field that is none."""


class _Hop(NamedTuple):
    """What one proxy said of who connected to it. None: not said, or not to be known."""

    address: str | None
    scheme: bytes | None


class TrustedProxies:
    """The addresses that are believed: one set of prefixes for each length of prefix, and the last answers."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        """Trust these networks."""
        prefixes: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            prefixes.setdefault((network.version, shift), set()).add(int(network.network_address) >> shift)
        self._prefixes = tuple((*key, frozenset(found)) for key, found in prefixes.items())
        self.trusts = lru_cache(ADDRESSES_CACHED)(self._look_up)
        """Whether an address (text) is trusted; what is no address is not."""

    def __bool__(self) -> bool:
        """Whether anybody is trusted at all."""
        return bool(self._prefixes)

    def _look_up(self, address: str) -> bool:
        canonical = canonical_address(address)
        if canonical is None:
            return False
        found = ip_address(canonical)
        number, version = int(found), found.version
        return any(version == of and number >> shift in prefixes for of, shift, prefixes in self._prefixes)


def canonical_address(text: str) -> str | None:
    """Return the one form of an IP address (RFC 5952; mapped IPv4 as IPv4), or None when it is none or has a zone."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        address = address.ipv4_mapped or address
    return str(address)


def find_client(
    peer: str,
    scheme: bytes,
    proxies: TrustedProxies,
    *,
    forwarded: Sequence[bytes] = (),
    forwarded_for: Sequence[bytes] = (),
    forwarded_proto: Sequence[bytes] = (),
) -> Client:
    """Return who asks.

    peer, scheme: of the connection; forwarded, forwarded_for, forwarded_proto: the values of all fields of that name,
    in their order. A peer that is not trusted is the client, whatever it says.
    """
    itself = Client(canonical_address(peer) or peer, scheme)
    if not proxies.trusts(peer):
        return itself
    try:
        standard = _follow(_read_forwarded(forwarded), itself, proxies)
        common = _follow(_read_common(forwarded_for, forwarded_proto), itself, proxies)
    except _MalformedError:
        return itself._replace(doubt=Doubt.MALFORMED)
    if not forwarded:
        return common
    if (forwarded_for or forwarded_proto) and common != standard:
        return itself._replace(
            doubt=Doubt.DISAGREEING
        )  # a proxy writes one kind, and passes on the client's other kind
    return standard


def _follow(hops: Iterable[_Hop], client: Client, proxies: TrustedProxies) -> Client:
    """Go from hop to hop, the nearest first, for as long as who wrote it is trusted."""
    for hop in hops:
        client = Client(hop.address or client.address, hop.scheme or client.scheme)
        if hop.address is None or not proxies.trusts(hop.address):
            break
    return client


def _read_forwarded(values: Sequence[bytes]) -> Iterator[_Hop]:
    """Yield the elements of Forwarded from the right. All of it is read first: a quotation mark that is never closed
    could hide what a proxy added.
    """
    elements = [element for value in values for element in _elements(value)]
    for pairs in reversed(elements):
        node, proto = pairs.get(b"for"), pairs.get(b"proto")
        yield _Hop(None if node is None else _read_node(node), None if proto is None else _read_scheme(proto))


def _elements(value: bytes) -> Iterator[dict[bytes, bytes]]:
    """Yield the pairs of each element of one field (RFC 7239, section 4); empty elements and pairs are none."""
    at, pairs = 0, dict[bytes, bytes]()
    while True:
        pair = _PAIR.match(value, at)
        if pair is not None:
            name = pair[1].lower()
            if name in pairs:
                raise _MalformedError
            pairs[name] = _unquoted(pair[2])
            at = pair.end()
        between = _BETWEEN.match(value, at)
        if between is None:
            raise _MalformedError
        if between[1] != b";" and pairs:
            yield pairs
            pairs = {}
        if not between[1]:
            return
        at = between.end()


def _unquoted(value: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", value[1:-1], flags=re.DOTALL) if value.startswith(b'"') else value


def _read_common(forwarded_for: Sequence[bytes], forwarded_proto: Sequence[bytes]) -> Iterator[_Hop]:
    """Yield what the X- fields say, from the right. A single scheme counts for all hops, else there is one for each."""
    nodes = [item for item in _items(forwarded_for) if item]
    schemes = [item for item in _items(forwarded_proto) if item]
    if not nodes:
        if len(schemes) > 1:
            raise _MalformedError
        nodes = [b"unknown"] * len(schemes)
    if len(schemes) > 1 and len(schemes) != len(nodes):
        raise _MalformedError
    each = schemes if len(schemes) > 1 else schemes * len(nodes)
    for index in reversed(range(len(nodes))):
        yield _Hop(_read_node(nodes[index], allow_bare=True), _read_scheme(each[index]) if each else None)


def _items(values: Sequence[bytes]) -> Iterator[bytes]:
    return (item.strip(b" \t") for value in values for item in value.split(b","))


def _read_node(text: bytes, *, allow_bare: bool = False) -> str | None:
    """Return a node's address, or None for a hidden one. allow_bare: an IPv6 address may stand without brackets."""
    if allow_bare and _BARE_V6.fullmatch(text):
        text = b"[%s]" % text
    node = _NODE.fullmatch(text)
    if node is None:
        raise _MalformedError
    if node["hidden"]:
        return None
    address = canonical_address((node["v4"] or node["v6"]).decode("ascii"))
    if address is None:
        raise _MalformedError
    return address


def _read_scheme(text: bytes) -> bytes:
    scheme = _SCHEMES.get(text.lower())
    if scheme is None:
        raise _MalformedError
    return scheme
