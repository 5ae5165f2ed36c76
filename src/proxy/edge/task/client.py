"""The client's socket while its connection is handed over: bytes in, bytes out, with the time that each may take.

The wire owns the descriptor; here it is only read and written, between `hand_over` and `hand_back`. Over TLS the same
session goes on that the wire's batches use: what is read is decrypted and what is written encrypted on the way.
"""

import os
import time
from collections.abc import Callable
from typing import Final, Protocol

import trio

from proxy.errors import CLIENT_GONE

READ_BYTES: Final = 262_144
"""One read: four DATA frames."""
YIELD_S: Final = 0.001
"""Own work between two looks at what other tasks want, as in `frames.wire`."""
PIECES_MAX: Final = 512
"""Pieces of one writev: half of what Linux takes (IOV_MAX)."""

_clock = time.monotonic


class Client(Protocol):
    """What an answer is written to: a `ClientSocket`, or what stands in its place."""

    descriptor: int

    @property
    def received_bytes(self) -> int:
        """What was read from the socket, in bytes on the wire."""
        ...

    @property
    def sent_bytes(self) -> int:
        """What was written to it, likewise."""
        ...

    async def receive(self) -> bytes:
        """Return what has come; empty at the end."""
        ...

    async def send(self, *pieces: bytes) -> bool:
        """Send all of these bytes; whether the socket took them without a wait."""
        ...

    async def send_close_notify(self) -> None:
        """Over TLS, say that nothing follows."""
        ...


class ClientGone(Exception):  # noqa: N818 - it says what is the case
    """The client has closed the connection, or it was lost."""

    reason = CLIENT_GONE


class ClientTooSlow(Exception):  # noqa: N818
    """The client read nothing for as long as it may."""


class Secured(Protocol):
    """The TLS session of a connection."""

    has_ended: bool
    """The client has said that it sends no more: whatever follows on the socket, it is the end."""

    def decrypt(self, ciphertext: bytes, /) -> bytes:
        """Return the plaintext that has become readable; empty when there is none yet. Raises OSError."""
        ...

    def encrypt(self, plaintext: bytes, /) -> bytes:
        """Return the ciphertext."""
        ...

    def close_notify(self) -> bytes:
        """Return the ciphertext that says that nothing follows."""
        ...


class ClientSocket:
    """One client's socket, non-blocking, for one reader and one writer."""

    __slots__ = (
        "_held",
        "_is_cut",
        "_secured",
        "_write_s",
        "_yielded_at",
        "descriptor",
        "received_bytes",
        "sent_bytes",
    )

    def __init__(self, descriptor: int, held: bytes, write_s: float, secured: Secured | None = None) -> None:
        """held: what was received before and is to be read first; write_s: a write must make progress within it."""
        self.descriptor = descriptor
        self._held = held
        self._write_s = write_s
        self._secured = secured
        self._yielded_at = _clock()
        self._is_cut = False
        self.received_bytes = self.sent_bytes = 0
        """What was read from the socket here, and written to it, in bytes on the wire."""

    def take_held(self) -> bytes:
        """Return what was received before, if it was not read yet."""
        held, self._held = self._held, b""
        return held

    async def receive(self) -> bytes:
        """Return what has come, at most `READ_BYTES`; empty at the end. Raises `ClientGone`.

        Cancelled, it has taken nothing.
        """
        if self._held:
            return self.take_held()
        secured = self._secured
        if secured is not None and secured.has_ended:
            return b""
        await self._let_others_run()
        while True:
            data = self._read()
            if data is None:
                await self._wait(trio.lowlevel.wait_readable)
            elif not data or secured is None:
                return data
            elif (plaintext := _decrypt(secured, data)) or secured.has_ended:
                return plaintext

    async def send(self, *pieces: bytes) -> bool:
        """Send all of these bytes; whether the socket took them without a wait. Raises `ClientGone`, `ClientTooSlow`.

        Cancelled, it may have sent a part of them. Nothing makes sense to the client after that: it is `ClientGone`.
        """
        if self._is_cut:
            raise ClientGone
        await self._let_others_run()  # before, so that what was sent is known to be so before anybody else runs
        self._is_cut = True
        if self._secured is not None:
            pieces = (self._secured.encrypt(b"".join(pieces)),)
        left, took_all = list(pieces), True
        while left:
            try:
                sent = os.writev(self.descriptor, left[:PIECES_MAX])
            except BlockingIOError:
                await self._wait_writable()
                took_all = False
                continue
            except OSError as error:
                raise ClientGone from error
            self.sent_bytes += sent
            _drop_sent(left, sent)
        self._is_cut = False
        return took_all

    async def send_close_notify(self) -> None:
        """Over TLS, say that nothing follows, so that the end cannot be taken for an attacker's."""
        if self._secured is not None:
            farewell, self._secured = self._secured.close_notify(), None
            await self.send(farewell)

    def _read(self) -> bytes | None:
        try:
            data = os.read(self.descriptor, READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ClientGone from error
        self.received_bytes += len(data)
        return data

    async def _wait(self, wait: Callable[[int], object]) -> None:
        await wait(self.descriptor)  # type: ignore[misc]
        self._yielded_at = _clock()

    async def _wait_writable(self) -> None:
        with trio.move_on_after(self._write_s) as scope:
            await self._wait(trio.lowlevel.wait_writable)
        if scope.cancelled_caught:
            raise ClientTooSlow

    async def _let_others_run(self) -> None:
        """A peer that is always ready must not keep the other tasks waiting."""
        if _clock() - self._yielded_at > YIELD_S:
            await trio.lowlevel.checkpoint()
            self._yielded_at = _clock()


def _decrypt(secured: Secured, data: bytes) -> bytes:
    try:
        return secured.decrypt(data)
    except OSError as error:  # ssl.SSLError is one
        raise ClientGone from error


def _drop_sent(left: list[bytes], sent: int) -> None:
    """Take what was sent off the front of what is left."""
    whole = 0
    for piece in left:
        if sent < len(piece):
            break
        sent -= len(piece)
        whole += 1
    del left[:whole]
    if sent:
        left[0] = left[0][sent:]
