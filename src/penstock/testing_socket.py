"""The client's side of a WebSocket, for `penstock.testing.websocket`."""

import base64
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from penstock.errors import PenstockError
from penstock.handshake import accept_key
from penstock.stream import Stream
from penstock.websocket import WebSocket

if TYPE_CHECKING:
    from penstock.testing import Response

__all__ = ["ClientSocket", "NotAccepted", "connect", "handshake"]

KEY = base64.b64encode(os.urandom(16)).decode()
MESSAGE_BYTES_MAX = 1 << 30


class NotAccepted(PenstockError):  # noqa: N818 - it says what is the case
    """The service has not gone on as a WebSocket; `response` is what it answered."""

    def __init__(self, response: "Response") -> None:
        """Keep the answer."""
        super().__init__(f"the service answered {response.status} instead of opening a WebSocket")
        self.response = response


class ClientSocket(WebSocket):
    """A `WebSocket` with `send`, `receive`, `close` and so on, seen from the client; `response` opened it."""

    response: "Response"

    def vanish(self) -> None:
        """Go away without a word, as a client does whose network is gone."""
        self._flow.stop_sending()
        self._flow.stop_receiving()


def handshake(subprotocols: Sequence[str], compression: bool) -> list[tuple[str, str]]:
    """Return the request's fields for the handshake; `Connection` and `Upgrade` are between client and gateway."""
    fields = [("sec-websocket-key", KEY), ("sec-websocket-version", "13")]
    if subprotocols:
        fields.append(("sec-websocket-protocol", ", ".join(subprotocols)))
    if compression:
        fields.append(("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"))
    return fields


@asynccontextmanager
async def connect(stream: Stream, response: "Response") -> AsyncIterator[ClientSocket]:
    """Go on as a WebSocket after a 101, and close it at the end."""
    from wsproto.connection import Connection, ConnectionType

    from penstock.deflate import Deflate

    if response.status != 101 or response.headers.get("sec-websocket-accept") != accept_key(KEY):
        raise NotAccepted(response)
    extensions = []
    if "sec-websocket-extensions" in response.headers:
        deflate = Deflate()
        deflate.finalize(response.headers["sec-websocket-extensions"])
        extensions.append(deflate)
    socket = ClientSocket(
        stream,
        Connection(ConnectionType.CLIENT, list(extensions)),
        message_bytes_max=MESSAGE_BYTES_MAX,
        subprotocol=response.headers.get("sec-websocket-protocol"),
    )
    socket.response = response
    yield socket
    await socket.close()
