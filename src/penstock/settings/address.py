"""Addresses: where to listen, and where to dial."""

import re

import msgspec

from .types import BadValueError, Kind, Raw, TextKind

SECURED_PREFIX = "tls://"


class Address(msgspec.Struct, frozen=True):
    """Where to listen or to dial. host: a name, or an IPv4 or IPv6 address without brackets; port: 0 to 65,535."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_secured(self) -> bool:
        """Whether it is dialled by TLS."""
        return False

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than localhost counts as reachable from elsewhere."""
        import ipaddress

        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for every address of this machine."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104 - a question, not a bind


class SecuredAddress(Address, frozen=True):
    """Where to dial by TLS."""

    def __str__(self) -> str:
        """Return ``tls://host:port``."""
        return SECURED_PREFIX + super().__str__()

    @property
    def is_secured(self) -> bool:
        """Whether it is dialled by TLS."""
        return True


class ListenAddress(TextKind[Address]):
    """An address as ``host:port``."""

    label = "address"
    example = "127.0.0.1:8080"

    def parse_text(self, text: str) -> Address:
        """Read ``127.0.0.1:8080``, ``[::1]:8080`` or ``localhost:8080``."""
        return parse_address(text)


class DialAddress(TextKind[Address]):
    """An address to dial as ``host:port``, or as ``tls://host:port``."""

    label = "address"
    example = "127.0.0.1:7501"

    def parse_text(self, text: str) -> Address:
        """Read ``127.0.0.1:7501`` or ``tls://billing.internal:7501``."""
        address = parse_address(text.removeprefix(SECURED_PREFIX))
        return SecuredAddress(address.host, address.port) if text.startswith(SECURED_PREFIX) else address


class MaybeListenAddress(TextKind[Address | None]):
    """An address as ``host:port``; empty for none."""

    label = "address"
    example = "0.0.0.0:8443"

    def parse_text(self, text: str) -> Address | None:
        """Read ``0.0.0.0:8443``, or nothing."""
        return parse_address(text) if text else None

    def render(self, value: Address | None) -> str:
        """Return ``host:port``, or nothing."""
        return "" if value is None else str(value)


def parse_address(text: str) -> Address:
    """Return the address that a text names, or raise `BadValueError` with the fix."""
    scheme, separator, rest = text.partition("://")
    if separator:
        raise BadValueError(f"{scheme}:// does not belong here", f"write host:port, like {rest or '127.0.0.1:8080'}")
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise BadValueError(f"{text!r} has no port from 0 to 65535", "write host:port, like 127.0.0.1:8080")
    if host in ("", "*"):
        raise BadValueError(
            f"{text!r} names no host",
            f"write 127.0.0.1:{port} for this machine only, 0.0.0.0:{port} for every IPv4 address",
        )
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not re.fullmatch(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", host):
            raise BadValueError(f"{host!r} is no IPv6 address", f"write [::1]:{port}")
    elif ":" in host:
        raise BadValueError(f"{text!r} is ambiguous", f"put an IPv6 address in brackets: [{host}]:{port}")
    elif not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", host):
        raise BadValueError(f"{host!r} is no host name or address", "write host:port, like 127.0.0.1:8080")
    return Address(host, int(port))


class Gateway(Address, frozen=True):
    """Where a gateway listens for services. priority: the lower, the better; the others are for when those are gone."""

    priority: int = 0


PRIORITY_MAX = 9
_PRIORITY = re.compile(r"priority=([0-9])")


class Gateways(Kind[tuple[Gateway, ...]]):
    """The gateways that a service dials: ``tcp://host:port``, separated by commas, or ``none``.

    ``?priority=1`` behind an address makes it one that is dialled only while none of a better priority is connected.
    """

    label = "list of gateways"
    example = "tcp://127.0.0.1:7420"

    def parse(self, raw: Raw) -> tuple[Gateway, ...]:
        """Read the comma list, or a file's list."""
        items = [item.strip() for item in raw.split(",")] if isinstance(raw, str) else list(raw)
        if items == ["none"]:
            return ()
        addresses = tuple(self._one(item) for item in items if item != "")
        if not addresses:
            raise BadValueError("there is no gateway in it", f"write {self.example}, or none to dial nobody")
        if len({(address.host, address.port) for address in addresses}) != len(addresses):
            raise BadValueError("a gateway is named twice", "name each once")
        return addresses

    def _one(self, item: Raw) -> Gateway:
        if not isinstance(item, str) or not item.startswith("tcp://"):
            raise BadValueError(f"{item!r} does not begin with tcp://", f"write {self.example}")
        place, question, query = item.partition("?")
        priority = _PRIORITY.fullmatch(query)
        if question and priority is None:
            raise BadValueError(
                f"{item!r} has {query!r} behind its address, and only a priority of 0 to {PRIORITY_MAX} may be there",
                f"write {self.example}?priority=1",
            )
        address = parse_address(place.removeprefix("tcp://").removesuffix("/"))
        if address.port == 0:
            raise BadValueError(f"{item!r} has port 0, which cannot be dialled", f"write {self.example}")
        return Gateway(address.host, address.port, int(priority[1]) if priority else 0)

    def render(self, value: tuple[Gateway, ...]) -> str:
        """Return the comma list."""
        return ",".join(map(_gateway_text, value)) or "none"


def _gateway_text(gateway: Gateway) -> str:
    return f"tcp://{gateway}" + (f"?priority={gateway.priority}" if gateway.priority else "")
