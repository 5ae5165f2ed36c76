"""The report of a load test in Chromium: nothing is wider than the screen, in neither theme, and nothing is loaded."""

from pathlib import Path

import pytest
from browser import open_browser
from client_lab import need
from loadtests.report import write
from loadtests.verdict import Thresholds, judge
from run_records import run_record

WATCH = (
    "window.violations = []; addEventListener('securitypolicyviolation', (event) => violations.push(event.blockedURI))"
)
LOOK = """
    ({
        over: document.body.scrollWidth - document.body.clientWidth,
        ground: getComputedStyle(document.body).backgroundColor,
        drawn: [...document.querySelectorAll("path")].filter((line) => line.getBoundingClientRect().width > 9).length,
        loaded: performance.getEntriesByType("resource").length,
        violations: violations.length,
        held: [...document.querySelectorAll(".verdict .held")].length,
    })
"""


@pytest.mark.parametrize(("theme", "ground"), [("light", "rgb(246, 247, 248)"), ("dark", "rgb(15, 20, 25)")])
async def test_it_is_shown_whole_on_every_screen(theme: str, ground: str, tmp_path: Path) -> None:
    record = run_record()
    verdict = judge(record, Thresholds(), record)
    path = write(tmp_path, record, verdict, record)
    async with open_browser(need("chromium"), tmp_path / "profile") as browser:
        page = await browser.open("about:blank")
        await browser.call("Page.enable", page._session)
        await browser.call("Page.addScriptToEvaluateOnNewDocument", page._session, source=WATCH)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        await browser.call("Emulation.setEmulatedMedia", page._session, features=features)
        for width in (360, 1_400):
            screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            await browser.call("Emulation.setDeviceMetricsOverride", page._session, **screen)
            await page.go(path.as_uri())
            seen = await page.evaluate(LOOK)
            assert seen.pop("drawn") > 15
            assert seen == {"over": 0, "ground": ground, "loaded": 0, "violations": 0, "held": len(verdict.lines)}
