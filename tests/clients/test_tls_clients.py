"""Clients that check the edge's certificate: the same bodies, by TLS."""

import hashlib
import json
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx  # noqa: ASYNC127 - the client that people have is the one to be tried
import pytest
import trio
from client_lab import Edge, need, open_edge, run
from client_service import pattern
from lab_tls import TlsFiles, make_tls_files

BODY = pattern(0, 500_000)


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return make_tls_files(tmp_path)


@pytest.fixture
async def edge(files: TlsFiles) -> AsyncIterator[Edge]:
    async with open_edge(files) as edge:
        yield edge


@pytest.mark.parametrize("version", ["--tlsv1.3", "--tls-max 1.2"])
async def test_curl(edge: Edge, files: TlsFiles, version: str) -> None:
    """A small answer, a chunked upload and a download, one after the other on one connection."""
    options = ("--silent", "--show-error", "--max-time", "30", "--cacert", str(files.authority), *version.split())
    upload = ("-H", "Transfer-Encoding: chunked", "--data-binary", "@-", edge.tls_url("/sums"))
    ran = await run(need("curl"), *options, "--write-out", "\n%{num_connects}\n", *upload, stdin=BODY)
    assert json.loads(ran.text.splitlines()[0])["sha256"] == hashlib.sha256(BODY).hexdigest(), ran.errors
    paths = ("/hello", "/bytes/500000", "/unknown-length", "/hello")
    out = [part for path in paths for part in ("--output", os.devnull, edge.tls_url(path))]
    ran = await run(need("curl"), *options, "--write-out", "%{http_code} %{num_connects} %{size_download}\n", *out)
    assert [line.split() for line in ran.text.splitlines()][1:3] == [["200", "0", "500000"], ["200", "0", "100000"]]


async def test_curl_does_not_talk_to_a_stranger(edge: Edge) -> None:
    ran = await run(need("curl"), "--silent", "--max-time", "30", edge.tls_url("/hello"))
    assert ran.status == 60  # CURLE_PEER_FAILED_VERIFICATION
    assert edge.seen.requests == []


# What httpx leaves behind of a body that was not read to its end is its own affair.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_httpx(edge: Edge, files: TlsFiles) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(BODY), 50_000):
            yield BODY[at : at + 50_000]
            await trio.lowlevel.checkpoint()

    trusted = ssl.create_default_context(cafile=str(files.authority))
    async with httpx.AsyncClient(base_url=edge.tls_url(), verify=trusted, timeout=30, trust_env=False) as client:
        assert (await client.post("/sums", content=pieces())).json()["bytes"] == len(BODY)
        assert (await client.get("/bytes/500000")).content == BODY
        assert (await client.get("/hello")).json()["scheme"] == "https"
        async with client.stream("GET", "/drops") as answer:
            async for _ in answer.aiter_bytes():
                break
        assert await edge.cancelled() == ["/drops"]


async def test_a_websocket_of_node(edge: Edge, files: TlsFiles) -> None:
    """The script's `ws` is put for its base's `http`, and so `wss` for `https`."""
    major = int((await run(need("node"), "--print", "process.versions.node.split('.')[0]")).text)
    if major < 20:
        pytest.skip(f"node is {major}, and has no WebSocket before 20")
    flags = ["--experimental-websocket"] if major < 22 else []
    script = Path(__file__).parent / "node" / "websocket.mjs"
    trusting = ("env", f"NODE_EXTRA_CA_CERTS={files.authority}")
    ran = await run(*trusting, need("node"), *flags, str(script), edge.tls_url())
    assert json.loads(ran.text) == {"came": ["grüß dich", 200_000], "code": 1000, "wasClean": True}
