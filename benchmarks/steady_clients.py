"""Clients that ask without a pause, and count whatever goes wrong: each answer must be the right one.

A client sends its next request on the same connection unless the answer has said that it closes. So a connection that
is closed between an answer and the next request counts as a failure, as it would be for a client that does not retry.
"""

import re
from collections import Counter

import trio

ANSWER_BYTES_MAX = 65_536


class SteadyLoad:
    """The load of several clients. asked: requests that were answered well; failures: the others, by what was seen."""

    def __init__(self, address: tuple[str, int], path: bytes = b"/things/7", body: bytes = b"things") -> None:
        """Nobody asks yet. body: of the right answer."""
        self._address = address
        self._request = b"GET %s HTTP/1.1\r\nhost: a\r\n\r\n" % path
        self._body = body
        self._is_over = False
        self.asked = 0
        self.connections = 0
        self.failures: Counter[str] = Counter()

    @property
    def sent(self) -> int:
        """All requests, however they have ended."""
        return self.asked + self.failures.total()

    def end(self) -> None:
        """Let each client end with its answer."""
        self._is_over = True

    async def until_sent(self, count: int) -> None:
        """Wait until so many have ended."""
        while self.sent < count:  # noqa: ASYNC110 - each client counts on its own
            await trio.sleep(0.01)

    async def run(self, clients: int, pause_s: float = 0.0) -> None:
        """Run the clients until `end`. pause_s: of each, after an answer."""
        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(self._client, pause_s)

    async def _client(self, pause_s: float) -> None:
        while not self._is_over:
            try:
                stream = await trio.open_tcp_stream(*self._address)
            except OSError as error:
                self.failures[f"connect: {error}"] += 1
                await trio.sleep(0.05)
                continue
            self.connections += 1
            async with stream:
                try:
                    while not self._is_over and await self._ask(stream):
                        if pause_s:
                            await trio.sleep(pause_s)
                except trio.BrokenResourceError as error:
                    self.failures[f"broken: {error.__cause__}"] += 1

    async def _ask(self, stream: trio.SocketStream) -> bool:
        """Ask once. Return whether the connection stays."""
        await stream.send_all(self._request)
        said = b""
        while b"\r\n\r\n" not in said:
            received = await stream.receive_some(ANSWER_BYTES_MAX)
            if not received:
                self.failures["closed without an answer" if not said else "closed within an answer"] += 1
                return False
            said += received
        head, _, body = said.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        while len(body) < length:
            received = await stream.receive_some(ANSWER_BYTES_MAX)
            if not received:
                self.failures["closed within a body"] += 1
                return False
            body += received
        if b" 200 " in lines[0] and body == self._body:
            self.asked += 1
        else:
            reason = re.search(rb'"reason":"(\w+)"', body)
            self.failures[f"{lines[0].decode()} {reason[1].decode() if reason else ''}"] += 1
        return b"connection: close" not in lines
