"""Node: its fetch, and its WebSocket where it has one."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from client_lab import Edge, need, open_edge, run, running
from client_service import pattern

SCRIPTS = Path(__file__).parent / "node"


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with open_edge() as edge:
        yield edge


async def node(script: str, edge: Edge, *flags: str) -> Any:
    ran = await run(need("node"), *flags, str(SCRIPTS / script), edge.url())
    assert ran.status == 0, (ran.text, ran.errors)
    return json.loads(ran.text)


async def need_fetch() -> None:
    """Node has had fetch without a flag since 18."""
    if (await version()) < 18:
        pytest.skip(f"node is {await version()}, and has no fetch before 18")


async def version() -> int:
    return int((await run(need("node"), "--print", "process.versions.node.split('.')[0]")).text)


async def test_a_streamed_upload(edge: Edge) -> None:
    await need_fetch()
    body = b"".join(bytes([number]) * 20_000 for number in range(50))
    said = await node("upload.mjs", edge)
    digest = hashlib.sha256(body).hexdigest()
    assert said == {"status": 200, "bytes": len(body), "sha256": digest, "declared": None}


async def test_a_download_and_a_redirect(edge: Edge) -> None:
    await need_fetch()
    assert await node("download.mjs", edge) == {
        "bytes": 1_000_000,
        "last": pattern(999_999, 1)[0],
        "hello": "world",
        "moved": [302, "/hello?from=moved"],
    }


async def test_the_service_hears_of_an_abort(edge: Edge) -> None:
    await need_fetch()
    async with running(need("node"), str(SCRIPTS / "abort.mjs"), edge.url()) as process:
        assert process.stdout is not None
        with trio.fail_after(30):
            said = json.loads(await process.stdout.receive_some())
        assert said == {"status": 200, "why": "AbortError"}
        assert await edge.cancelled() == ["/drops"]
        assert process.poll() is None


async def test_a_websocket(edge: Edge) -> None:
    major = await version()
    if major < 20:
        pytest.skip(f"node is {major}, and has no WebSocket before 20")
    said = await node("websocket.mjs", edge, *(["--experimental-websocket"] if major < 22 else []))
    assert said == {"came": ["grüß dich", 200_000], "code": 1000, "wasClean": True}
