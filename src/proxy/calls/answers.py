"""Answers to a service that calls: frames, as the edge's answers are HTTP."""

import os
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from frames.fields import decode_fields, encode_response
from frames.frame import FORBIDDEN_NAMES, FieldId
from frames.limits import FIELD_ENTRY_BYTES, RESPONSE_FIXED_BYTES
from proxy.request.stage import Answer

_LINE_END: Final = b"\r\n"


class Rendered(Protocol):
    """What `proxy.edge.respond` makes of a reason."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def lines(self) -> bytes:
        """Whole field lines."""
        ...

    @property
    def body(self) -> bytes:
        """A problem document."""
        ...


Render = Callable[[Answer, bytes, bytes], Rendered]
"""(answer, request id, correlation id)"""


class Ids(NamedTuple):
    """By which ids a call is known; a new one for each that the caller left out."""

    request_id: bytes
    correlation_id: bytes

    @classmethod
    def of(cls, context: dict[FieldId, bytes]) -> "Ids":
        """Return those of a call, and set what was left out, so that the callee sees the same."""
        request_id = context.setdefault(FieldId.REQUEST_ID, os.urandom(16).hex().encode())
        return cls(request_id, context.setdefault(FieldId.CORRELATION_ID, request_id))

    @property
    def log_fields(self) -> dict[str, str]:
        """What a line of the log says of the call."""
        return {name: value.decode("latin-1") for name, value in self._asdict().items()}


def refusal_payload(rendered: Rendered) -> bytes:
    """Return the RESPONSE for an answer that no service gave."""
    lines = (line.partition(b": ") for line in rendered.lines.split(_LINE_END) if line)
    fields = [(FieldId.NAMED, name.lower(), value) for name, _, value in lines]
    return encode_response(rendered.status, fields, rendered.body)


def may_go_on(payload: bytes) -> bool:
    """Whether a service's RESPONSE has no field that must not be sent in a frame (docs/protocol.md, section 3)."""
    count = int.from_bytes(payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    return all(
        name not in FORBIDDEN_NAMES for _, name, _ in decode_fields(payload, RESPONSE_FIXED_BYTES, count, text_at)
    )
