"""An HAProxy on loopback that passes on what it reads, and says what it takes each request and each answer for."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import h11
import trio
from free_port import free_port
from lab_client import WAIT_S

PROGRAM = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
MISSING = "haproxy is not installed (on Debian: apt-get install haproxy), so no second proxy was asked"

_CONFIGURATION = """\
global
    nbthread 1
    maxconn 1024
defaults
    mode http
    http-reuse always
    option http-buffer-request
    retries 0
    timeout connect 5s
    timeout client 1s
    timeout server 5s
    timeout http-request 1s
    timeout http-keep-alive 1s
frontend edge
    bind 127.0.0.1:{port}
    http-request set-var(txn.target) path
    http-request set-header x-outer-target %[path]
    http-response set-header x-answers %[var(txn.target)]
    default_backend inner
backend inner
    server inner 127.0.0.1:{inner_port}
"""


async def _wait_listening(port: int) -> None:
    with trio.fail_after(WAIT_S):
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.01)
            else:
                await stream.aclose()
                return


@asynccontextmanager
async def open_haproxy(inner_port: int, folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Run one in front of what listens on inner_port. Yields its address."""
    assert PROGRAM is not None
    port = free_port()
    configuration = folder / f"haproxy-{port}.cfg"
    configuration.write_text(_CONFIGURATION.format(port=port, inner_port=inner_port))
    command = [PROGRAM, "-db", "-q", "-f", str(configuration)]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await _wait_listening(port)
        yield "127.0.0.1", port
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


class TinyServer:
    """A server of HTTP/1.1 by h11 that answers with what it read. seen: target and body of each request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer the requests of one connection."""
        with suppress(h11.RemoteProtocolError, trio.BrokenResourceError):
            async with stream:
                connection = h11.Connection(h11.SERVER)
                while await self._answer(connection, stream):
                    connection.start_next_cycle()

    async def _answer(self, connection: h11.Connection, stream: trio.SocketStream) -> bool:
        request: h11.Request | None = None
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(65536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                break
        if request is None or not isinstance(event, h11.EndOfMessage):
            return False
        target = request.target.decode("latin-1")
        self.seen.append((target, body))
        head = h11.Response(status_code=200, headers=[("content-length", "0"), ("x-target", target)])
        await stream.send_all((connection.send(head) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE
