"""Streaming endpoints as a service's author tests them: bodies both ways, interim answers, trailers, failures."""

import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trio

from penstock import BadRequest, Call, RegistrationError, Response, Service, StreamMisuse, testing
from penstock.settings import load_service_settings

SIZES = [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145, 1_000_000]


@pytest.fixture
def service() -> Service:
    return Service("files", version="1.0.0")


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


# ---- reading ----


@pytest.mark.parametrize("size", SIZES)
async def test_a_body_of_any_size_is_read_whole(service: Service, size: int) -> None:
    @service.put("/file", streams=True)
    async def upload(call: Call) -> Any:
        digest = hashlib.sha256()
        async for piece in call.stream():
            assert 0 < len(piece) <= 65_536
            digest.update(piece)
        assert await call.stream().receive() is None
        return {"sha256": digest.hexdigest(), "length": call.stream().length}

    body = bytes(index % 251 for index in range(size))
    response = await testing.call(service, "PUT", "/file", body=body)
    assert response.json() == {"sha256": hashlib.sha256(body).hexdigest(), "length": size}


async def test_a_body_of_unknown_length(service: Service) -> None:
    @service.put("/file", streams=True)
    async def upload(call: Call) -> Any:
        assert call.stream().length is None
        with pytest.raises(StreamMisuse, match="still on its way"):
            _ = call.body
        return len(await call.stream().read(1_000_000))

    response = await testing.call(service, "PUT", "/file", body=pieces(70_000, 1, 300_000))
    assert response.json() == 370_001


@pytest.mark.parametrize("limit", [100_000, 99_999])
async def test_reading_has_a_bound(service: Service, limit: int) -> None:
    @service.put("/file", streams=True)
    async def upload(call: Call) -> Any:
        return len(await call.stream().read(limit))

    response = await testing.call(service, "PUT", "/file", body=pieces(50_000, 50_000))
    if limit == 100_000:
        assert response.json() == 100_000
    else:
        assert (response.status, response.json()["reason"]) == (413, "body_too_large")


async def test_an_endpoint_that_does_not_stream_reads_its_body_the_same_way(service: Service) -> None:
    @service.put("/file")
    async def upload(call: Call) -> Any:
        with pytest.raises(StreamMisuse, match="streams=True"):
            call.respond()
        with pytest.raises(StreamMisuse, match="streams=True"):
            await call.interim(103)
        return [piece.decode() async for piece in call.stream()]

    response = await testing.call(service, "PUT", "/file", body=pieces(2, 3))
    assert response.json() == ["xxxxx"]


async def test_an_answer_ends_an_upload_that_nobody_reads(service: Service) -> None:
    @service.put("/file", streams=True)
    async def upload(call: Call) -> Any:
        raise BadRequest("no_room", "not today")

    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            yield b"x" * 65_536
            sent += 65_536

    response = await testing.call(service, "PUT", "/file", body=endless())
    assert (response.status, response.json()["reason"]) == (400, "no_room")
    assert sent <= 262_144


async def test_an_answer_may_begin_while_the_upload_goes_on(service: Service) -> None:
    @service.put("/echo", streams=True)
    async def echo(call: Call) -> None:
        async with call.respond() as response:
            async for piece in call.stream():
                await response.send(piece)

    response = await testing.call(service, "PUT", "/echo", body=pieces(*[100_000] * 20))
    assert len(response.body) == 2_000_000


async def test_who_waits_for_a_word_gets_it_with_the_first_read(service: Service) -> None:
    @service.put("/file", streams=True)
    async def upload(call: Call) -> Any:
        return len(await call.stream().read(100))

    @service.put("/never", streams=True)
    async def never(call: Call) -> Any:
        return 417, None

    waited = {"expect": "100-Continue"}
    response = await testing.call(service, "PUT", "/file", body=pieces(0, 5), headers=waited)
    assert [interim.status for interim in response.interim] == [100]
    assert response.json() == 5
    assert not (await testing.call(service, "PUT", "/never", body=pieces(5), headers=waited)).interim
    assert not (await testing.call(service, "PUT", "/file", body=b"whole", headers=waited)).interim


# ---- answering ----


