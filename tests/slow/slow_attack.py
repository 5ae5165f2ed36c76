"""Many clients that are slow on purpose: ``python slow_attack.py KIND PORT CONNECTIONS SECONDS``.

KIND: ``header`` and ``hello`` send a byte of a request's head, or of a TLS hello, every half second, ``body`` a byte of
a body; ``reader`` asks for a large body and reads a few bytes of it. One line of JSON says how many connections were
made, how many of them the server ended before the time was over, and the statuses that were answered.

A program of its own, so that what it costs is not taken from the gateway's process.
"""

import json
import socket
import sys
import time
from collections import Counter

EVERY_S = 0.5
READ_BYTES, SLOW_READ_BYTES = 4096, 64
SMALL_WINDOW_BYTES = 2048

_HEAD = b"GET /hello HTTP/1.1\r\nHost: edge\r\nX-Slow: " + b"x" * 1000
_BODY = b"POST /sums HTTP/1.1\r\nHost: edge\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000
_READER = b"GET /bytes/50000000 HTTP/1.1\r\nHost: edge\r\n\r\n"
# A handshake record of 512 bytes, with a ClientHello of 508 in it whose end never comes (RFC 8446, sections 4 and 5.1).
_HELLO = bytes((0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3)) + b"\x00" * 300

KINDS = {"header": (_HEAD, 40), "body": (_BODY, 60), "reader": (_READER, len(_READER)), "hello": (_HELLO, 6)}
"""What is sent, and how much of it at once."""


class SlowClient:
    """One connection of the attack."""

    def __init__(self, kind: str, port: int) -> None:
        self._bytes, at_once = KINDS[kind]
        self._at = at_once
        self._read_bytes = SLOW_READ_BYTES if kind == "reader" else READ_BYTES
        self.status = ""
        self.socket = socket.socket()
        if kind == "reader":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW_BYTES)
        self.socket.settimeout(5)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(self._bytes[:at_once])
        self.socket.setblocking(False)

    def go_on(self) -> bool:
        """Read a few bytes, or else send one; say whether the connection lives."""
        try:
            return self._read() or self._send()
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _read(self) -> bool:
        """Say whether something was read. Raises OSError at the end."""
        try:
            got = self.socket.recv(self._read_bytes)
        except BlockingIOError:
            return False
        if not got:
            raise ConnectionError("the server has ended it")
        self.status = self.status or got[9:12].decode("latin-1")
        return True

    def _send(self) -> bool:
        self._at += self.socket.send(self._bytes[self._at :][:1])
        return True


def attack(kind: str, port: int, count: int, seconds: float) -> dict[str, object]:
    """Run the attack to the end of its time, and return what came of it."""
    end = time.monotonic() + seconds
    clients = [SlowClient(kind, port) for _ in range(count)]
    living = clients
    while time.monotonic() < end:
        time.sleep(EVERY_S)
        living = [client for client in living if client.go_on()]
    statuses = Counter(client.status for client in clients if client.status)
    return {"connected": len(clients), "ended": len(clients) - len(living), "statuses": statuses}


if __name__ == "__main__":
    print(json.dumps(attack(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))))
