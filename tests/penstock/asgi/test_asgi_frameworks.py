"""Applications of Starlette, FastAPI and Litestar, unchanged, in either loop."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import msgspec
import pytest
import trio
from asgi_support import LOOPS

from penstock import asgi, testing
from penstock.asgi import AsgiService
from penstock.asgi.runner import Loop

FORM = b"".join(
    (
        b'------x\r\ncontent-disposition: form-data; name="name"\r\n\r\nn\r\n',
        b'------x\r\ncontent-disposition: form-data; name="file"; filename="f.bin"\r\n\r\n',
        b"x" * 300_000,
        b"\r\n------x--\r\n",
    )
)


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    given: Loop = request.param
    return given


def sample(framework: str) -> ModuleType:
    pytest.importorskip(framework, reason=f"{framework} is not installed: its applications are NOT tested")
    module = import_module(f"sample_{framework}")
    getattr(module, "LOG", []).clear()
    return module


@asynccontextmanager
async def running(module: ModuleType, loop: Loop, **more: Any) -> AsyncIterator[AsgiService]:
    service = asgi.service(module.app, name="shop", version="1.0.0", loop=loop, **more)
    async with service.running():
        yield service


async def soon(log: list[str], wanted: str) -> None:
    with trio.fail_after(5):
        while wanted not in log:  # noqa: ASYNC110 - the application may be in another thread
            await trio.sleep(0.002)


# ---- FastAPI ----


async def test_fastapi_json_dependencies_state_and_middleware(loop: Loop) -> None:
    module = sample("fastapi")
    async with running(module, loop) as service:
        got = await testing.call(service, "GET", "/items/7?x=1")
        assert (got.status, got.headers["x-timed"]) == (200, "/items/7")
        assert got.json() == {"number": 7, "pool": "a pool", "held": "a connection", "client": "127.0.0.1"}
        wrong = await testing.call(service, "GET", "/items/seven")
        assert (wrong.status, wrong.json()["detail"][0]["loc"]) == (422, ["path", "number"])
        assert (await testing.call(service, "GET", "/threads")).json() == {"from": "a thread"}
        head = await testing.call(service, "HEAD", "/openapi.json")
        assert (head.status, head.body) == (200, b"")
    assert module.LOG[1:-1] == 2 * ["connected", "disconnected"]
    assert module.LOG[0::5] == ["opened", "closed"]


async def test_fastapi_bodies(loop: Loop) -> None:
    module = sample("fastapi")
    async with running(module, loop) as service:
        got = await testing.call(service, "POST", "/items", json={"name": "tea"})
        assert (got.status, got.json()) == (201, {"name": "tea", "count": 1})
        refused = await testing.call(service, "POST", "/items", json={"name": "tea", "count": "many"})
        assert refused.status == 422
        headers = {"content-type": "multipart/form-data; boundary=----x"}
        got = await testing.call(service, "POST", "/forms", body=FORM, headers=headers)
        assert got.json() == {"name": "n", "file": "f.bin", "size": 300_000}


async def test_fastapi_streams(loop: Loop) -> None:
    module = sample("fastapi")
    async with running(module, loop) as service:
        got = await testing.call(service, "GET", "/stream")
        assert (got.text, got.headers["content-type"]) == ("0\n1\n2\n", "text/plain; charset=utf-8")


async def test_fastapi_work_after_the_answer(loop: Loop) -> None:
    module = sample("fastapi")
    async with running(module, loop) as service:
        assert (await testing.call(service, "GET", "/background")).json() == {"accepted": True}
        await soon(module.LOG, "worked")


async def test_fastapi_exceptions(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    module = sample("fastapi")
    async with running(module, loop) as service:
        got = await testing.call(service, "GET", "/missing")
        assert (got.status, got.json(), got.headers["x-why"]) == (404, {"detail": "not here"}, "gone")
        got = await testing.call(service, "GET", "/broken")
        assert (got.status, got.text) == (500, "Internal Server Error")
        assert (await testing.call(service, "GET", "/nowhere")).status == 404
        assert (await testing.call(service, "DELETE", "/items")).status == 405
    assert "the application failed after its answer" in caplog.text


async def test_fastapi_websockets(loop: Loop) -> None:
    module = sample("fastapi")
    async with running(module, loop) as service:
        async with testing.websocket(service, "/echo/lobby") as socket:
            assert await socket.receive() == "welcome to lobby"
            await socket.send('{"a": [1]}')
            assert msgspec.json.decode(await socket.receive() or b"") == {"a": [1]}
        await soon(module.LOG, "left with 1000")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Starlette drops generators
async def test_fastapi_cleans_up_when_nobody_listens_any_more(loop: Loop) -> None:
    from test_asgi_ends import Bench

    module = sample("fastapi")
    async with running(module, loop) as service, trio.open_nursery() as nursery:
        bench = Bench(nursery, service, b"", "GET", "/endless")
        await bench.gateway.answered.wait()
        bench.give_up()
        await soon(module.LOG, "disconnected")
        nursery.cancel_scope.cancel()
    gc.collect()  # those generators: here, and not in another test


# ---- Starlette ----


async def test_starlette_state_urls_and_root_path(loop: Loop) -> None:
    module = sample("starlette")
    async with running(module, loop) as service:
        got = await testing.call(service, "GET", "/?a=b", headers={"Host": "shop.example"})
        assert got.json() == {
            "name": "starlette",
            "url": "http://shop.example/?a=b",
            "home": "http://shop.example/",
        }
        away = await testing.call(service, "GET", "/away", headers={"Host": "shop.example"}, scheme="https")
        assert (away.status, away.headers["location"]) == (307, "https://shop.example/")
    async with running(module, loop, prefix="/shop") as service:
        got = await testing.call(service, "GET", "/shop/", headers={"Host": "shop.example"})
        assert got.json()["home"] == "http://shop.example/shop/"


async def test_starlette_uploads_and_downloads(loop: Loop) -> None:
    module = sample("starlette")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 50_000

    async with running(module, loop) as service:
        assert (await testing.call(service, "POST", "/upload", body=pieces())).text == "1000000"
        assert (await testing.call(service, "PUT", "/upload", body=b"x" * 10)).text == "10"
        content = await trio.Path(module.__file__ or "").read_bytes()
        got = await testing.call(service, "GET", "/download")
        assert (got.body, got.headers["content-disposition"]) == (content, 'attachment; filename="sample.py"')
        part = await testing.call(service, "GET", "/download", headers={"Range": "bytes=0-9"})
        assert (part.status, part.body) == (206, content[:10])
        again = {"If-None-Match": got.headers["etag"]}
        static = await testing.call(service, "GET", "/static/sample_starlette.py", headers=again)
        assert (static.status, static.body) == (304, b"")


async def test_starlette_cookies_and_cors(loop: Loop) -> None:
    module = sample("starlette")
    async with running(module, loop) as service:
        got = await testing.call(service, "GET", "/cookies", headers={"Cookie": "asked=yes"})
        assert (got.text, len(got.headers.all("set-cookie"))) == ("yes", 2)
        asks = {"Origin": "https://shop.example", "Access-Control-Request-Method": "PUT"}
        allowed = await testing.call(service, "OPTIONS", "/upload", headers=asks)
        assert (allowed.status, allowed.headers["access-control-allow-methods"]) == (200, "PUT")


# ---- Litestar ----


async def test_litestar(loop: Loop) -> None:
    module = sample("litestar")
    async with running(module, loop) as service:
        assert (await testing.call(service, "GET", "/items/7")).json() == {"number": 7}
        got = await testing.call(service, "POST", "/items", json={"name": "tea"})
        assert (got.status, got.json()) == (201, {"name": "tea", "count": 1})
        assert (await testing.call(service, "GET", "/stream")).text == "0\n1\n2\n"
        missing = await testing.call(service, "GET", "/missing")
        assert (missing.status, missing.json()) == (404, {"status_code": 404, "detail": "not here"})
        async with testing.websocket(service, "/echo") as socket:
            await socket.send("hello")
            assert await socket.receive() == "hello"
    assert module.LOG == ["opened", "closed"]