@pytest.mark.parametrize("size", SIZES)
async def test_a_small_or_a_large_value(service: Service, size: int) -> None:
    @service.get("/file", streams=True)
    async def download(call: Call) -> Any:
        return 203, b"x" * size, {"x-name": "value"}

    response = await testing.call(service, "GET", "/file")
    assert (response.status, response.headers["x-name"], len(response.body)) == (203, "value", size)
    assert response.headers["content-type"] == "application/octet-stream"


async def test_an_answer_piece_by_piece(service: Service) -> None:
    @service.get("/lines", streams=True)
    async def lines(call: Call) -> None:
        await call.interim(103, {"link": "</style.css>; rel=preload"})
        async with call.respond(202, {"content-type": "text/plain"}) as response:
            await response.send("one\n")
            await response.send(bytearray(b"two\n"))
            await response.send(memoryview(b"three\n"))
            await response.send(b"")
            response.trailers["X-Lines"] = "3"

    response = await testing.call(service, "GET", "/lines")
    assert (response.status, response.text) == (202, "one\ntwo\nthree\n")
    assert response.headers["content-type"] == "text/plain"
    assert response.trailers["x-lines"] == "3"
    assert response.interim == (testing.Interim(103, response.interim[0].headers),)
    assert response.interim[0].headers["link"] == "</style.css>; rel=preload"


@pytest.mark.parametrize("kind", [str, bytes])
async def test_async_generators(service: Service, kind: type) -> None:
    closed = []

    @service.get("/numbers/{count}", streams=True)
    async def numbers(call: Call, count: str) -> AsyncIterator[Any]:
        try:
            for number in range(int(count)):
                await trio.lowlevel.checkpoint()
                yield f"{number}," if kind is str else b"%d," % number
        finally:
            closed.append(count)

    response = await testing.call(service, "GET", "/numbers/3")
    assert response.text == "0,1,2,"
    content_type = "text/plain; charset=utf-8" if kind is str else "application/octet-stream"
    assert response.headers["content-type"] == content_type
    response = await testing.call(service, "GET", "/numbers/0")
    assert (response.status, response.body, "content-type" in response.headers) == (200, b"", False)
    assert closed == ["3", "0"]


async def test_iterators_in_a_response(service: Service) -> None:
    def lines() -> Iterator[str]:
        yield from ("a\n", "b\n")

    @service.get("/sync", streams=True)
    async def sync(call: Call) -> Any:
        return Response(lines(), 206, {"content-type": "text/csv"})

    @service.get("/tuple", streams=True)
    async def pair(call: Call) -> Any:
        return 206, pieces(1, 2)

    response = await testing.call(service, "GET", "/sync")
    assert (response.status, response.headers["content-type"], response.text) == (206, "text/csv", "a\nb\n")
    response = await testing.call(service, "GET", "/tuple")
    assert (response.status, response.body) == (206, b"xxx")


async def test_head_states_the_length_and_sends_nothing(service: Service) -> None:
    async def download(call: Call) -> None:
        async with call.respond(headers={"x-name": "value"}, length=1000) as response:
            await response.send(b"x" * 1000)

    service.head("/file", streams=True)(download)
    service.get("/file", streams=True)(download)

    @service.head("/pieces", streams=True)
    async def never_begun(call: Call) -> AsyncIterator[bytes]:
        raise AssertionError
        yield b""

    response = await testing.call(service, "HEAD", "/file")
    assert (response.status, response.headers["x-name"], response.body) == (200, "value", b"")
    assert len((await testing.call(service, "GET", "/file")).body) == 1000
    assert (await testing.call(service, "HEAD", "/pieces")).status == 200


async def test_large_answer_to_head(service: Service) -> None:
    @service.head("/large", streams=True)
    async def large(call: Call) -> bytes:
        return b"x" * 2_000_000

    response = await testing.call(service, "HEAD", "/large")
    assert (response.status, response.body) == (200, b"")


# ---- failing ----


