"""A real service whose endpoints stream, and clients that read what comes byte by byte."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from lab import Lab
from lab_client import WAIT_S, Client

from penstock import Call, Service
from penstock.websocket import WebSocket

PIECE = bytes(range(256)) * 64
"""Of a download: 16 KiB."""


class Flows:
    """A service with an endpoint for each way in which bodies go. ``running``: handlers that have not ended."""

    def __init__(self) -> None:
        self.running = 0
        self.service = Service("flows", version="1.0.0")
        self._register()

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def _register(self) -> None:
        service = self.service

        @service.post("/echo", streams=True)
        async def echo(call: Call) -> None:
            async with self._counted(), call.respond(200) as response:
                async for piece in call.stream():
                    await response.send(piece)

        @service.get("/down/{pieces}", streams=True)
        async def down(call: Call, pieces: str) -> None:
            count = int(pieces)
            async with self._counted(), call.respond(200, length=count * len(PIECE)) as response:
                for _ in range(count):
                    await response.send(PIECE)

        @service.put("/up", streams=True)
        async def up(call: Call) -> dict[str, int]:
            async with self._counted():
                byte_count = 0
                async for piece in call.stream():
                    byte_count += len(piece)
                return {"bytes": byte_count}

        @service.put("/gathered")
        async def gathered(call: Call) -> dict[str, int]:
            async with self._counted():
                return {"bytes": len(call.body)}

        @service.get("/forever", streams=True)
        async def forever(call: Call) -> None:
            async with self._counted(), call.respond(200, [("content-type", "text/event-stream")]) as response:
                await response.send("data: begun\n\n")
                await trio.sleep_forever()

        @service.post("/never", streams=True)
        async def never(call: Call) -> None:
            async with self._counted():
                await trio.sleep_forever()

        @service.post("/never-plain")
        async def never_plain(call: Call) -> None:
            async with self._counted():
                await trio.sleep_forever()

        @service.get("/plain")
        async def plain(call: Call) -> str:
            return "plain"

        @service.websocket("/chat")
        async def chat(socket: WebSocket) -> None:
            async with self._counted():
                async for message in socket:
                    await socket.send(message)


async def serve_flows(lab: Lab) -> Flows:
    """Let it join."""
    flows = Flows()
    await lab.serve(flows.service)
    return flows


class Reader:
    """Reads a client's connection by hand, where every byte counts."""

    def __init__(self, client: Client) -> None:
        self._stream = client.stream
        self.held = b""

    async def until(self, end: bytes) -> bytes:
        """Read to the end of the next such bytes, and return all before and with them."""
        with trio.fail_after(WAIT_S):
            while end not in self.held:
                data = await self._stream.receive_some(65_536)
                assert data, f"the connection ended: {self.held!r}"
                self.held += data
        at = self.held.index(end) + len(end)
        found, self.held = self.held[:at], self.held[at:]
        return found

    async def head(self) -> bytes:
        """Read a head."""
        return await self.until(b"\r\n\r\n")

    async def exactly(self, byte_count: int) -> bytes:
        """Read that many bytes."""
        with trio.fail_after(WAIT_S):
            while len(self.held) < byte_count:
                data = await self._stream.receive_some(65_536)
                assert data, f"the connection ended: {self.held!r}"
                self.held += data
        found, self.held = self.held[:byte_count], self.held[byte_count:]
        return found

    async def chunk(self) -> bytes:
        """Read a chunk; empty for the last one, whose trailers are not read."""
        size = int(await self.until(b"\r\n"), 16)
        if not size:
            return b""
        data = await self.exactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    async def rest(self) -> tuple[bytes, bool]:
        """Read to the end; return all of it, and whether that was an orderly end, and no reset."""
        with trio.fail_after(WAIT_S):
            try:
                while data := await self._stream.receive_some(65_536):
                    self.held += data
            except trio.BrokenResourceError:
                return self.held, False
        return self.held, True


def chunked(method: str, target: str, *pieces: bytes, last: bytes = b"0\r\n\r\n", fields: str = "") -> bytes:
    """A request with a chunk for each piece."""
    head = f"{method} {target} HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n{fields}\r\n"
    return head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + last


def reset(client: Client) -> None:
    """Close so that the other side gets a reset."""
    client.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.stream.socket.close()


UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HELLO_MESSAGE = b"\x81\x85\0\0\0\0hello"
"""Of a client: text, masked with zeros."""
HELLO_ANSWER = b"\x81\x05hello"
CLOSE_MESSAGE = b"\x88\x82\0\0\0\0\x03\xe8"
