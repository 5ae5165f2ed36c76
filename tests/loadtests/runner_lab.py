"""What tests of the runner share: a tiny plan, a run of it in a process of its own, and a false admin listener."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from loadtests.order import Address
from loadtests.record import Facts
from loadtests.stand.procfs import PROC
from loadtests.tools import ROOT

SHAPE = """
name: tiny
about: One request after the other.
loop: closed
users: { http_edge: 1 }
phases:
  - { name: steady, lasts: 1, users: 1 }
"""
PLAN = """
name: tiny
shape: SHAPE
duration: 1s
workers: 0
services: { steady: 1 }
thresholds: none
"""
CODE = """
import sys, trio
from pathlib import Path
from loadtests.order import Address
from loadtests.runner import conduct
from loadtests.runner.plan import read_plan
from loadtests.runner.site import Elsewhere
from loadtests.runner.whole import Wanted, run
folder = Path(sys.argv[1])
words = [sys.executable, "-m", "tests.loadtests.fake_generator", sys.argv[2]]
if sys.argv[2] == "nowhere":
    words = ["/nowhere"]
conduct.SILENT_S = 0.2
plan = read_plan(str(folder / "plan.yaml"))
there = Address("127.0.0.1", int(sys.argv[3]))
elsewhere = Elsewhere(there, there, None, "right") if there.port else None
sys.exit(trio.run(run, Wanted(plan=plan, out=folder / "out", elsewhere=elsewhere, generator_command=words)))
"""
FACTS = Facts(
    name="tiny",
    started_unix_s=0.0,
    planned_s=10.0,
    shape="tiny",
    loop="closed",
    users=["fake"],
    interval_s=1.0,
    command=[],
    version="",
    revision="",
    workers=0,
    machine={},
)
WAIT_S = 30


def prepare(folder: Path, **changes: str) -> None:
    """Write a plan, with other words than usual where they are given."""
    shape = folder / "shape.yaml"
    shape.write_text(SHAPE)
    lines = [line for line in PLAN.strip().splitlines() if line.partition(":")[0] not in changes]
    lines += [f"{name}: {value}" for name, value in changes.items()]
    (folder / "plan.yaml").write_text("\n".join(lines).replace("SHAPE", str(shape)))


def start(folder: Path, mode: str, port: int = 0) -> subprocess.Popen[str]:
    """port: of a gateway that runs already; 0: a stand is started."""
    marked = {**os.environ, "MARK": str(folder)}
    command = [sys.executable, "-c", CODE, str(folder), mode, str(port)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=marked)


def run(folder: Path, mode: str, port: int = 0) -> tuple[int, str]:
    process = start(folder, mode, port)
    _, said = process.communicate(timeout=WAIT_S)
    return process.returncode, said


def left_running(folder: Path) -> list[str]:
    """What still runs of all that a run in this folder has started, at whatever remove."""
    mark = f"MARK={folder}".encode()
    left = []
    for entry in PROC.iterdir():
        try:
            if entry.name.isdecimal() and mark in (entry / "environ").read_bytes().split(b"\0"):
                left.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return left


def until_none_left(folder: Path) -> list[str]:
    until = time.monotonic() + WAIT_S
    while (left := left_running(folder)) and time.monotonic() < until:
        time.sleep(0.02)
    return left


class Page(BaseHTTPRequestHandler):
    """An admin listener that wants a token."""

    said = b'{"workers": []}'

    def do_GET(self) -> None:
        known = self.headers.get("authorization") == "Bearer right" or self.path == "/health"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def admin_listener() -> Iterator[Address]:
    """Have one listen."""
    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Address("127.0.0.1", server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
