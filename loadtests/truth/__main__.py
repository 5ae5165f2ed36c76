"""Measures a stall by a closed loop and by an open one, and writes the page: `python -m loadtests.truth`."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

import trio

from loadtests.order import Order
from loadtests.record import RequestCounts, merged_times
from loadtests.runner.generator import Generator, GeneratorError
from loadtests.shape import read
from loadtests.stand.child import Keeper
from loadtests.stand.layout import make_layout
from loadtests.stand.stand import Stand, StandError
from loadtests.tools import ROOT

from .page import Stall, Told, page

PAGE = ROOT / "loadtests" / "latency_truth.md"
STALL = Stall(duration_s=12.0, stall_s=1.0, rate=200.0, users=10)

CLOSED = """
name: truth_closed
about: Users who wait for their answers, at about the rate of the open loop.
loop: closed
users: {{tenants: 1}}
think_ms: {think_ms}
phases: [{{name: steady, lasts: 1, users: {users}}}]
"""
OPEN = """
name: truth_open
about: Requests when they are due.
loop: open
requests: [{{request: GET /items/7}}]
connections: 64
phases: [{{name: steady, lasts: 1, rate: {rate}}}]
"""


def main() -> int:
    """Measure, and write the page; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.truth", description="Measure a stall in two ways.")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page [default: loadtests/latency_truth.md]")
    out: Path = parser.parse_args().out
    keeper = Keeper()
    try:
        with tempfile.TemporaryDirectory(prefix="penstock-truth-") as name:
            text = page(STALL, trio.run(measure, Path(name), keeper))
        out.write_text(text)
    except (StandError, GeneratorError) as error:
        print(f"truth: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"truth: error: {out}: {error.strerror}; give another --out", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        keeper.close()
    print(f"{out} is written")
    return 0


async def measure(folder: Path, keeper: Keeper) -> list[Told]:
    """Return what both loops tell, and the open one counted from sending. Raises `StandError`, `GeneratorError`."""
    stand = Stand(make_layout(folder, workers=1, services={"steady": 1}), keeper)
    try:
        stand.start()
        think_ms = 1000 * STALL.users / STALL.rate
        closed = await _load(stand, CLOSED.format(think_ms=think_ms, users=STALL.users), keeper)
        opened = await _load(stand, OPEN.format(rate=STALL.rate), keeper)
    finally:
        stand.end()
    from_sending = merged_times(counts.time_of_service for counts in opened if counts.time_of_service is not None)
    return [
        Told("closed loop", _sent(closed), merged_times(counts.times for counts in closed)),
        Told("open loop, from when it was due", _sent(opened), merged_times(counts.times for counts in opened)),
        Told("open loop, from when it was sent", _sent(opened), from_sending),
    ]


def _sent(several: list[RequestCounts]) -> int:
    return sum(counts.sent for counts in several)


async def _load(stand: Stand, text: str, keeper: Keeper) -> list[RequestCounts]:
    """Load the stand by a shape, and have it stand still in the middle."""
    file = stand.layout.folder / "shape.yaml"
    file.write_text(text)
    shape = read(file)
    order = Order(
        edge=stand.layout.edge, services=None, shape=str(file), users={}, phases=shape.phases(STALL.duration_s)
    )
    generator, told = Generator(order, stand.layout.folder, keeper), None
    try:
        async with trio.open_nursery() as nursery:
            async for said in generator.said():
                if said.ready:
                    generator.begin()
                    nursery.start_soon(_stall, stand.workers()[0]["pid"])
                elif said.error:
                    raise GeneratorError(said.error)
                elif said.requests is not None:
                    told = said.requests
        if told is None:
            raise GeneratorError(generator.why_ended())
    finally:
        generator.end()
        await generator.aclose()
    return told


async def _stall(pid: int) -> None:
    await trio.sleep((STALL.duration_s - STALL.stall_s) / 2)
    os.kill(pid, signal.SIGSTOP)
    try:
        await trio.sleep(STALL.stall_s)
    finally:
        os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(main())
