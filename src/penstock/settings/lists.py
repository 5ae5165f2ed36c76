"""Lists: several values separated by commas, or a list in a file. Each is named once."""

import re
from abc import abstractmethod
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Generic, TypeAlias, TypeVar

from .errors import BadValueError, BadValuesError, shortened
from .types import Kind, Raw

T = TypeVar("T")

IPNetwork: TypeAlias = IPv4Network | IPv6Network

NONE = "none"


class ListKind(Kind[tuple[T, ...]], Generic[T]):
    """A kind whose values are lists of texts of one form, in the order in which they were given."""

    item: str = "value"
    """What one of them is called."""

    def parse(self, raw: Raw) -> tuple[T, ...]:
        """Read the comma list, or a file's list."""
        items = raw.split(",") if isinstance(raw, str) else raw
        if not isinstance(items, list):
            raise BadValueError(f"a {self.label} is a list", f"write {self.example}")
        values = self._values(items)
        if len(set(values)) != len(values):
            raise BadValueError(f"one {self.item} is there twice", "name each once")
        return values

    def _values(self, items: list[Raw]) -> tuple[T, ...]:
        values: list[T] = []
        faults: list[BadValueError] = []
        for index, item in enumerate(items):
            if item == "":
                continue
            try:
                values.append(self._one(item))
            except BadValueError as bad:
                faults.append(bad.within(index, shortened(str(item).strip())))
        if faults:
            raise faults[0] if len(faults) == 1 else BadValuesError(faults)
        return tuple(values)

    def _one(self, item: Raw) -> T:
        if not isinstance(item, str) or not item.strip():
            raise BadValueError(f"{item!r} is no {self.item}", f"write {self.example}")
        return self.parse_item(item.strip())

    @abstractmethod
    def parse_item(self, text: str) -> T:
        """Return the value of one item without surrounding space, or raise `BadValueError`."""

    def render_item(self, value: T) -> str:
        """Return the text that would be parsed to this item."""
        return str(value)

    def render(self, value: tuple[T, ...]) -> str:
        """Return the comma list."""
        return ", ".join(self.render_item(item) for item in value)


class Networks(ListKind[IPNetwork]):
    """IP addresses and networks, of both versions: ``10.0.0.0/8, 192.0.2.1, 2001:db8::/32``."""

    label = "list of networks"
    item = "network"
    example = "10.0.0.0/8, 192.0.2.1, 2001:db8::/32"

    def parse_item(self, text: str) -> IPNetwork:
        """Read an address, or a network whose address has no bits behind its prefix."""
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise BadValueError(f"{text!r} is no IP address or network", f"write {self.example}") from None
        if isinstance(network, IPv6Network):
            self._refuse_mapped(text, network)
        elif "/" in text and not re.fullmatch(r"[0-9.]+/[0-9]{1,2}", text):
            raise BadValueError(f"{text!r} has a mask in place of a prefix", f"write {network}")
        if "/" in text and str(network.network_address) != str(ip_address(text.partition("/")[0])):
            address = text.partition("/")[0]
            raise BadValueError(
                f"{text!r} has bits behind its prefix", f"write {network} for the network, {address} for the address"
            )
        return network

    def _refuse_mapped(self, text: str, network: IPv6Network) -> None:
        mapped = network.network_address.ipv4_mapped
        if "%" in text:
            raise BadValueError(f"{text!r} has a zone, which is known to one machine only", f"write {self.example}")
        if mapped is not None and network.prefixlen >= 96:
            raise BadValueError(
                f"{text!r} is an IPv4 network written as IPv6", f"write {mapped}/{network.prefixlen - 96}"
            )

    def render_item(self, value: IPNetwork) -> str:
        """Return an address without its prefix."""
        return str(value.network_address) if value.prefixlen == value.max_prefixlen else str(value)


class Protocols(ListKind[str]):
    """Names of protocols that a connection may be upgraded to, in lower case; ``none`` for no protocol at all."""

    label = "list of protocols"
    item = "protocol"
    example = "websocket"

    def parse(self, raw: Raw) -> tuple[str, ...]:
        """Read the list, or ``none``."""
        return () if isinstance(raw, str) and raw.strip() == NONE else super().parse(raw)

    def parse_item(self, text: str) -> str:
        """Read one name. ``h2c`` is refused: requests inside of it would pass unseen."""
        if not re.fullmatch(r"[a-z0-9._-]{1,32}", text):
            raise BadValueError(
                f"{text!r} is no protocol that can be asked for", "write 1 to 32 of a-z 0-9 . _ -, like websocket"
            )
        if text in ("h2c", "h2"):
            raise BadValueError(f"{text!r} would carry requests that nobody looks at", "leave it out")
        if text == NONE:
            raise BadValueError("'none' stands alone", f"write {NONE}, or the protocols without it")
        return text

    def render(self, value: tuple[str, ...]) -> str:
        """Return the comma list, or ``none``."""
        return super().render(value) or NONE


class Names(ListKind[str]):
    """Names that a certificate may carry: DNS names, URIs, email addresses, common names."""

    label = "list of names"
    item = "name"
    example = "billing.example, spiffe://example/billing"

    def parse_item(self, text: str) -> str:
        """Read one name: printable ASCII without a comma. A pattern is refused: names are compared as they are."""
        if not re.fullmatch(r"[\x20-\x7e]{1,255}", text):
            raise BadValueError(f"{text!r} is no name", "write 1 to 255 printable ASCII characters")
        if "*" in text:
            raise BadValueError(f"{text!r} is a pattern, and names are compared as they are", "write each name")
        return text
