"""The fields of a request, kept beyond its batch: for stages that run when something has been waited for."""

from typing import Protocol

from frames.frame import FieldId
from frames.wire_values import KnownName


class HeadPort(Protocol):
    """What is asked of the wire, within the request's batch."""

    def request_head_fields(self, exchange: int, /) -> list[tuple[int, bytes, bytes]]:
        """Return all fields: which name it is, if it is a known one, the name in lower case, the value."""
        ...

    def caller(self, exchange: int, /) -> bytes:
        """Return what the request says about who asks."""
        ...

    def client_address(self, exchange: int, /) -> str:
        """Return the client's address."""
        ...

    def set_context(self, exchange: int, field: FieldId, value: bytes, /) -> int:
        """Set a context field. This works beyond the batch, too."""
        ...


class HeldFields:
    """A copy of what stages may ask about a request, in the wire's place (`proxy.request.exchange.RequestFields`)."""

    __slots__ = ("_address", "_caller", "_fields", "_port")

    def __init__(self, port: HeadPort, exchange: int) -> None:
        """Copy the fields of a request of this batch."""
        self._port = port
        self._fields = port.request_head_fields(exchange)
        self._caller = port.caller(exchange)
        self._address = port.client_address(exchange)

    def request_field(self, exchange: int, name: KnownName) -> bytes | None:
        """Return the value of the first field of a known name, or None."""
        return next((value for known, _, value in self._fields if known == name), None)

    def named_field(self, exchange: int, name: bytes) -> bytes | None:
        """Return the values of all fields of a name, joined by commas, or None."""
        values = [value for _, given, value in self._fields if given == name]
        return b", ".join(values) if values else None

    def caller(self, exchange: int) -> bytes:
        """Return tenant, authorization and API key as they came, a line each; empty where there is none of them."""
        return self._caller

    def client_address(self, exchange: int) -> str:
        """Return the client's address."""
        return self._address

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        """Set a context field of the exchange, which the wire still knows."""
        return self._port.set_context(exchange, field, value)
