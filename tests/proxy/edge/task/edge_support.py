"""Clients for tests of what reads and writes them: one that a script plays, and one over a pair of sockets."""

import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from proxy.edge.task.client import ClientSocket, Secured


class ScriptedClient(ClientSocket):
    """Gives what it is told to, each after a time; then nothing more comes, or its end."""

    __slots__ = ("_ends", "_pieces", "sent")

    def __init__(self, *pieces: bytes | tuple[float, bytes], held: bytes = b"", ends: bool = False) -> None:
        super().__init__(-1, held, 1.0)
        self._pieces = deque(pieces)
        self._ends = ends
        self.sent: list[bytes] = []

    async def receive(self) -> bytes:
        if held := self.take_held():
            return held
        if not self._pieces:
            if not self._ends:
                await trio.sleep_forever()
            return b""
        piece = self._pieces.popleft()
        after_s, data = piece if isinstance(piece, tuple) else (0.0, piece)
        await trio.sleep(after_s)
        self.received_bytes += len(data)
        return data

    async def send(self, *pieces: bytes) -> bool:
        self.sent.append(b"".join(pieces))
        return True


@contextmanager
def socket_pair(
    held: bytes = b"", write_s: float = 5.0, secured: Secured | None = None
) -> Iterator[tuple[ClientSocket, socket.socket]]:
    """Our side, and the client's own socket."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield ClientSocket(near.fileno(), held, write_s, secured), far
