"""What ASGI's messages look like here, and what is wrong with those that an application sends.

The specification is https://asgi.readthedocs.io: version 3.0, messages of HTTP and WebSocket as of 2.4, lifespan 2.0.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from frames.fields import Field, response_head
from frames.frame import FORBIDDEN_NAMES, FieldId, FrameError
from penstock.errors import PenstockError

__all__ = [
    "BODILESS",
    "Application",
    "AsgiError",
    "ClientDisconnected",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "StartupError",
    "make_head",
    "read_status",
]

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""`(scope, receive, send)`. Frameworks write these three down in types of their own, so they are not compared."""

BODILESS = (204, 304)
"""RFC 9110, sections 15.3.5 and 15.4.5."""

_HEADS_MAX = 512
"""Heads that are kept. Most applications answer with few; one that makes ever new ones must not fill the memory."""

Head = tuple[bytes, int | None]
"""The payload of a RESPONSE up to its body, and the length of the body that the application declared."""

_heads: dict[Any, Head] = {}


class AsgiError(PenstockError, RuntimeError):  # RuntimeError is what other servers raise, and what applications expect
    """The application sent what it must not send now, or something of a wrong form. Raised out of its `send`."""


class ClientDisconnected(OSError):  # noqa: N818 - it says what is the case
    """Raised out of `send`: nobody waits for the answer any more (ASGI 2.4, "Disconnected Client")."""


class StartupError(PenstockError):
    """The application cannot be loaded, or failed to start. The text is one line."""


def make_head(status: int, headers: Any) -> Head:
    """Return the head that `http.response.start` makes; those that come again are remembered.

    Fields that frame a message, or belong to one hop, are left out: that is the gateway's business. Raises `AsgiError`.
    """
    try:
        key = status, tuple(headers)
        kept = _heads.get(key)
        if kept is not None:
            return kept
    except TypeError:  # lists in place of tuples, say
        return _make_head(status, headers)
    head = _make_head(status, key[1])
    if len(_heads) >= _HEADS_MAX:
        _heads.clear()
    _heads[key] = head
    return head


def read_status(message: Message) -> int:
    """Return the status of a message that begins an answer. Raises `AsgiError`."""
    status = message.get("status")
    if type(status) is not int:  # a bool is none, http.HTTPStatus is one
        try:
            status = int(status) if isinstance(status, int) and not isinstance(status, bool) else None
        except ValueError:
            status = None
    if status is None or not 200 <= status <= 599:
        raise AsgiError(f"{message.get('type')}: the status is {message.get('status')!r}; it is an int from 200 to 599")
    return status


def read_headers(headers: Any) -> list[Field]:
    """Return header fields as frames carry them, without those of one hop. Raises `AsgiError`."""
    fields: list[Field] = []
    for pair in headers:
        try:
            name, value = pair
        except (TypeError, ValueError):
            raise AsgiError(f"headers: {pair!r} is no pair of name and value") from None
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            kinds = f"{type(name).__name__} and {type(value).__name__}"
            raise AsgiError(f"headers: name and value of {name!r} are {kinds}; both must be bytes")
        name = name.lower()
        if name == b"content-length" or name not in FORBIDDEN_NAMES:
            fields.append((FieldId.NAMED, name, value.strip(b" \t")))
    return fields


def _make_head(status: int, headers: Any) -> Head:
    fields = read_headers(headers)
    lengths = {value for _, name, value in fields if name == b"content-length"}
    length = _read_length(lengths) if lengths else None
    try:
        return response_head(status, [field for field in fields if field[1] != b"content-length"]), length
    except FrameError as error:
        raise AsgiError(f"headers: {error}") from error


def _read_length(values: set[bytes]) -> int:
    text = values.pop()
    if values or not text.isdigit() or len(text) > 16:
        raise AsgiError("headers: content-length is no number, or there are several that differ")
    return int(text)
