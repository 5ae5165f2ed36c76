"""curl: what it sends and reads by itself, over connections that it keeps."""

import hashlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from client_lab import Edge, Ran, need, open_edge, run, running
from client_service import pattern

LARGE = pattern(0, 3_000_000)


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with open_edge() as edge:
        yield edge


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    return path


async def curl(*arguments: str, stdin: bytes = b"") -> Ran:
    ran = await run(need("curl"), "--silent", "--show-error", "--max-time", "30", *arguments, stdin=stdin)
    assert ran.status == 0, ran.errors
    return ran


def assert_sum(text: str, body: bytes, **more: Any) -> None:
    assert json.loads(text) == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), **more}


async def test_it_keeps_its_connection(edge: Edge) -> None:
    written = "%{http_code} %{num_connects}\\n"
    out = ["--output", os.devnull]
    ran = await curl("--write-out", written, *(part for _ in range(3) for part in (*out, edge.url("/hello"))))
    assert ran.text.split() == ["200", "1", "200", "0", "200", "0"]


async def test_bodies_of_every_kind_share_one_connection(edge: Edge) -> None:
    """Streams end so that the next request can follow: the connection moves between the lanes."""
    paths = ("/bytes/100000", "/hello", "/unknown-length", "/trailers", "/moved", "/hello", "/events")
    out = ["--output", os.devnull]
    ran = await curl("--write-out", "%{num_connects}", *(part for path in paths for part in (*out, edge.url(path))))
    assert ran.text == "1000000"
    assert edge.lab.count("edge_accepted") == 1


async def test_a_chunked_upload_of_a_file(edge: Edge, large: Path) -> None:
    ran = await curl("-H", "Transfer-Encoding: chunked", "--data-binary", f"@{large}", edge.url("/sums"))
    assert_sum(ran.text, LARGE, declared=None)


async def test_a_chunked_upload_of_what_comes_from_a_pipe(edge: Edge) -> None:
    ran = await curl("--upload-file", "-", edge.url("/sums"), stdin=LARGE[:200_000])
    assert_sum(ran.text, LARGE[:200_000], declared=None)


async def test_a_chunked_upload_to_an_endpoint_that_does_not_stream(edge: Edge) -> None:
    ran = await curl("-H", "Transfer-Encoding: chunked", "--data-binary", "abc", edge.url("/whole"))
    assert_sum(ran.text, b"abc")


async def test_an_upload_with_its_length(edge: Edge, large: Path) -> None:
    ran = await curl("-H", "Expect:", "--data-binary", f"@{large}", edge.url("/sums"))
    assert_sum(ran.text, LARGE, declared=len(LARGE))


async def test_it_waits_for_100_continue_and_gets_it(edge: Edge, large: Path) -> None:
    """Without an answer it would wait for as long as it is told to here, and then for the bound of --max-time."""
    patience = ("--expect100-timeout", "25", "-H", "Expect: 100-continue", "--verbose")
    ran = await curl(*patience, "--data-binary", f"@{large}", edge.url("/sums"))
    assert "< HTTP/1.1 100" in ran.errors
    assert_sum(ran.text, LARGE, declared=len(LARGE))


async def test_it_does_not_send_a_body_that_is_refused_first(edge: Edge, large: Path) -> None:
    patience = ("--expect100-timeout", "25", "-H", "Expect: 100-continue", "--verbose", "--output", os.devnull)
    written = "%{http_code} %{size_upload}"
    ran = await curl(*patience, "--write-out", written, "--data-binary", f"@{large}", edge.url("/closed"))
    assert "< HTTP/1.1 100" not in ran.errors
    assert ran.text == "403 0"


async def test_a_download_is_whole(edge: Edge) -> None:
    ran = await curl(edge.url("/bytes/3000000"))
    assert ran.output == LARGE


async def test_a_range(edge: Edge) -> None:
    ran = await curl("--range", "1000-1999", "--include", edge.url("/bytes/3000000"))
    head, _, body = ran.output.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 206 ")
    assert b"content-range: bytes 1000-1999/3000000" in head.lower()
    assert body == LARGE[1000:2000]


