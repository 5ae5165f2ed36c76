"""A headless browser, driven by the DevTools protocol over a pair of pipes: no port, and no WebSocket of our own.

With ``--remote-debugging-pipe`` Chromium reads commands from descriptor 3 and writes replies to descriptor 4. Each is a
JSON object that ends with a zero byte.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-extensions", "--disable-sync", "--no-proxy-server"),
    "--remote-debugging-pipe",
)
LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for end, wanted in zip(ends, (3, 4)):
    os.dup2(end, wanted)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts the pipes where the browser looks for them: first out of the way, for they may lie on each other's place."""
PAGE_S = 30
"""Nothing that a page does takes longer, the browser's start included."""


class BrowserError(Exception):
    """The browser refused a command."""


class Browser:
    """The browser's end of the pipes."""

    def __init__(self, commands: trio.abc.SendStream, replies: trio.abc.ReceiveStream) -> None:
        self._commands = commands
        self._replies = replies
        self._held = b""
        self._number = 0

    async def call(self, method: str, session: str | None = None, /, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result. What else the browser tells meanwhile is dropped."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        await self._commands.send_all(
            json.dumps(command | ({"sessionId": session} if session else {})).encode() + b"\0"
        )
        while (reply := await self._next()).get("id") != self._number:
            pass
        if "error" in reply:
            raise BrowserError(f"{method}: {reply['error']}")
        result: dict[str, Any] = reply["result"]
        return result

    async def open(self, url: str) -> "Page":
        """Open a page in a tab of its own."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, target["targetId"], attached["sessionId"])
        await page.go(url)
        return page

    async def _next(self) -> dict[str, Any]:
        while b"\0" not in self._held:
            data = await self._replies.receive_some()
            assert data, "the browser has ended"
            self._held += data
        message, _, self._held = self._held.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


class Page:
    """A tab."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    async def go(self, url: str) -> None:
        """Load a page, and wait until it is there."""
        await self._browser.call("Page.navigate", self._session, url=url)
        await self.until(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    async def close(self) -> None:
        """Close the tab."""
        await self._browser.call("Target.closeTarget", targetId=self._target)

    async def evaluate(self, script: str) -> Any:
        """Run a script, await the promise that it may be, and return its value."""
        result = await self._browser.call(
            "Runtime.evaluate", self._session, expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until a script says true. A page that is just being left says nothing, or refuses to be asked."""
        while True:
            with suppress(BrowserError):
                result = await self._browser.call("Runtime.evaluate", self._session, expression=condition)
                if result["result"].get("value") is True:
                    return
            await trio.sleep(0.02)


@asynccontextmanager
async def open_browser(program: str, profile: Path) -> AsyncIterator[Browser]:
    """Run a browser with a new profile, for as long as the block lasts."""
    commands_read, commands_write = os.pipe()
    replies_read, replies_write = os.pipe()
    process = await trio.lowlevel.open_process(
        [
            *(sys.executable, "-c", LAUNCH, str(commands_read), str(replies_write)),
            *(program, *FLAGS, f"--user-data-dir={profile}"),
        ],
        pass_fds=(commands_read, replies_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(commands_read)
    os.close(replies_write)
    commands, replies = trio.lowlevel.FdStream(commands_write), trio.lowlevel.FdStream(replies_read)
    try:
        with trio.fail_after(PAGE_S):
            async with commands, replies:
                yield Browser(commands, replies)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its helpers, too; it has not been waited for, so the id is its own
        with trio.CancelScope(shield=True):
            await process.wait()
