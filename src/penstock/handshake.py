"""The opening handshake of a WebSocket, the service's side (RFC 6455, section 4.2; RFC 7692 for compression).

The gateway has seen to the method and to `Connection` and `Upgrade`, and writes both into the answer; the rest is here.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from penstock.answer import PROBLEM, Response
from penstock.call import Call

if TYPE_CHECKING:
    from penstock.deflate import Deflate

__all__ = ["Accepted", "Offer", "accept", "accept_key"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16
_VERSION = "13"
_DEFLATE = "permessage-deflate"
_DEFLATE_PARAMETERS = frozenset(
    ("client_max_window_bits", "server_max_window_bits", "client_no_context_takeover", "server_no_context_takeover")
)


class Offer(msgspec.Struct, frozen=True):
    """What a WebSocket endpoint speaks."""

    subprotocols: tuple[str, ...]
    """The preferred one first."""
    message_bytes_max: int
    compression: bool


class Accepted(msgspec.Struct, frozen=True):
    """What was agreed upon."""

    headers: list[tuple[str, str]]
    subprotocol: str | None
    deflate: "Deflate | None"


def accept(call: Call, upgrade: str | None, offer: Offer) -> Accepted | Response:
    """Return what is agreed upon with the client, or the answer that says why nothing is."""
    headers = call.headers
    if upgrade is None:
        return _refuse(426, "upgrade_required", "this is a WebSocket: ask for it with Upgrade: websocket")
    if headers.get("sec-websocket-version") != _VERSION:
        return _refuse(426, "websocket_version", f"only version {_VERSION} of the protocol is spoken here")
    key = headers.get("sec-websocket-key", "")
    if not _is_key(key):
        return _refuse(400, "websocket_key", "Sec-WebSocket-Key must be the base64 of 16 bytes")
    fields = [("sec-websocket-accept", accept_key(key))]
    subprotocol = _choose(offer.subprotocols, headers.get("sec-websocket-protocol", ""))
    if subprotocol is not None:
        fields.append(("sec-websocket-protocol", subprotocol))
    deflate, parameters = None, ""
    if offer.compression:
        deflate, parameters = _accept_deflate(headers.get("sec-websocket-extensions", ""))
    if deflate is not None:
        fields.append(("sec-websocket-extensions", "; ".join(filter(None, (_DEFLATE, parameters)))))
    return Accepted(fields, subprotocol, deflate)


def accept_key(key: str) -> str:
    """Return the value of Sec-WebSocket-Accept for that of Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def _refuse(status: int, reason: str, detail: str) -> Response:
    problem = {"title": "WebSocket handshake failed", "status": status, "reason": reason, "detail": detail}
    return Response(problem, status, {"content-type": PROBLEM, "sec-websocket-version": _VERSION})


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key.encode("ascii"), validate=True)) == _KEY_BYTES
    except (binascii.Error, UnicodeEncodeError):
        return False


def _choose(spoken: Sequence[str], offered: str) -> str | None:
    """The first of ours that the client offers."""
    names = {name.strip() for name in offered.split(",")}
    return next((name for name in spoken if name in names), None)


def _accept_deflate(offered: str) -> "tuple[Deflate | None, str]":
    """The first offer of permessage-deflate that can be met; an offer that is not understood is declined."""
    from penstock.deflate import Deflate

    for text in offered.split(","):
        name, *parameters = (part.strip() for part in text.split(";"))
        names = [parameter.partition("=")[0].strip() for parameter in parameters]
        if name != _DEFLATE or len(set(names)) != len(names) or not _DEFLATE_PARAMETERS.issuperset(names):
            continue
        deflate = Deflate()
        try:
            agreed = deflate.accept(text.strip())
        except ValueError:  # a window size that is no number
            continue
        if agreed is not None and agreed is not False:
            return deflate, agreed if isinstance(agreed, str) else ""
    return None, ""
