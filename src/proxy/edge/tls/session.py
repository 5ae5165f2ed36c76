"""One connection's TLS: ciphertext in and plaintext out, and back. On memory; nothing here waits.

The same object serves a connection all its life, whether its requests are carried in the batch or by a task that reads
and writes the descriptor itself.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

RECORD_BYTES: Final = 16_384
"""The most plaintext that one record holds (RFC 8446, section 5.1)."""

Wrap = Callable[[ssl.MemoryBIO, ssl.MemoryBIO], ssl.SSLObject]


class TlsSession:
    """The server's side of a connection.

    The methods that are needed for every request are bound once: ``put`` takes ciphertext in, ``take`` returns what is
    to be sent, ``read_into`` and ``write`` are `ssl.SSLObject.read`, with a length and a buffer, and ``write``.
    """

    __slots__ = ("has_ended", "incoming", "is_secured", "object", "outgoing", "put", "read_into", "take", "write")

    def __init__(self, wrap: Wrap) -> None:
        """Begin a connection of which nothing has come yet."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = wrap(self.incoming, self.outgoing)
        self.put = self.incoming.write
        self.take = self.outgoing.read
        self.read_into = cast("Callable[[int, bytearray], int]", self.object.read)
        self.write = self.object.write
        self.is_secured = False
        self.has_ended = False
        """The client has said that it sends no more, and `decrypt` has found it."""

    def shake(self) -> bool:
        """Go on with the handshake; what is to be sent is for ``take``, also after an error. True: it is over.

        Raises:
            ssl.SSLError: it has failed.
        """
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.is_secured = True
        return True

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Return the plaintext that has become readable: none yet, or none any more, is empty.

        Raises:
            ssl.SSLError: what came is no TLS, was altered on the way, or is an alert.
        """
        self.put(ciphertext)
        pieces = []
        try:
            while piece := self.object.read(RECORD_BYTES):
                pieces.append(piece)
                if not self.incoming.pending:
                    break
            else:
                self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, plaintext: bytes) -> bytes:
        """Return the ciphertext, record by record: what is not taken at once would stay allocated.

        Raises:
            ssl.SSLError: the session is broken.
        """
        if len(plaintext) <= RECORD_BYTES:
            if plaintext:
                self.write(plaintext)
            return self.take()
        view, pieces = memoryview(plaintext), []
        for at in range(0, len(plaintext), RECORD_BYTES):
            self.write(view[at : at + RECORD_BYTES])
            pieces.append(self.take())
        return b"".join(pieces)

    def close_notify(self) -> bytes:
        """Return the ciphertext that says that nothing follows, with all that was to be sent before."""
        with suppress(ssl.SSLError):  # the peer's own has not come, and is not waited for
            self.object.unwrap()
        return self.take()
