"""Kill a service, and watch the gateway hold: a gateway, four workers and sixteen clients in one terminal.

    python examples/hold/run.py

Each second a line says what the clients saw. In another terminal kill a worker (the banner has their process ids), stop
it, or let it go on; a worker that has ended is started anew after a few seconds. Ctrl-C ends everything.
"""

import ctypes
import os
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import trio
from load import CLIENTS, Seen, ask_forever

HERE = Path(__file__).resolve().parent
PENSTOCK = [sys.executable, "-P", "-m", "proxy.cli.main"]
WORKERS = 4
STARTS_AGAIN_S = 5.0
READY_WITHIN_S = 20.0
POLL_S = 0.05
PR_SET_PDEATHSIG = 1


class EndedError(Exception):
    """It cannot go on. Its text is one line."""


def address(listener: str, port: int) -> tuple[str, int]:
    """Return where the gateway listens, as it reads it itself."""
    host, _, given = os.environ.get(f"PENSTOCK_{listener.upper()}_LISTEN", f"127.0.0.1:{port}").rpartition(":")
    return host, int(given)


# ---- processes ----


class Worker:
    """One of the four, and those that take its place."""

    def __init__(self, name: str, settings: dict[str, str]) -> None:
        """Not started yet."""
        self.name = name
        self._settings = {**settings, "PENSTOCK_INSTANCE": name}
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self) -> None:
        """Keep it running until cancelled."""
        try:
            while True:
                self._process = start([sys.executable, str(HERE / "worker.py")], self._settings)
                await trio.to_thread.run_sync(self._process.wait, abandon_on_cancel=True)
                status, number = self._process.returncode, self._process.pid
                how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
                say(f"{self.name} ({number}) {how}; another one starts in {STARTS_AGAIN_S:.0f} s")
                self._process = None
                await trio.sleep(STARTS_AGAIN_S)
        finally:
            if self._process is not None:
                end(self._process)

    def state(self) -> str:
        """Return its process id, or what is the matter with it."""
        if self._process is None or self._process.poll() is not None:
            return "gone"
        stat = Path(f"/proc/{self._process.pid}/stat")
        is_stopped = stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "T"
        return "stopped" if is_stopped else str(self._process.pid)


def start(command: list[str], settings: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that Ctrl-C reaches it only through this one."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("PENSTOCK_")}
    return subprocess.Popen(  # noqa: S603 - our own
        command,
        env={**inherited, "PENSTOCK_LOG_LEVEL": "error", **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and one that is stopped, too."""
    process.kill()
    process.wait()


def _end_with_parent() -> None:
    """Have the kernel end this process with its parent, should that be killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# ---- what is said ----


def say(text: str) -> None:
    """Say a line at once, also into a pipe."""
    print(text, flush=True)


def banner(workers: list[Worker]) -> str:
    """Return what a person needs to try it."""
    one, two = workers[0].state(), workers[1].state()
    return f"""
A gateway, {WORKERS} workers and {CLIENTS} clients. In another terminal:

    kill -9 {one}        worker-1 dies in the middle of its requests
    kill -STOP {two}     worker-2 hangs: it holds its connection, and answers nothing
    kill -CONT {two}     and goes on

Ctrl-C ends everything. Each second: what the clients asked, what failed, the time within which 99 of 100 answers came,
and who gave them.
"""


def line(second: int, seen: Seen, workers: list[Worker]) -> str:
    """Return what was seen of one second."""
    failures = sum(seen.failures.values())
    shares = "  ".join(f"{worker.name} {_share(seen.workers, worker):>7}" for worker in workers)
    causes = "  " + ", ".join(f"{count} {cause}" for cause, count in seen.failures.items()) if failures else ""
    figures = f"{len(seen.times_s):5d} asked  {failures:3d} failed  p99 {seen.p99_ms():6.1f} ms"
    return f"{second:4d} s  {figures}   {shares}{causes}"


def _share(answers: Counter[str], worker: Worker) -> str:
    state = worker.state()
    return state if state in ("gone", "stopped") and not answers[worker.name] else str(answers[worker.name])


# ---- together ----


async def wait_for(page: str, gateway: subprocess.Popen[bytes]) -> None:
    """Wait until an admin page says yes. Raises `EndedError`."""
    host, port = address("admin", 9901)
    with trio.move_on_after(READY_WITHIN_S):
        while gateway.poll() is None:
            try:
                await trio.to_thread.run_sync(
                    lambda: urllib.request.urlopen(f"http://{host}:{port}{page}", timeout=2).close()
                )
            except OSError:
                await trio.sleep(POLL_S)
            else:
                return
        raise EndedError(
            f"the gateway ended with status {gateway.returncode}; `penstock check` says why, if it is a setting"
        )
    raise EndedError(f"{page} does not say yes within {READY_WITHIN_S:.0f} s")


async def hold() -> None:
    """Run all of it until cancelled."""
    own = {name: text for name, text in os.environ.items() if name.startswith("PENSTOCK_")}
    gateway = start([*PENSTOCK, "serve", "--config", str(HERE / "gateway.yaml")], own)
    host, port = address("services", 7420)
    settings = {"PENSTOCK_GATEWAYS": f"tcp://{host}:{port}"}
    workers = [Worker(f"worker-{number}", settings) for number in range(1, WORKERS + 1)]
    try:
        await wait_for("/health", gateway)
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(worker.run)
            await wait_for("/ready", gateway)
            say(banner(workers))
            seen = Seen()
            for number in range(CLIENTS):
                nursery.start_soon(ask_forever, *address("edge", 8080), seen, number)
            second = 0
            while gateway.poll() is None:
                await trio.sleep(1)
                second += 1
                say(line(second, seen.take(), workers))
            raise EndedError(f"the gateway ended with status {gateway.returncode}")
    finally:
        end(gateway)


def main() -> int:
    """Run until a signal, and return the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts it in the background may have it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    failed: list[BaseException] = []
    try:
        trio.run(hold)
    except* KeyboardInterrupt:
        pass
    except* EndedError as errors:
        failed = list(errors.exceptions)
    for error in failed:
        print(f"hold: error: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
