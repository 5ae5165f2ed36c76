"""An HTTP client that sends whatever bytes it is given and reads answers with h11: an independent judge of them."""

from typing import Any, NamedTuple

import h11
import msgspec
import trio

WAIT_S = 10
"""No wait of a test is longer. It is a bound for what hangs, not a measure: what works is over in milliseconds."""


class HttpAnswer(NamedTuple):
    """Names of headers are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def reason(self) -> str:
        """The reason of an answer that no service gave."""
        assert self.headers[b"content-type"] == b"application/problem+json", self
        problem = self.json()
        assert problem["status"] == self.status
        assert problem["request_id"].encode() == self.headers[b"x-request-id"]
        assert problem["correlation_id"].encode() == self.headers[b"x-correlation-id"]
        reason: str = problem["reason"]
        return reason


def request(method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    """A request as bytes, with Host and, for a body, Content-Length."""
    length = [f"Content-Length: {len(body)}"] if body else []
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: edge", *length, *lines])
    return head.encode("latin-1") + b"\r\n\r\n" + body


class Client:
    """One connection to an edge."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._held = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def get(self, target: str, *lines: str) -> HttpAnswer:
        return await self.ask("GET", target, *lines)

    async def ask(self, method: str, target: str, *lines: str, body: bytes = b"") -> HttpAnswer:
        """Send a request and read its answer."""
        await self.send(request(method, target, *lines, body=body))
        return await self.answer(method)

    async def answer(self, method: str = "GET") -> HttpAnswer:
        """Read one answer. method: of the request that it answers."""
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("host", "edge")]))
        reader.send(h11.EndOfMessage())
        if self._held:
            reader.receive_data(self._held)
        head: h11.Response | None = None
        body = b""
        with trio.fail_after(WAIT_S):
            while True:
                event = reader.next_event()
                if event is h11.NEED_DATA:
                    reader.receive_data(await self.stream.receive_some(65536))
                elif isinstance(event, h11.Response):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    assert isinstance(event, h11.EndOfMessage), f"no answer came: {event!r}"
                    break
        assert head is not None
        self._held = reader.trailing_data[0]
        return HttpAnswer(head.status_code, {name.lower(): value for name, value in head.headers}, body)

    async def ended(self) -> None:
        """Wait for the end of the connection. Fails when anything comes before it."""
        with trio.fail_after(WAIT_S):
            assert self._held + await self.stream.receive_some(65536) == b""

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self.stream)
