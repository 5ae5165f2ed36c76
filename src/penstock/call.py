"""A call: one request as a handler sees it.

Most handlers read little of their request, so nothing is decoded before it is asked for: a `Call` keeps the payload of
the REQUEST frame (docs/protocol.md, section 4) and where the parts lie in it. What has been decoded is kept.

The wire's event CALL says the rest: exchange, connection, kind, endpoint, method | attempt << 8 | frame flags << 16,
the payload's offset and bytes, remaining milliseconds, the target's offset and bytes, the body's bytes.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

import msgspec

from frames.fields import Field, decode_fields, find_field, find_named
from frames.frame import FieldId, Method
from frames.limits import FIELD_ENTRY_BYTES, REQUEST_FIXED_BYTES, TRACE_BYTES
from penstock.errors import BadRequest, StreamMisuse
from penstock.fields import Headers, Query, parse_query
from penstock.lazy import lazy
from penstock.port import WireEvent

if TYPE_CHECKING:
    from penstock.answer import Fields
    from penstock.asking import AskOptions, Reply
    from penstock.body import RequestBody
    from penstock.handler import Endpoint
    from penstock.respond import StreamedResponse

__all__ = ["Call", "Trace"]

T = TypeVar("T")

OWN_TRACE = "own_trace"
"""Where a call keeps the trace of its handler's span (25 bytes, as in frames), for applications that ask for it."""

_METHOD_NAMES = {method.value: method.name for method in Method}
_decode_json = msgspec.json.Decoder().decode


class Trace(msgspec.Struct, frozen=True):
    """W3C trace context of the call: who called, in which trace."""

    trace_id: str
    """32 hexadecimal digits."""
    parent_id: str
    """16 hexadecimal digits: the span of the sender."""
    flags: int
    """Bit 0: the sender has the trace sampled."""

    @property
    def traceparent(self) -> str:
        """The value of a `traceparent` header (W3C Trace Context, section 3.2)."""
        return f"00-{self.trace_id}-{self.parent_id}-{self.flags:02x}"


