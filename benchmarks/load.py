"""Load: wrk for many connections, the closed loop in C for one, and large bodies over a few."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.machine import pinned
from benchmarks.tools import HERE, NotMeasured, compiled, program
from benchmarks.work import BODY_MIB, CREATE_PATH, DOWNLOADS_PATH, INVOICE_PATH, UPLOADS_PATH


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load generator counted. Latencies are microseconds, from the request's first byte to the answer's last."""

    requests: int
    duration_s: float
    p50_us: float
    p99_us: float
    body_mib: int = 0
    """Of each request or answer, where bodies are what is measured."""


Load: TypeAlias = Callable[[int, float, int], LoadResult]
"""``load(port, seconds, core)`` runs to its end. Raises NotMeasured when a single request was not answered well."""


def wrk(
    connections: int,
    body: bytes | None = None,
    *,
    is_chunked: bool = False,
    is_tls: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Load:
    """Return a load of GETs of the invoice, or of POSTs with the body, over so many keep-alive connections.

    is_chunked: the body is sent as one chunk, without its length before it. headers: sent with each request.
    """
    lines = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]

    def run(port: int, seconds: float, core: int) -> LoadResult:
        path = INVOICE_PATH if body is None else CREATE_PATH
        command = [
            *(
                program("wrk"),
                "-t1",
                f"-c{connections}",
                f"-d{max(1, round(seconds))}s",
                *lines,
                "-s",
                str(HERE / "wrk.lua"),
            ),
            f"{'https' if is_tls else 'http'}://127.0.0.1:{port}{path}",
        ]
        if body is not None:
            command += ["--", body.decode(), *(["chunked"] if is_chunked else [])]
        return _run(command, core)

    return run


def closed_loop(port: int, seconds: float, core: int) -> LoadResult:
    """A Load of GETs over one connection, each sent when the one before was answered."""
    return _run([str(compiled("closed_loop")), str(port), INVOICE_PATH, f"{seconds:.2f}"], core)


def downloads(connections: int) -> Load:
    """Return a load of large downloads, so many at once."""
    return _bodies("down", DOWNLOADS_PATH.format(mebibytes=BODY_MIB), connections)


def uploads(connections: int) -> Load:
    """Return a load of large uploads, so many at once."""
    return _bodies("up", UPLOADS_PATH, connections)


def _bodies(direction: str, path: str, connections: int) -> Load:
    def run(port: int, seconds: float, core: int) -> LoadResult:
        command = [str(compiled("body_load")), str(port), direction, path, str(BODY_MIB), str(connections)]
        return _run([*command, f"{seconds:.2f}"], core)

    return run


def _run(command: list[str], core: int) -> LoadResult:
    with pinned(core):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotMeasured(f"the load generator failed: {(done.stderr or done.stdout).strip()[-200:]}")
    counted: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if counted["failed"] or not counted["requests"]:
        raise NotMeasured(f"{counted['failed']} of {counted['requests']} requests failed")
    return LoadResult(
        counted["requests"],
        counted["duration_us"] / 1e6,
        counted["p50_us"],
        counted["p99_us"],
        counted.get("body_mib", 0),
    )
