"""The operator page in Chromium: what it shows, that it asks for the token, that nothing in it obeys what it shows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from browser import Browser, Page, open_browser
from client_lab import need
from lab import Lab, open_lab
from lab_client import request

TOKEN = "correct-horse"  # noqa: S105
WATCH = """
    window.violations = [];
    window.failures = [];
    addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
    addEventListener("error", (event) => failures.push(event.message));
    addEventListener("unhandledrejection", (event) => failures.push(String(event.reason)));
"""
SHOWN = "document.getElementById('main').hidden === false"
HOSTILE = """
    (() => {
        const text = "<img src=x onerror='window.hit = 1'><script>window.hit = 2</scr" + "ipt>";
        const top = structuredClone(last);
        for (const row of [...top.routes, ...top.instances, ...top.workers])
            for (const name of Object.keys(row)) if (typeof row[name] === "string") row[name] = text;
        top.gateway = top.version = text;
        top.reasons = [text];
        top.ready = false;
        top.refusals = [{ reason: text, status: 500, rate: 1, total: 1 }];
        top.breakers = [{ service: text, scope: text, state: text, count: 1 }];
        const said = { method: text, target: text, reason: text, request_id: text, tenant: text };
        records = records.map((row) => ({ ...row, ...said }));
        openRows.clear();
        take(top);
        show();
        document.querySelectorAll("#records button.link").forEach((button) => button.click());
        const shown = document.body.textContent.split("<img src=x").length - 1;
        return [shown >= 12, document.querySelectorAll("main img, main script").length];
    })()
"""


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with open_browser(need("chromium"), tmp_path / "profile") as browser:
        yield browser


async def open_page(browser: Browser, lab: Lab) -> Page:
    """The page, watched for whatever goes wrong in it."""
    page = await browser.open("about:blank")
    await browser.call("Page.enable", page._session)
    await browser.call("Page.addScriptToEvaluateOnNewDocument", page._session, source=WATCH)
    await page.go("http://{}:{}/".format(*lab.addresses.admin))
    return page


async def faultless(page: Page, lab: Lab) -> None:
    """Nothing was refused by the policy, nothing failed, and nothing came from elsewhere."""
    assert await page.evaluate("[violations, failures]") == [[], []]
    origin = "http://{}:{}/".format(*lab.addresses.admin)
    loaded = await page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded
    assert [name for name in loaded if not name.startswith(origin)] == []


async def serve(lab: Lab) -> None:
    """A service that answers, and a client that asks, until cancelled."""
    service, client = await lab.raw("GET /things/{id}"), await lab.client()
    while True:
        await client.send(request("GET", "/things/1", "X-Request-Id: r-1"))
        await service.respond(await service.asked(), 503)
        await client.answer()
        await trio.sleep(0.02)


async def test_figures_requests_and_nothing_that_obeys_them(browser: Browser) -> None:
    async with open_lab(rules="[{retries: none}]") as lab, trio.open_nursery() as nursery:
        nursery.start_soon(serve, lab)
        page = await open_page(browser, lab)
        await page.until(f"{SHOWN} && document.querySelectorAll('#routes tbody tr').length === 1")
        assert "/things/{id}" in await page.evaluate("document.getElementById('routes').textContent")
        assert "raw/raw-1" in await page.evaluate("document.getElementById('instances').textContent")
        assert await page.evaluate("document.getElementById('state').textContent") == "ready"
        await page.until("document.querySelectorAll('#records button.link').length > 0")
        await page.evaluate("document.querySelector('#routes th.num button').click()")
        assert await page.evaluate("document.querySelector('#routes [aria-sort]').textContent") == "Req/s"

        await page.evaluate(
            "(document.getElementById('wanted').value = 'r-1', document.getElementById('find').requestSubmit())"
        )
        await page.until("document.getElementById('records-count').textContent.endsWith(' found')")
        await page.evaluate("document.querySelector('#records button.link').click()")
        details = await page.evaluate("document.querySelector('#records td.open').textContent")
        assert "GET /things/{id}" in details
        assert "1. raw-1: 503" in details

        await page.evaluate("found = null")
        assert await page.evaluate(HOSTILE) == [True, 0]
        assert await page.evaluate("window.hit === undefined")
        await faultless(page, lab)
        nursery.cancel_scope.cancel()


async def test_the_token_is_asked_for(browser: Browser) -> None:
    async with open_lab(admin_token=TOKEN) as lab:
        page = await open_page(browser, lab)
        await page.until("document.getElementById('login').hidden === false")
        assert await page.evaluate(SHOWN) is False

        async def enter(token: str) -> None:
            await page.evaluate(
                f"(document.getElementById('token').value = '{token}',"
                " document.getElementById('login').requestSubmit())"
            )

        await enter("wrong-horse")
        await page.until("document.getElementById('wrong').textContent === 'That is not the token.'")
        await enter(TOKEN)
        await page.until(SHOWN)
        assert "No service that could be asked" in await page.evaluate("document.getElementById('why').textContent")
        assert TOKEN not in await page.evaluate("location.href + document.documentElement.outerHTML")
        assert await page.evaluate("localStorage.length") == 0
        await faultless(page, lab)


async def test_in_the_dark_on_a_phone_and_without_an_answer(browser: Browser) -> None:
    async with open_lab() as lab:
        await lab.raw("GET /a/path/that/is/rather/long/for/a/telephone/{id}", instance="an-instance-with-a-long-name")
        page = await open_page(browser, lab)
        await page.until(SHOWN)
        grounds = []
        for name in ("light", "dark"):
            await browser.call(
                "Emulation.setEmulatedMedia",
                page._session,
                features=[{"name": "prefers-color-scheme", "value": name}],
            )
            grounds.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert grounds == ["rgb(246, 247, 248)", "rgb(15, 20, 25)"]
        await page.evaluate("document.getElementById('theme').click()")
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == grounds[0]
        await browser.call(
            "Emulation.setDeviceMetricsOverride",
            page._session,
            width=360,
            height=640,
            deviceScaleFactor=2,
            mobile=True,
        )
        assert await page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [360, 360]

        await page.evaluate(
            "(window.asked = fetch, window.fetch = () => Promise.reject(new TypeError('gone')), turn())"
        )
        await page.until("document.getElementById('state').textContent === 'no answer'")
        assert await page.evaluate("document.body.classList.contains('stale')")
        await page.evaluate("(window.fetch = asked, turn())")
        await page.until("document.getElementById('state').textContent === 'ready'")
        await page.evaluate("document.getElementById('pause').click()")
        await page.until("document.getElementById('state').textContent === 'paused'")
        await faultless(page, lab)
