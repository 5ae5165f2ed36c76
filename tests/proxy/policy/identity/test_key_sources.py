"""Where JWK sets are read: files that are replaced, servers that are slow, huge, elsewhere, or not there."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from identity_lab import jwks, signer

from proxy.policy.identity.source import DOCUMENT_BYTES_MAX, FileSource, SourceError, UrlSource

DOCUMENT = jwks(signer("EdDSA"))


def ok(body: bytes, status: str = "200 OK", *fields: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *fields]
    return "\r\n".join([*head, "", ""]).encode() + body


class Server:
    """Answers each request with what it was given, by the target; remembers the heads that it saw."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = answers
        self.heads: list[bytes] = []
        self.port = 0
        self.pause_s = 0.0

    async def handle(self, stream: trio.abc.Stream) -> None:
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some(4096) or b"\r\n\r\n"
            self.heads.append(head)
            answer = self.answers.get(head.split(b" ")[1].decode(), ok(b"", "404 Not Found"))
            if self.pause_s:
                for byte in answer:
                    await stream.send_all(bytes((byte,)))
                    await trio.sleep(self.pause_s)
            await stream.send_all(answer)
        except trio.BrokenResourceError:
            pass  # the client has given up


@asynccontextmanager
async def serving(server: Server, context: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        if context is None:
            serve: Callable[..., Awaitable[Any]] = partial(trio.serve_tcp, server.handle, 0, host="127.0.0.1")
        else:
            serve = partial(trio.serve_ssl_over_tcp, server.handle, 0, context, host="127.0.0.1")
        listeners = await nursery.start(serve)
        socket = getattr(listeners[0], "transport_listener", listeners[0]).socket
        server.port = socket.getsockname()[1]
        yield
        nursery.cancel_scope.cancel()


async def fetched(server: Server, target: str = "/", timeout_s: float = 5) -> bytes:
    return await UrlSource(f"http://127.0.0.1:{server.port}{target}", None).read(timeout_s)


# ---- URLs ----


async def test_a_document() -> None:
    server = Server({"/keys?tenant=a": ok(DOCUMENT)})
    async with serving(server):
        assert await fetched(server, "/keys?tenant=a") == DOCUMENT
    assert b"\r\nAccept: application/jwk-set+json, application/json\r\n" in server.heads[0]
    assert b"\r\nUser-Agent: penstock\r\n" in server.heads[0]


async def test_a_proxy_is_not_asked_for_what_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server = Server({"/": ok(DOCUMENT)})
    async with serving(server):
        assert await fetched(server) == DOCUMENT


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (ok(b"", "404 Not Found"), "it answers 404"),
        (ok(b"", "500 Oh"), "it answers 500"),
        (ok(b"", "204 No Content"), "it answers 204"),
        (ok(DOCUMENT, "201 Created"), "it answers 201"),
        (b"", "it cannot be fetched: RemoteDisconnected: Remote end closed connection without response"),
        (b"SSH-2.0-x\r\n\r\n", "it cannot be fetched: BadStatusLine: SSH-2.0-x"),
        (ok(b" " * (DOCUMENT_BYTES_MAX + 1)), "it is longer than 262144 bytes"),
        (ok(b"abc").replace(b"content-length: 3", b"content-length: 5"), "it was cut off"),
        (ok(b"", "302 Found", "location: http://127.0.0.2/x"), "it redirects to another host, which is not asked"),
        (ok(b"", "302 Found", "location: https://127.0.0.1/x"), "it redirects to another host, which is not asked"),
        (ok(b"", "302 Found", "location: file:///etc/passwd"), "it answers 302"),
        (ok(b"", "302 Found", "location: /"), "it answers 302"),
        (ok(b"", "302 Found"), "it answers 302"),
    ],
)
async def test_what_is_no_document(answer: bytes, why: str) -> None:
    server = Server({"/": answer})
    async with serving(server):
        with pytest.raises(SourceError) as caught:
            await fetched(server)
    assert str(caught.value) == why


async def test_a_redirect_to_the_same_host_is_followed() -> None:
    server = Server({"/": ok(b"", "301 Moved", "location: /new"), "/new": ok(DOCUMENT)})
    async with serving(server):
        assert await fetched(server) == DOCUMENT


async def test_as_much_as_may_be() -> None:
    server = Server({"/": ok(b" " * DOCUMENT_BYTES_MAX)})
    async with serving(server):
        assert len(await fetched(server)) == DOCUMENT_BYTES_MAX


async def test_nobody_there() -> None:
    server = Server({})
    async with serving(server):
        pass
    with pytest.raises(SourceError, match="it cannot be fetched: ConnectionRefusedError"):
        await fetched(server)


async def test_a_server_that_sends_byte_by_byte_is_left() -> None:
    server = Server({"/": ok(DOCUMENT)})
    server.pause_s = 0.02
    async with serving(server):
        with pytest.raises(SourceError, match=r"it took longer than 0\.2 s"):
            await fetched(server, timeout_s=0.2)


async def test_tls_is_verified(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = Server({"/": ok(DOCUMENT)})
    async with serving(server, context):
        url = f"https://localhost:{server.port}/"
        assert await UrlSource(url, tmp_path / "ca.pem").read(5) == DOCUMENT
        with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
            await UrlSource(url, None).read(5)
        other = trustme.CA()
        other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
        with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
            await UrlSource(url, tmp_path / "other.pem").read(5)
        with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
            await UrlSource(f"https://127.0.0.1:{server.port}/", tmp_path / "ca.pem").read(5)


def test_a_query_is_not_told() -> None:
    source = UrlSource("https://login.example/keys?code=hunter2", None)
    assert source.name == "https://login.example/keys"


# ---- files ----


async def test_a_file_is_read_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(DOCUMENT)
    source = FileSource(path)
    assert await source.read(1) == DOCUMENT
    assert await source.read(1) is None
    (tmp_path / "next").write_bytes(DOCUMENT)
    (tmp_path / "next").replace(path)
    assert await source.read(1) == DOCUMENT
    path.write_bytes(b"{}")
    assert source.read_now() == b"{}"
    source.forget()
    assert source.read_now() == b"{}"


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    source = FileSource(tmp_path / "jwks.json")
    with pytest.raises(SourceError, match="it cannot be read: No such file or directory"):
        await source.read(1)
    (tmp_path / "jwks.json").write_bytes(b" " * (DOCUMENT_BYTES_MAX + 1))
    with pytest.raises(SourceError, match="it is longer than 262144 bytes"):
        await source.read(1)
    with pytest.raises(SourceError, match="it cannot be read: Is a directory"):
        FileSource(tmp_path).read_now()
