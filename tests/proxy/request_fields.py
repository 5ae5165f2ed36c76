"""A request's fields as stages ask for them, without a wire."""

from collections.abc import Mapping

from frames.frame import FieldId
from frames.wire_values import KnownName

KNOWN = {
    b"host": KnownName.HOST,
    b"x-tenant-id": KnownName.TENANT,
    b"x-correlation-id": KnownName.CORRELATION_ID,
    b"x-request-id": KnownName.REQUEST_ID,
    b"traceparent": KnownName.TRACEPARENT,
    b"tracestate": KnownName.TRACESTATE,
    b"x-request-timeout-ms": KnownName.REQUEST_TIMEOUT,
    b"x-service-version": KnownName.SERVICE_VERSION,
}


class Fields:
    """Fields by lower-case name, the client's address, and the context that was set."""

    def __init__(self, fields: Mapping[bytes, bytes] | None = None, *, address: str = "192.0.2.1") -> None:
        self.fields = dict(fields or {})
        self.address = address
        self.context_set: dict[FieldId, bytes] = {}

    def request_field(self, exchange: int, name: KnownName) -> bytes | None:
        return next((value for given, value in self.fields.items() if KNOWN.get(given) == name), None)

    def named_field(self, exchange: int, name: bytes) -> bytes | None:
        return self.fields.get(name)

    def caller(self, exchange: int) -> bytes:
        names = (b"x-tenant-id", b"authorization", b"x-api-key")
        said = b"\n".join(self.fields.get(name, b"") for name in names)
        return said if self.fields.keys() & set(names) else b""

    def client_address(self, exchange: int) -> str:
        return self.address

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        self.context_set[field] = value
        return 0


class NoFields:
    """For stages that must not look at the request's fields."""

    def request_field(self, exchange: int, name: KnownName) -> bytes | None:
        raise AssertionError

    def named_field(self, exchange: int, name: bytes) -> bytes | None:
        raise AssertionError

    def caller(self, exchange: int) -> bytes:
        raise AssertionError

    def client_address(self, exchange: int) -> str:
        raise AssertionError

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        raise AssertionError
