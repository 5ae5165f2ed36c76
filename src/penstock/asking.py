"""Calls of other services: what an author says of one, what goes with it, and the reply (docs/protocol.md, section 8).

    reply = await call.ask("inventory", "GET", "/stock/7")
    stock = reply.check().json(Stock)

Tenant and correlation id are those of the call that is being handled, the trace is its child, and its deadline holds,
less what has passed. `asks.py` sends it.
"""

import os
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar, overload

import msgspec
import trio

from frames.fields import Field, encode_block
from frames.frame import FieldId, Method
from frames.limits import PAYLOAD_BYTES_MAX, TENANT_BYTES_MAX, TRACE_BYTES
from penstock.errors import CallDeadline, CallFailed
from penstock.fields import Headers

if TYPE_CHECKING:
    from penstock.call import Call

__all__ = ["AskOptions", "Asker", "Question", "Reply", "current_call", "make_question", "stand_in"]

T = TypeVar("T")

DEADLINE_S = 10.0
"""For a call that belongs to no other, and for those of a stream, which has no deadline: as at the gateway's edge."""

CONTEXT_BYTES_MAX = 2_048
"""What a frame needs besides fields, target and body: the header's rest, and the context fields at their longest."""

_is_service = re.compile(r"[a-z][a-z0-9-]{0,63}").fullmatch
_is_tenant = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
_INHERITED = (FieldId.TENANT, FieldId.CORRELATION_ID, FieldId.TRACESTATE)

current_call: "ContextVar[Call | None]" = ContextVar("penstock.current_call", default=None)
"""The call that the handler at hand was called for; an `async def` handler's tasks see it, too."""


stand_in: "ContextVar[Asker | None]" = ContextVar("penstock.stand_in", default=None)
"""In a test (`penstock.testing`): what answers in place of the gateway."""


class AskOptions(TypedDict, total=False):
    """What a call of another service may say besides service, method and target."""

    body: bytes
    json: object
    """Becomes the body, with its content-type; None means no JSON."""
    headers: Mapping[str, str] | Iterable[tuple[str, str]]
    deadline_ms: int | None
    """How long to wait at most; what is left of the call that is being handled still holds."""
    tenant: str | None
    """For whom; default: as the call that is being handled."""


class Question(msgspec.Struct, frozen=True):
    """A call of another service, ready to be sent."""

    service: str
    method: Method
    target: bytes
    context: tuple[tuple[FieldId, bytes], ...]
    fields: list[Field]
    body: bytes
    deadline: float
    """In seconds of Trio's clock."""
    prefers: int | None = None
    """The connection that the call came over for which it is asked."""

    @property
    def remaining_ms(self) -> int:
        """How long to wait still; 0 when it is over."""
        return max(0, int((self.deadline - trio.current_time()) * 1000))

    def __str__(self) -> str:
        """The call in an error's message; the query may hold what belongs into no log."""
        return f"{self.service}: {self.method.name} {self.target.partition(b'?')[0].decode('latin-1')}"


class Asker(Protocol):
    """What sends a question: `asks.Asks`, or what stands for it in a test."""

    def is_running(self, call: "Call", /) -> bool:
        """Whether the call is still being handled."""
        ...

    async def ask(self, question: Question, /) -> "Reply":
        """Return the reply, or raise a `CallError`."""
        ...


class Reply(msgspec.Struct, frozen=True):
    """The answer of another service, whatever its status; the gateway answers for one that it cannot reach."""

    status: int
    headers: Headers
    body: bytes
    source: str = ""
    """What was asked, for messages."""

    def check(self) -> "Reply":
        """Return the reply itself, or raise `CallFailed` when its status is 400 or above."""
        if self.status >= 400:
            raise CallFailed(f"{self.source}: it was answered {self.status}{self._reason()}", self)
        return self

    @overload
    def json(self) -> Any: ...

    @overload
    def json(self, type: type[T]) -> T: ...

    def json(self, type: Any = Any) -> Any:  # noqa: A002
        """The body, decoded from JSON; with a type, checked against it and converted.

        Raises `CallFailed` when it is no JSON, or not of the type: that is the other service's fault.
        """
        try:
            return msgspec.json.decode(self.body, type=type)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise CallFailed(f"{self.source}: its answer cannot be used: {error}", self) from error

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def _reason(self) -> str:
        """The reason of a problem, which is a code and no secret."""
        try:
            return f" {msgspec.json.decode(self.body, type=_Problem).reason[:64]!a}"
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return ""


