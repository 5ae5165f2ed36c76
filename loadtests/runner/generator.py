"""The process that sends the load, from outside: told by loadtests/order.py, in a session of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
import trio

from loadtests.order import BEGIN, Order, Said
from loadtests.stand.child import Keeper
from loadtests.stand.keeper import kill_session
from loadtests.tools import ROOT

END_S: Final = 10.0
_PIECE_BYTES: Final = 65_536
LINE_BYTES_MAX: Final = 64 << 20


class GeneratorError(Exception):
    """The generator cannot go on. Its text is one line, with the fix."""


class Generator:
    """One generator.

    Resource handling: `end` may be called at any time, and again; its pipe is read by one task.
    """

    def __init__(self, order: Order, folder: Path, keeper: Keeper, command: list[str] | None = None) -> None:
        """Start it. folder: for its order and its log; command: in place of loadtests.client."""
        self.log = folder / "generator.log"
        self._keeper = keeper
        path = folder / "order.json"
        path.write_bytes(msgspec.json.encode(order))
        ours, theirs = os.pipe()
        words = command or [sys.executable, "-m", "loadtests.client"]
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [*words, "--order", str(path), "--out", f"/dev/fd/{theirs}"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs,),
                    start_new_session=True,
                )
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        keeper.takes(self._process.pid)
        self._lines = trio.lowlevel.FdStream(ours)

    @property
    def pid(self) -> int:
        """Of its first process, which leads its session."""
        return self._process.pid

    def begin(self) -> None:
        """Have it begin: this is the start of the run."""
        self._say(BEGIN)

    def stop(self) -> None:
        """Have it stop early, and tell its counts."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    async def said(self) -> AsyncIterator[Said]:
        """Yield each line that it writes, until its pipe ends. Raises `GeneratorError` for one that is none."""
        rest = b""
        while piece := await self._lines.receive_some(_PIECE_BYTES):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield self._read(line)
            if len(rest) > LINE_BYTES_MAX:
                raise GeneratorError(f"the generator wrote a line of more than {LINE_BYTES_MAX} bytes ({self.log})")

    def _read(self, line: bytes) -> Said:
        try:
            return msgspec.json.decode(line, type=Said)
        except msgspec.DecodeError as error:
            raise GeneratorError(f"the generator wrote what is none of its lines: {error} ({self.log})") from error

    def why_ended(self) -> str:
        """Return why it has ended without its counts."""
        try:
            code: int | None = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            code = None
        lines = self.log.read_text(errors="replace").strip().splitlines()
        said = lines[-1][:300] if lines else "it said nothing"
        return f"the generator has ended with status {code} before its time: {said} (its log: {self.log})"

    def _say(self, line: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 - it was asked for
        try:
            pipe.write(line)
            pipe.flush()
        except BrokenPipeError:
            raise GeneratorError(self.why_ended()) from None

    def end(self) -> None:
        """End it now, whatever it is doing."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        kill_session(self._process.pid)
        self._process.wait()
        self._keeper.forgets(self._process.pid)

    async def aclose(self) -> None:
        """Close the pipe that it writes to."""
        await self._lines.aclose()
