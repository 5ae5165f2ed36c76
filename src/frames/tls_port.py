"""The wire's side of TLS: ciphertext and plaintext in and out, for who turns the one into the other.

C moves the bytes, between the socket and the arena and back (csrc/edge_tls.c); the ciphertext that comes is told by
`EventKind.TLS_INPUT`, and the end of a connection by `EventKind.TLS_CLOSED`. This is called for every request, so
everything is bound once, and nothing is copied that need not be.
"""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, cast

from frames._native import ffi, lib

Output = tuple[int, int, int, int]
"""(connection, at, bytes, closes): one ``wire_tls_output``; ``at`` is an offset into `TlsPort.plain`."""

ROOM_BYTES: Final = 16_384
"""The most that one record holds (RFC 8446, section 5.1)."""

HANDSHAKE_TIMEOUT: Final[int] = lib.TLS_CLOSED_HANDSHAKE_TIMEOUT

_OUTPUT = struct.Struct("=IIII")


class TlsPort:
    """What the wire gives to who speaks TLS for it.

    Error handling: calls return a `WireResult` and do not raise: a connection may be gone at any moment.
    """

    def __init__(self, wire: Any) -> None:
        """Bind everything to a ``wire *``."""
        self.room = bytearray(ROOM_BYTES)
        """To decrypt into, for `feed`."""
        self.plain = ffi.buffer(lib.wire_tls_plain(wire), lib.WIRE_TLS_PLAIN_BYTES)
        """The plaintext of what `outputs` returned last. Slices are copies."""
        self._outputs = ffi.buffer(lib.wire_tls_outputs(wire), lib.WIRE_TLS_OUTPUTS_MAX * _OUTPUT.size)
        self._pending: Callable[[], int] = partial(lib.wire_tls_pending, wire)
        self._feed = partial(lib.wire_tls_feed, wire)
        self._room = ffi.from_buffer("uint8_t[]", self.room)
        self.send: Callable[[int, bytes, int, int], int] = partial(lib.wire_tls_send, wire)
        """Send (connection, ciphertext, its length, ends). ends: with it, what `outputs` gave is out as a whole."""
        self.end: Callable[[int], int] = partial(lib.wire_tls_end, wire)
        """End a connection with which nothing more is to be said, when what was sent before is out."""

    def feed(self, connection: int, count: int) -> int:
        """Take the first bytes of `room` as received. The first call, be it with none, says that it is secured."""
        return cast("int", self._feed(connection, self._room, count))

    def outputs(self) -> Iterator[Output] | None:
        """Return the answers that wait to be encrypted; None when there are none (any more)."""
        count = self._pending()
        return cast("Iterator[Output]", _OUTPUT.iter_unpack(self._outputs[: count * 16])) if count else None