class Call:
    """One request. A handler gets it as its first argument.

    Reading what the client sent wrongly (a body that is no JSON, a query that is no UTF-8) raises `BadRequest`, which
    is answered with 400 when the handler lets it pass.
    """

    __slots__ = ("__dict__", "_arrived", "_clock", "_event", "_payload", "endpoint")

    def __init__(
        self, event: WireEvent, payload: bytes, endpoint: "Endpoint", arrived: float, clock: Callable[[], float]
    ) -> None:
        """Take what the wire said of the frame and the frame's payload; arrived: when, in seconds of the clock."""
        self._event = event
        self._payload = payload
        self.endpoint = endpoint
        self._arrived = arrived
        self._clock = clock

    @property
    def method(self) -> str:
        """`GET`, `POST` and so on."""
        return _METHOD_NAMES.get(self._event[4] & 0xFF, "")

    @property
    def key(self) -> tuple[int, int]:
        """Connection and exchange: what names this call in the process."""
        return self._event[1], self._event[0]

    @property
    def attempt(self) -> int:
        """1 for the first; more when the gateway sends the request again."""
        return self._event[4] >> 8 & 0xFF

    @property
    def deadline(self) -> float:
        """When the caller stops waiting, in seconds of Trio's clock (`trio.current_time`)."""
        return self._arrived + self._event[7] * 0.001

    @property
    def remaining_ms(self) -> int:
        """How long the caller still waits. Shrinks while the handler works; 0 when it is over."""
        left_s = self._arrived + self._event[7] * 0.001 - self._clock()
        return int(left_s * 1000) if left_s > 0 else 0

    @property
    def raw_target(self) -> bytes:
        """Path and query, the bytes that the client sent."""
        event = self._event
        start = event[8] - event[5]
        return self._payload[start : start + event[9]]

    @lazy
    def target(self) -> str:
        """Path and query as the client sent them."""
        return self.raw_target.decode("latin-1")

    @property
    def path(self) -> str:
        """The path as the client sent it: still percent-encoded, without the query."""
        return self.target.partition("?")[0]

    @lazy
    def params(self) -> dict[str, str]:
        """The values of the path template's parts by name, percent-decoded."""
        return dict(zip(self.endpoint.names, self.endpoint.pick(self), strict=True))

    @lazy
    def query(self) -> Query:
        """The query, decoded: `call.query["page"]`, `call.query.all("tag")`."""
        return parse_query(self.target.partition("?")[2])

    @lazy
    def headers(self) -> Headers:
        """The header fields; names in lower case. Context (tenant, ids, trace) has attributes of its own instead."""
        return Headers((name, value) for field, name, value in self._fields if field == FieldId.NAMED)

    @property
    def body(self) -> bytes:
        """The body as the client sent it."""
        size = self._event[10]
        return self._payload[-size:] if size else b""

    @overload
    def json(self) -> Any: ...

    @overload
    def json(self, type: type[T]) -> T: ...

    def json(self, type: Any = None) -> Any:  # noqa: A002
        """The body, decoded from JSON; with a type (as in `msgspec.json.decode`), checked against it and converted.

        Raises `BadRequest` with reason `malformed_json` when it is no JSON, `invalid_body` when it is not of the type.
        """
        try:
            return _decode_json(self.body) if type is None else msgspec.json.decode(self.body, type=type)
        except msgspec.ValidationError as error:
            raise BadRequest("invalid_body", str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest("malformed_json", f"the body is no JSON: {error}") from error

    @property
    def tenant(self) -> str | None:
        """For whom: the tenant as the gateway let it through."""
        return self._context(FieldId.TENANT)

    @property
    def correlation_id(self) -> str | None:
        """The same for everything that belongs to one piece of work, over all hops."""
        return self._context(FieldId.CORRELATION_ID)

    @property
    def request_id(self) -> str | None:
        """The name of one request, given by the gateway."""
        return self._context(FieldId.REQUEST_ID)

    @lazy
    def trace(self) -> Trace | None:
        """The trace context, or None."""
        value = self._context_bytes(FieldId.TRACE)
        if value is None or len(value) != TRACE_BYTES:
            return None
        return Trace(value[:16].hex(), value[16:24].hex(), value[24])

    @property
    def tracestate(self) -> str | None:
        """The text of `tracestate`, to be passed on with the trace."""
        return self._context(FieldId.TRACESTATE)

    @property
    def principal(self) -> str | None:
        """Who asks, as the gateway verified it; None for somebody who has not proved anything."""
        value = self._context_bytes(FieldId.PRINCIPAL)
        return None if value is None else value.decode("utf-8", "replace")

    @lazy
    def claims(self) -> Mapping[str, Any]:
        """What the identity claims, as the gateway verified it; empty for somebody without one."""
        value = self._context_bytes(FieldId.CLAIMS)
        claims = None if value is None else _decode_json(value)
        return claims if isinstance(claims, dict) else {}

    @property
    def client_address(self) -> str | None:
        """The client's address as the gateway saw it, without a port."""
        return self._context(FieldId.CLIENT_ADDRESS)

    @property
    def scheme(self) -> str:
        """`https` or `http`: how the client came to the gateway."""
        return self._context(FieldId.SCHEME) or "http"

    @property
    def is_draining(self) -> bool:
        """Whether an answer that has no end of its own should come to one; never of a call that does not stream.

        The service drains, or the gateway's process that waits for the answer is about to go.
        """
        return False

    @lazy
    def _request_body(self) -> "RequestBody":
        from penstock.body import RequestBody

        return RequestBody.whole(self.body)

    def stream(self) -> "RequestBody":
        """The request's body, to be read as it comes: `async for chunk in call.stream()`. Always the same object.

        Without `streams=True` at the endpoint, the body is there already, and comes in one piece.
        """
        return self._request_body

    def respond(self, status: int = 200, headers: "Fields" = (), *, length: int | None = None) -> "StreamedResponse":
        """Begin an answer that is sent piece by piece.

            async with call.respond(headers={"content-type": "text/csv"}) as response:
                await response.send("a,b")

        length: how many bytes the body will have, where that is known; it is held to. When the block ends, so does the
        body; when it raises, the client sees that the body was cut off. Raises `StreamMisuse` where the endpoint has no
        `streams=True`.
        """
        raise StreamMisuse(f"{self._where} does not stream; register it with streams=True, or return the whole answer")

    async def interim(self, status: int, headers: "Fields" = ()) -> None:
        """Send an interim answer, such as 103 with `link` fields, before the answer itself; at most 16 of them.

        Raises as `respond` does.
        """
        raise StreamMisuse(f"{self._where} sends no interim answers; register it with streams=True")

    async def ask(self, service: str, method: str, target: str, **options: "Unpack[AskOptions]") -> "Reply":
        """Call another service for this call: `service.call(...)` with this call's context and deadline."""
        own = self.endpoint.service
        if own is None:
            raise StreamMisuse(f"{self._where} belongs to no service")
        return await own._ask(service, method, target, options, self)

    @property
    def _where(self) -> str:
        return f"{self.endpoint.method} {self.endpoint.path}"

    @property
    def _block(self) -> tuple[int, int]:
        """How many fields there are, and where their text begins (docs/protocol.md, section 4)."""
        count = int.from_bytes(self._payload[10:12])
        return count, REQUEST_FIXED_BYTES + FIELD_ENTRY_BYTES * count + self._event[9]

    @lazy
    def _fields(self) -> list[Field]:
        """All fields: id, name, value (docs/protocol.md, section 3)."""
        return decode_fields(self._payload, REQUEST_FIXED_BYTES, *self._block)

    def _context_bytes(self, wanted: int) -> bytes | None:
        """A context field, without decoding the others: most handlers that ask for fields ask for one of these."""
        return find_field(self._payload, REQUEST_FIXED_BYTES, *self._block, wanted)

    def _named(self, name: bytes) -> bytes | None:
        """The first header field of a name (in lower case), without decoding the others."""
        return find_named(self._payload, REQUEST_FIXED_BYTES, *self._block, name)

    def _context(self, wanted: int) -> str | None:
        value = self._context_bytes(wanted)
        return None if value is None else value.decode("latin-1")

    def __repr__(self) -> str:
        """Method, target and what is left, on one line."""
        return f"<Call {self.method} {self.target} attempt={self.attempt} remaining_ms={self.remaining_ms}>"
