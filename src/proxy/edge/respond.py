"""The one place that makes an answer of a reason.

The body is a problem document (RFC 9457), the same for every client:

    {"type":"urn:penstock:reason:no_route","title":"No service offers this path.","status":404,"reason":"no_route",
     "request_id":"…","correlation_id":"…","detail":"…"}

`type` is a URN and not a link: it is the same on every installation, promises no page, and cannot be resolved against
the host that a service's clients happen to use, as a relative reference would be (RFC 9457, section 3.1.1).
`about:blank` would say no more than the status. What a reason means is told in docs/reasons.md.

Nothing leaks: the texts are ours. `detail` is for what the caller made itself, never for the text of an exception or
for bytes that a service sent. A cause that is no reason becomes INTERNAL, and nothing of it is told.

An overloaded gateway answers many requests here, so all that is the same for a reason is put together once.
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import msgspec

from proxy.errors import CLIENT_GONE, INTERNAL, Reason

_encode = msgspec.json.Encoder().encode


class Rendered(NamedTuple):
    """An answer, in the order of the arguments of the wire's `answer`."""

    status: int
    lines: bytes  # whole field lines, each with its CRLF; the wire adds content-length, date, connection and the ids
    body: bytes  # the wire leaves it out where the request was HEAD
    close: bool


class _Fixed(NamedTuple):
    """What is the same for every answer with one reason."""

    lines: bytes  # without Retry-After
    retry_after: bytes  # its line, or nothing
    reason_line: bytes
    body: bytes  # up to the request id's value


@cache
def _fixed(reason: Reason) -> _Fixed:
    members = {
        "type": f"urn:penstock:reason:{reason.code}",
        "title": reason.title,
        "status": reason.status,
        "reason": reason.code,
    }
    return _Fixed(
        lines=b"content-type: application/problem+json\r\ncache-control: no-store\r\n",
        retry_after=_retry_after_line(reason.retry_after_s),
        reason_line=b"x-penstock-reason: %s\r\n" % reason.code.encode(),
        body=_encode(members)[:-1] + b',"request_id":',
    )


def _retry_after_line(seconds: int | None) -> bytes:
    return b"" if seconds is None else b"retry-after: %d\r\n" % seconds


def _field_line(name: bytes, value: bytes) -> bytes:
    """A field line. ValueError for a control byte: a value that could begin another line is a fault of the caller's."""
    line = b"%s: %s" % (name, value)
    if any(byte < 0x20 or byte == 0x7F for byte in line):
        raise ValueError(
            f"the header field {line!r} holds a control byte: nothing from outside may come here unchecked"
        )
    return line + b"\r\n"


def respond(
    cause: object,
    *,
    request_id: bytes,
    correlation_id: bytes,
    detail: str | None = None,
    instance: str | None = None,
    retry_after_s: int | None = None,
    headers: Iterable[tuple[bytes, bytes]] = (),
    reason_header: bool = False,
) -> Rendered:
    """
    The answer for a cause: a Reason, or anything else, which is answered as INTERNAL without a word about it.

    request_id, correlation_id: as the wire holds them. detail: one sentence about this occurrence, made by us.
    instance: a URI reference of this occurrence (RFC 9457, section 3.1.5). retry_after_s: in place of the reason's own.
    headers: more fields, such as Allow; ValueError where one holds a control byte. reason_header: the operator lets
    the reason be told in x-penstock-reason.
    """
    if not isinstance(cause, Reason) or cause is CLIENT_GONE:
        cause, detail = INTERNAL, None
    fixed = _fixed(cause)
    body = b'%s%s,"correlation_id":%s' % (fixed.body, _text(request_id), _text(correlation_id))
    if detail is not None:
        body += b',"detail":' + _encode(detail)
    if instance is not None:
        body += b',"instance":' + _encode(instance)
    lines = fixed.lines + (fixed.retry_after if retry_after_s is None else _retry_after_line(retry_after_s))
    if reason_header:
        lines += fixed.reason_line
    for name, value in headers:
        lines += _field_line(name, value)
    return Rendered(cause.status, lines, body + b"}", cause.closes)


def _text(identifier: bytes) -> bytes:
    return _encode(identifier.decode("latin-1"))
