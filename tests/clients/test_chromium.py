"""Chromium without a window: a page, an upload by form, fetch, server-sent events, and a WebSocket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from browser import Browser, Page, open_browser
from client_lab import Edge, need, open_edge

FILE_BYTES = 300_000
SUBMIT = f"""
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array({FILE_BYTES})], "a.bin"));
    document.querySelector("input[type=file]").files = files.files;
    document.querySelector("form").submit();
"""
EVENTS = """
    new Promise((resolve) => {
        const events = new EventSource("/events"), came = [];
        events.onmessage = ({ data, lastEventId }) => {
            came.push([lastEventId, data]);
            if (came.length === 3) { events.close(); resolve(came); }
        };
    })
"""
WEBSOCKET = """
    new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://${location.host}/echo`), came = [];
        socket.binaryType = "arraybuffer";
        socket.onerror = () => reject(new Error("the WebSocket failed"));
        socket.onopen = () => socket.send("grüß dich");
        socket.onmessage = ({ data }) => {
            came.push(typeof data === "string" ? data : data.byteLength);
            if (came.length === 1) socket.send(new Uint8Array(200_000)); else socket.close(1000, "enough");
        };
        socket.onclose = ({ code, wasClean }) => resolve({ came, code, wasClean });
    })
"""
ABORT = """
    (async () => {
        const abort = new AbortController(), answer = await fetch("/drops", { signal: abort.signal });
        const reader = answer.body.getReader();
        await reader.read();
        abort.abort();
        return await reader.read().catch((error) => error.name);
    })()
"""


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with open_edge() as edge:
        yield edge


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with open_browser(need("chromium"), tmp_path / "profile") as browser:
        yield browser


@pytest.fixture
async def page(edge: Edge, browser: Browser) -> Page:
    return await browser.open(edge.url("/page"))


async def test_a_page_and_an_upload_by_form(page: Page) -> None:
    assert await page.evaluate("document.querySelector('h1').textContent") == "a page"
    await page.evaluate(SUBMIT)
    await page.until("document.readyState === 'complete' && document.title === 'taken'")
    assert int(await page.evaluate("document.querySelector('#bytes').textContent")) > FILE_BYTES
    assert await page.evaluate("document.querySelector('#kind').textContent") == "multipart/form-data"


async def test_fetch(page: Page) -> None:
    read = "(async () => (await (await fetch('/bytes/1000000')).arrayBuffer()).byteLength)()"
    assert await page.evaluate(read) == 1_000_000
    send = "(async () => (await fetch('/sums', {method: 'POST', body: new Uint8Array(1000000)})).json())()"
    assert (await page.evaluate(send))["bytes"] == 1_000_000


async def test_server_sent_events(page: Page) -> None:
    assert await page.evaluate(EVENTS) == [[str(number), f"event {number}"] for number in (1, 2, 3)]


async def test_a_websocket(page: Page) -> None:
    assert await page.evaluate(WEBSOCKET) == {"came": ["grüß dich", 200_000], "code": 1000, "wasClean": True}


async def test_the_service_hears_of_an_abort(page: Page, edge: Edge) -> None:
    assert await page.evaluate(ABORT) == "AbortError"
    assert await edge.cancelled() == ["/drops"]


async def test_the_service_hears_that_a_tab_was_closed(page: Page, edge: Edge) -> None:
    await page.evaluate("fetch('/drops').then((answer) => answer.body.getReader().read()).then(() => true)")
    assert edge.seen.given_up == []
    await page.close()
    assert await edge.cancelled() == ["/drops"]
