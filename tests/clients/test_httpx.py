"""httpx on Trio: a client in Python, with a pool of connections."""

import hashlib
from collections.abc import AsyncIterator

import httpx  # noqa: ASYNC127 - the client that people have is the one to be tried
import pytest
import trio
from client_lab import Edge, open_edge
from client_service import pattern


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with open_edge() as edge:
        yield edge


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=edge.url(), timeout=30, trust_env=False) as client:
        yield client


async def pieces(count: int, size: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield pattern(number * size, size)
        await trio.lowlevel.checkpoint()


async def test_a_streamed_upload(client: httpx.AsyncClient) -> None:
    """Without a length, so chunked."""
    answer = await client.post("/sums", content=pieces(50, 20_000))
    body = pattern(0, 1_000_000)
    assert answer.json() == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "declared": None}


async def test_an_upload_with_its_length(client: httpx.AsyncClient) -> None:
    body = pattern(0, 1_000_000)
    assert (await client.post("/sums", content=body)).json()["declared"] == len(body)


async def test_a_form_with_a_file(client: httpx.AsyncClient) -> None:
    answer = await client.post("/form", data={"note": "a"}, files={"file": ("a.bin", pattern(0, 200_000))})
    assert "<p id=kind>multipart/form-data</p>" in answer.text


async def test_a_streamed_download(client: httpx.AsyncClient) -> None:
    taken = b""
    async with client.stream("GET", "/bytes/1000000") as answer:
        assert answer.headers["content-length"] == "1000000"
        async for piece in answer.aiter_bytes():
            taken += piece
    assert taken == pattern(0, 1_000_000)


async def test_a_download_of_unknown_length(client: httpx.AsyncClient) -> None:
    answer = await client.get("/unknown-length")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert len(answer.content) == 100_000


async def test_head(client: httpx.AsyncClient) -> None:
    answer = await client.head("/bytes/1000")
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await client.get("/hello")).json()["hello"] == "world"


async def test_a_redirect_is_passed_on_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/moved")
    assert (answer.status_code, answer.headers["location"]) == (302, "/hello?from=moved")
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]


async def test_a_redirect_is_followed(client: httpx.AsyncClient, edge: Edge) -> None:
    answer = await client.get("/moved", follow_redirects=True)
    assert answer.json()["hello"] == "world"
    assert edge.seen.requests == ["/hello?from=moved"]


# What httpx leaves behind of a body that was not read to its end is its own affair.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_service_hears_that_a_download_was_closed(client: httpx.AsyncClient, edge: Edge) -> None:
    async with client.stream("GET", "/drops") as answer:
        async for _ in answer.aiter_bytes():
            break
    assert await edge.cancelled() == ["/drops"]


async def test_the_service_hears_that_an_upload_was_cancelled(client: httpx.AsyncClient, edge: Edge) -> None:
    async def forever() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await trio.sleep(0.001)

    with trio.move_on_after(10) as scope:
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                while not edge.seen.requests:  # noqa: ASYNC110 - a list of the service's
                    await trio.sleep(0.001)
                scope.cancel()

            nursery.start_soon(give_up)
            await client.post("/swallow", content=forever())
    assert await edge.cancelled() == ["/swallow"]


async def test_many_at_once(client: httpx.AsyncClient) -> None:
    """More than there are connections in the pool: each connection carries several, in both lanes."""
    sizes: list[int] = []

    async def ask(count: int) -> None:
        sizes.append(len((await client.get(f"/bytes/{count}")).content))
        assert (await client.post("/whole", content=b"abc")).json()["bytes"] == 3

    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(ask, number * 5_000)
    assert sorted(sizes) == [number * 5_000 for number in range(40)]