async def test_a_failure_before_the_answer_is_answered(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    @service.get("/boom", streams=True)
    async def boom(call: Call) -> AsyncIterator[bytes]:
        raise ValueError
        yield b""

    response = await testing.call(service, "GET", "/boom")
    assert (response.status, response.json()["reason"]) == (500, "handler_error")
    assert "handler failed" in caplog.text


async def test_a_failure_after_the_answer_was_begun_cuts_it_off(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    @service.get("/boom", streams=True)
    async def boom(call: Call) -> AsyncIterator[bytes]:
        yield b"x" * 100
        await trio.testing.wait_all_tasks_blocked()
        raise ValueError

    @service.get("/swallowed", streams=True)
    async def swallowed(call: Call) -> None:
        with contextlib.suppress(ZeroDivisionError):
            async with call.respond() as response:
                await response.send(b"x" * (1 // 0))

    with pytest.raises(testing.Aborted) as aborted:
        await testing.call(service, "GET", "/boom")
    assert aborted.value.response.body == b"x" * 100
    assert "which is cut off" in caplog.text
    with pytest.raises(testing.Aborted):
        await testing.call(service, "GET", "/swallowed")


@pytest.mark.parametrize("sent", [99, 101])
async def test_another_length_than_declared_cuts_the_answer_off(
    service: Service, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    @service.get("/file", streams=True)
    async def download(call: Call) -> None:
        async with call.respond(length=100) as response:
            await response.send(b"x" * sent)

    with pytest.raises(testing.Aborted):
        await testing.call(service, "GET", "/file")
    assert "100 were declared" in caplog.text


MISTAKES: dict[str, tuple[str, int]] = {
    "status": ("must be from 200 to 599", 500),
    "interim": ("must be from 100 to 199", 500),
    "upgrade": ("and not 101", 500),
    "header": ("name and value must be text", 500),
    "name": ("headers: ", 500),
    "flood": ("16 interim answers", 500),
    "yield": ("yield bytes or text", 0),
    "twice": ("answered already", 0),
    "returned": ("then returned int", 200),
    "late interim": ("begun already", 0),
    "body of 204": ("has no body", 204),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_mistakes_are_named(service: Service, mistake: str, caplog: pytest.LogCaptureFixture) -> None:
    @service.get("/mistake", streams=True)
    async def make(call: Call) -> Any:
        match mistake:
            case "status":
                await call.respond(199).__aenter__()
            case "interim":
                await call.interim(200)
            case "upgrade":
                await call.interim(101)
            case "header":
                await call.respond(headers={"x": 1}).__aenter__()  # type: ignore[arg-type]
            case "name":
                await call.respond(headers={"con tent": "1"}).__aenter__()
            case "flood":
                for _ in range(17):
                    await call.interim(102)
            case "yield":
                return Response(iter([b"", 1]), headers={"content-type": "text/plain"})
            case "twice":
                async with call.respond():
                    await call.respond().__aenter__()
            case "returned":
                async with call.respond():
                    pass
                return 1
            case "late interim":
                async with call.respond():
                    await call.interim(103)
            case "body of 204":
                async with call.respond(204) as response:
                    await response.send(b"x")
        return None

    text, status = MISTAKES[mistake]
    if status:
        assert (await testing.call(service, "GET", "/mistake")).status == status
    else:
        with pytest.raises(testing.Aborted):
            await testing.call(service, "GET", "/mistake")
    assert text in caplog.text


def test_only_async_handlers_stream(service: Service) -> None:
    def plain(call: Call) -> None:
        """Cannot wait."""

    def generator(call: Call) -> Iterator[bytes]:
        yield b""

    async def agenerator(call: Call) -> AsyncIterator[bytes]:
        yield b""

    for handler in (plain, generator):
        with pytest.raises(RegistrationError, match=f"write async def {handler.__name__}"):
            service.get("/x", streams=True)(handler)
    for yields in (generator, agenerator):
        with pytest.raises(RegistrationError, match="streams=True"):
            service.get("/x")(yields)


def test_hello_says_which_endpoints_stream(service: Service) -> None:
    @service.get("/a", streams=True)
    async def streams(call: Call) -> None:
        """Streams."""

    @service.post("/b")
    async def does_not(call: Call) -> None:
        """Does not."""

    hello = service.hello(load_service_settings({}))
    assert "streams" in hello.features
    assert [offer.streams for offer in hello.listed] == [True, False]


async def test_a_streaming_call_knows_what_any_call_knows(service: Service) -> None:
    @service.post("/a/{b}", streams=True)
    async def endpoint(call: Call, b: str) -> Any:
        logging.getLogger("x").info("%r", call)
        return [b, call.tenant, call.client_address, call.scheme, call.json(), call.headers["x-y"]]

    response = await testing.call(service, "POST", "/a/c", json=[1], tenant="acme", headers={"X-Y": "z"})
    assert response.json() == ["c", "acme", "127.0.0.1", "http", [1], "z"]
