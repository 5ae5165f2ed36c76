"""From a call to the scope that an ASGI application is called with.

Context that the gateway carries as fields of its own (ids, tenant, trace) is put back into the header fields that a
client sends it in, since applications look there. Who asks, as the gateway verified it, is in
`scope["extensions"]["penstock"]`.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from frames.frame import END, FieldId
from frames.limits import FIELD_ENTRY_BYTES, REQUEST_FIXED_BYTES, TRACE_BYTES
from penstock.asgi.messages import Scope
from penstock.call import OWN_TRACE

if TYPE_CHECKING:
    from penstock.streaming import StreamCall

__all__ = ["Identity", "make_scope"]

FRAME_END = END << 16
_ENTRIES = struct.Struct(">BBH").iter_unpack

_HEADER_OF = {
    int(FieldId.TENANT): b"x-tenant-id",
    int(FieldId.CORRELATION_ID): b"x-correlation-id",
    int(FieldId.REQUEST_ID): b"x-request-id",
    int(FieldId.TRACESTATE): b"tracestate",
}
_CLIENT = int(FieldId.CLIENT_ADDRESS)
_SCHEME = int(FieldId.SCHEME)
_TRACE = int(FieldId.TRACE)
_LENGTH = int(FieldId.BODY_LENGTH)

_VERSIONS = {"version": "3.0", "spec_version": "2.4"}
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}
_SERVERS_MAX = 256
_servers: dict[tuple[bytes, str], tuple[str, int]] = {}


class Identity(Mapping[str, Any]):
    """Who asks, and in which context, as the gateway says it: read when it is looked at.

    `principal` and `claims` are None where nobody proved an identity. A client cannot set them, whatever it sends.
    """

    __slots__ = ("_call",)

    NAMES = ("principal", "claims", "tenant", "correlation_id", "request_id", "remaining_ms", "attempt")

    def __init__(self, call: "StreamCall") -> None:
        """Take the call."""
        self._call = call

    def __getitem__(self, name: str) -> Any:
        """One of `NAMES`."""
        if name not in self.NAMES:
            raise KeyError(name)
        if name == "principal":
            return self._call._context(FieldId.PRINCIPAL)
        if name == "claims":
            return self._claims()
        return getattr(self._call, name)

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.NAMES)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self.NAMES)

    def __repr__(self) -> str:
        """For whom, without the claims, which may hold what no log should."""
        return f"<Identity principal={self['principal']!r} tenant={self['tenant']!r}>"

    def _claims(self) -> Any:
        import msgspec

        claims = self._call._context_bytes(FieldId.CLAIMS)
        return None if claims is None else msgspec.json.decode(claims)


def make_scope(call: "StreamCall", root_path: str, state: Mapping[str, Any], *, is_socket: bool = False) -> Scope:
    """Return the scope of an HTTP request, or of a WebSocket. state: what the lifespan has left, copied for each."""
    event, payload = call._event, call._payload
    at = event[8] - event[5]
    target = payload[at : at + event[9]]
    count = payload[10] << 8 | payload[11]
    at += event[9]
    scheme, client = "http", None
    headers: list[tuple[bytes, bytes]] = []
    host = length = b""
    for field, name_bytes, value_bytes in _ENTRIES(
        payload[REQUEST_FIXED_BYTES : REQUEST_FIXED_BYTES + FIELD_ENTRY_BYTES * count]
    ):
        value_at = at + name_bytes
        end = value_at + value_bytes
        value = payload[value_at:end]
        if not field:
            name = payload[at:value_at]
            headers.append((name, value))
            if name == b"host":
                host = value
        elif field in _HEADER_OF:
            headers.append((_HEADER_OF[field], value))
        elif field == _CLIENT:
            client = value.decode("latin-1"), 0
        elif field == _SCHEME:
            scheme = value.decode("latin-1")
        elif field == _TRACE:
            headers.append((b"traceparent", _traceparent(vars(call).get(OWN_TRACE, value))))
        elif field == _LENGTH:
            length = value
        at = end
    if event[10] and event[4] & FRAME_END:
        headers.append((b"content-length", b"%d" % event[10]))
    elif length:
        headers.append((b"content-length", length))
    elif not event[4] & FRAME_END and not is_socket:
        headers.append((b"transfer-encoding", b"chunked"))
    raw_path, _, query = target.partition(b"?")
    scope: Scope = {
        "type": "http",
        "asgi": _VERSIONS.copy(),
        "http_version": "1.1",
        "server": _servers.get((host, scheme)) or _server(host, scheme),
        "client": client,
        "scheme": scheme,
        "method": call.method,
        "root_path": root_path,
        "path": _unquoted(raw_path) if b"%" in raw_path else raw_path.decode("latin-1"),
        "raw_path": raw_path,
        "query_string": query,
        "headers": headers,
        "state": dict(state),
        "extensions": {"penstock": Identity(call)},
    }
    if is_socket:
        _become_socket(scope, call)
    return scope


def _become_socket(scope: Scope, call: "StreamCall") -> None:
    del scope["method"]
    scope["type"] = "websocket"
    scope["scheme"] = _SOCKET_SCHEMES[scope["scheme"]]
    scope["subprotocols"] = [
        name.strip() for name in call.headers.get("sec-websocket-protocol", "").split(",") if name.strip()
    ]
    scope["extensions"]["websocket.http.response"] = {}


def _traceparent(value: bytes) -> bytes:
    if len(value) != TRACE_BYTES:
        return b""
    return f"00-{value[:16].hex()}-{value[16:24].hex()}-{value[24]:02x}".encode()


def _unquoted(raw_path: bytes) -> str:
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(raw_path).decode("utf-8", "replace")


def _server(host: bytes, scheme: str) -> tuple[str, int]:
    """Return name and port of what the client asked, which Host says; remembered, since there are few."""
    name, colon, port = host.decode("latin-1").rpartition(":")
    if not colon or not port.isdecimal():
        name, port = host.decode("latin-1"), ""
    server = name.strip("[]"), int(port) if port else _PORTS[scheme]
    if len(_servers) >= _SERVERS_MAX:
        _servers.clear()
    _servers[host, scheme] = server
    return server