async def test_a_download_goes_on_where_it_stopped(edge: Edge, tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.write_bytes(LARGE[:1_000_000])
    await curl("--range", "1000000-2999999", "--output", str(tmp_path / "rest"), edge.url("/bytes/3000000"))
    assert half.read_bytes() + (tmp_path / "rest").read_bytes() == LARGE


async def test_trailers_arrive_where_they_are_taken(edge: Edge) -> None:
    ran = await curl("--raw", "-H", "TE: trailers", "-H", "Connection: TE", edge.url("/trailers"))
    assert ran.text.endswith("\r\n0\r\nx-sum: 25\r\n\r\n")


async def test_trailers_do_not_disturb_who_does_not_take_them(edge: Edge) -> None:
    ran = await curl(edge.url("/trailers"))
    assert ran.text == "with something behind it\n"


async def test_http_1_0(edge: Edge) -> None:
    """No chunks for a client that does not know them: the end of the connection is the end of the body."""
    ran = await curl("--http1.0", "--include", edge.url("/unknown-length"))
    head, _, body = ran.output.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == b"".join(pattern(at, 10_000) for at in range(0, 100_000, 10_000))


async def test_an_upload_by_http_1_0(edge: Edge) -> None:
    ran = await curl("--http1.0", "-H", "Expect:", "--data-binary", "abc", edge.url("/sums"))
    assert_sum(ran.text, b"abc", declared=3)


async def status_of(edge: Edge, path: str) -> str:
    ran = await curl("--path-as-is", "--output", os.devnull, "--write-out", "%{http_code}", edge.url(path))
    return ran.text


async def test_a_path_is_made_plain_before_anything_looks_at_it(edge: Edge) -> None:
    assert await status_of(edge, "/%68ello?x=%68") == "200"
    assert edge.seen.requests == ["/hello?x=%68"]


@pytest.mark.parametrize("path", ["/a/../hello", "/./hello", "//hello", "/%2e%2e/hello", "/a%2Fhello"])
async def test_a_path_that_others_could_read_otherwise_is_refused(edge: Edge, path: str) -> None:
    assert await status_of(edge, path) == "400"
    assert edge.seen.requests == []


async def test_a_tolerant_edge_makes_more_paths_plain() -> None:
    async with open_edge(edge_parsing="tolerant") as edge:
        assert await status_of(edge, "/a/b/../.././hello?x=/../") == "200"
        assert edge.seen.requests == ["/hello?x=/../"]
        assert await status_of(edge, "/a/../../hello") == "400"


async def test_head_is_answered_without_a_body(edge: Edge) -> None:
    ran = await curl("--head", "--write-out", "=%{http_code} %{num_connects}\\n", *[edge.url("/bytes/5000")] * 2)
    assert ran.text.count("accept-ranges: bytes") == 2
    assert [line for line in ran.text.splitlines() if line.startswith("=")] == ["=200 1", "=200 0"]


async def test_events_come_one_by_one(edge: Edge) -> None:
    ran = await curl("--no-buffer", edge.url("/events"))
    assert [line for line in ran.text.splitlines() if line.startswith("data:")] == [
        f"data: event {number}" for number in (1, 2, 3)
    ]


async def test_the_service_hears_that_a_download_was_broken_off(edge: Edge) -> None:
    async with running(need("curl"), "--silent", "--no-buffer", edge.url("/drops")) as process:
        assert process.stdout is not None
        with trio.fail_after(30):
            await process.stdout.receive_some(5)
        assert edge.seen.given_up == []
        process.send_signal(signal.SIGKILL)
        assert await edge.cancelled() == ["/drops"]


async def test_the_service_hears_that_an_upload_was_broken_off(edge: Edge) -> None:
    async with running(need("curl"), "--silent", "-X", "POST", "--upload-file", "-", edge.url("/swallow")) as process:
        assert process.stdin is not None
        await process.stdin.send_all(b"x" * 100_000)
        with trio.fail_after(30):
            while not edge.seen.requests:  # noqa: ASYNC110 - the handler of a service is in another world
                await trio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert await edge.cancelled() == ["/swallow"]
