"""One REQUEST for a service, put together of what a person says: what a gateway would put in is said here, too."""

import os
import re
from typing import Final

import msgspec

from frames.codec import encode_request
from frames.fields import Field
from frames.frame import FieldId, FrameError, Method
from frames.limits import PAYLOAD_BYTES_MAX, TARGET_BYTES_MAX

from .endpoints import find_endpoint
from .peer import ServicePeer

_SAMPLED: Final = b"\x00"
_ID_BYTES: Final = 16
_is_tenant = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch


class RequestError(Exception):
    """What was asked for cannot be sent. Its text is one line, with the fix."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a service."""

    method: Method
    target: str
    """Path and query, beginning with `/`."""
    deadline_ms: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    tenant: str = ""
    principal: str = ""
    claims: str = ""
    """A JSON object; as the principal, it is believed, for the gateway is who says it."""
    request_id: str = msgspec.field(default_factory=lambda: os.urandom(_ID_BYTES).hex())
    trace_id: str = msgspec.field(default_factory=lambda: os.urandom(_ID_BYTES).hex())

    def payload(self, peer: ServicePeer) -> bytes:
        """Return the payload of the REQUEST for a service that has said HELLO. Raises `RequestError`."""
        endpoint = find_endpoint(peer.endpoints, self.method, self.target)
        if endpoint is None:
            raise RequestError(self._unknown(peer))
        try:
            return encode_request(
                self.deadline_ms, endpoint.id, self.method, self.target.encode("ascii"), self._fields(), self.body
            )
        except FrameError as error:
            raise RequestError(f"it cannot be sent in a frame: {error}") from None

    def _fields(self) -> list[Field]:
        trace = bytes.fromhex(self.trace_id) + os.urandom(8) + _SAMPLED
        fields: list[Field] = [
            (FieldId.CORRELATION_ID, b"", self.request_id.encode()),
            (FieldId.REQUEST_ID, b"", self.request_id.encode()),
            (FieldId.TRACE, b"", trace),
            (FieldId.SCHEME, b"", b"http"),
        ]
        for field, text in (
            (FieldId.TENANT, self.tenant),
            (FieldId.PRINCIPAL, self.principal),
            (FieldId.CLAIMS, self.claims),
        ):
            if text:
                fields.append((field, b"", text.encode()))
        return fields + [(FieldId.NAMED, name.lower().encode(), value.encode()) for name, value in self.headers]

    def _unknown(self, peer: ServicePeer) -> str:
        asked = f"{self.method.name} {self.target.partition('?')[0]}"
        offered = [f"{each.method} {each.path}" for each in peer.endpoints]
        more = f" and {len(offered) - 8:,} more" if len(offered) > 8 else ""
        return f"{peer.who} has no endpoint for {asked}; it offers {', '.join(offered[:8]) or 'none'}{more}"


def check_request(request: Request) -> None:
    """Raise `RequestError` for what no service could take, before anybody is dialled."""
    target = request.target
    if not target.startswith("/") or not target.isascii() or not target.isprintable() or " " in target:
        raise RequestError(f"{target!r} is no path with a query; begin with '/', and percent-encode the rest")
    if len(target) > TARGET_BYTES_MAX:
        raise RequestError(f"the target has {len(target):,} characters, and at most {TARGET_BYTES_MAX:,} are allowed")
    if request.tenant and not _is_tenant(request.tenant):
        raise RequestError(f"{request.tenant!r} is no tenant; write 1 to 64 of A-Z a-z 0-9 . _ -")
    if len(request.body) > PAYLOAD_BYTES_MAX:
        raise RequestError(
            f"the body has {len(request.body):,} bytes, and one frame carries {PAYLOAD_BYTES_MAX:,}; send it through a "
            "gateway, as HTTP"
        )
    if request.claims and not _is_object(request.claims):
        raise RequestError('--claims is no JSON object; write it as \'{"scope": "invoices:read"}\'')


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False