class _Problem(msgspec.Struct):
    reason: str


def make_question(
    service: str, method: str, target: str, options: AskOptions, call: "Call | None", asker: Asker
) -> Question:
    """Return what is to be sent. call: for which it is asked, or None.

    Raises ValueError for what no frame can carry, and `CallDeadline` when there is no time left.
    """
    if method.upper() not in Method.__members__:
        raise ValueError(f"the method {method!r} is not one of {', '.join(Method.__members__)}")
    if not _is_service(service):
        raise ValueError(f"{service!r} is no service's name: 1 to 64 of a-z 0-9 '-', beginning with a letter")
    if not target.startswith("/") or not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError(f"the target {target!r} is no path with a query; begin with '/', and percent-encode the rest")
    fields, body = _fields(service, options)
    size = sum(map(len, encode_block(fields))) + len(target) + len(body) + CONTEXT_BYTES_MAX
    if size > PAYLOAD_BYTES_MAX:
        raise ValueError(
            f"{service}: {method} {target}: it has {size:,} bytes, and a call carries {PAYLOAD_BYTES_MAX:,}"
        )
    is_running = call is not None and asker.is_running(call)
    question = Question(
        service=service,
        method=Method[method.upper()],
        target=target.encode(),
        context=_context(call, options),
        fields=fields,
        body=body,
        deadline=_deadline(call if is_running else None, options.get("deadline_ms")),
        prefers=call.key[0] if call is not None and is_running else None,
    )
    if not question.remaining_ms:
        raise CallDeadline(f"{question}: there was no time left, and it was not sent")
    return question


def _fields(service: str, options: AskOptions) -> tuple[list[Field], bytes]:
    headers = options.get("headers", ())
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    fields: list[Field] = [(FieldId.SERVICE, b"", service.encode())]
    fields += [(FieldId.NAMED, name.lower().encode("ascii"), value.encode("latin-1")) for name, value in pairs]
    if options.get("json") is None:
        return fields, options.get("body", b"")
    if "body" in options:
        raise TypeError("a call has a body or json, not both")
    if not any(name == b"content-type" for _, name, _ in fields):
        fields.append((FieldId.NAMED, b"content-type", b"application/json"))
    return fields, msgspec.json.encode(options["json"])


def _context(call: "Call | None", options: AskOptions) -> tuple[tuple[FieldId, bytes], ...]:
    """What is passed on; ids that are not there are made by the wire."""
    found: dict[FieldId, bytes] = {}
    if call is not None:
        found = {field: value for field in _INHERITED if (value := call._context_bytes(field)) is not None}
        trace = call._context_bytes(FieldId.TRACE)
        if trace is not None and len(trace) == TRACE_BYTES:
            found[FieldId.TRACE] = trace[:16] + os.urandom(8) + trace[24:]
    if tenant := options.get("tenant"):
        if not _is_tenant(tenant):
            raise ValueError(f"{tenant!r} is no tenant: 1 to {TENANT_BYTES_MAX} of A-Z a-z 0-9 '.' '_' '-'")
        found[FieldId.TENANT] = tenant.encode()
    return tuple(found.items())


def _deadline(call: "Call | None", deadline_ms: int | None) -> float:
    now = trio.current_time()
    own = now + (DEADLINE_S if deadline_ms is None else deadline_ms / 1000)
    if call is None or (call.endpoint.streams and (getattr(call, "has_begun", False) or call.deadline <= now)):
        return own  # a stream has no deadline while its body comes, and after its answer was begun
    return call.deadline if deadline_ms is None else min(own, call.deadline)
