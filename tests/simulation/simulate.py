"""Runs a whole gateway on a clock of its own, again and again, each time with other things happening to it.

    python tests/simulation/simulate.py 0 1000        the seeds from 0 up to 1,000
    python tests/simulation/simulate.py 17 --trace    one of them, with all that happens

The same seed is the same run: time stands still but for what the run lets pass, chance is drawn from the seed, and
tasks run in the order that it says. So what a seed finds, it finds again.
"""

import argparse
import gc
import random
import sys
import traceback
import zlib
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
_TESTS: Final = (_HERE, _HERE.parent / "integration", _HERE.parents[1] / "src")

PROFILES: Final = "{hasty: {attempts: 3, attempt_timeout: 60ms}, hedged: {attempts: 2, hedge: 10%}}"
POLICIES: Final = ("two_choices", "least_loaded", "round_robin")
FAULTS: Final = (
    "{delay: 200ms, percent: 30}, {abort: 503, percent: 5}",
    "{delay: 50ms, jitter: 900ms}",
    "{cut: 0B, percent: 10}, {cut: 60B, percent: 10}",
    "{slow: 10MiB, percent: 50}, {delay: 20ms, percent: 50}",
)
INSTANCES: Final = ("a", "b", "c")
OPERATIONS: Final = 80
CLIENTS_MAX: Final = 12
STATUSES: Final = (200, 200, 200, 200, 404, 429, 500, 503)


def settings_of(draw: random.Random) -> dict[str, str]:
    """Draw a configuration."""
    settings = {
        "identity_undeclared": "public",
        "edge_deadline": f"{draw.choice((400, 1_500, 4_000))}ms",
        "edge_head_timeout": "2s",
        "edge_body_rate": "1MiB",
        "wire_linger": "0us",
        "retries_budget_floor": draw.choice(("0", "1", "10")),
        "retries_profiles": PROFILES,
    }
    rule = [
        *draw.choice(([], ["retries: none"], ["retries: read"], ["retries: hasty"], ["retries: hedged"])),
        *draw.choice(
            ([], [], ["concurrency: {route: 2}"], ["concurrency: {service: 3}"], ["concurrency: {service: adaptive}"])
        ),
        *draw.choice(([], [], ["cache: {ttl: 300ms, stale: 500ms}"])),
        *draw.choice(([], [], ["idempotency: {}"])),
        *draw.choice(([], [], [], [f"balance: {{policy: {draw.choice(POLICIES)}}}"])),
        *draw.choice(([], [], [], [f"faults: [{draw.choice(FAULTS)}]"])),
    ]
    if rule:
        settings["rules"] = f"[{{service: things, {', '.join(rule)}}}]"
    if any("faults" in part for part in rule):
        settings["faults_enabled"] = "true"
    return settings


class Run:
    """One run: what happens, drawn from its seed."""

    def __init__(self, seed: int) -> None:
        from world import World

        self.draw = random.Random(seed)
        settings = settings_of(self.draw)
        self.world = World(seed, CLOCK, settings)
        self.has_keys = "idempotency" in settings.get("rules", "")

    async def run(self) -> None:
        """Let things happen, then let all end, and look at what is left."""
        world, draw = self.world, self.draw
        async with world.running():
            for instance in INSTANCES[: draw.randint(1, 3)]:
                world.start_service(instance)
            await world.settle()
            operations, weights = zip(*self.operations(), strict=True)
            for _ in range(OPERATIONS):
                operation: Callable[[], Awaitable[None]] = draw.choices(operations, weights)[0]
                await operation()
                await world.settle()
                world.check_counts()
            await self.end()

    def operations(self) -> list[tuple[Callable[[], Awaitable[None]], int]]:
        """What may happen, and how often."""
        return [
            (self.ask, 30),
            (self.answer, 22),
            (self.wait, 18),
            (self.wait_long, 3),
            (self.finish_asking, 4),
            (self.leave, 3),
            (self.refuse, 6),
            (self.lose_service, 3),
            (self.start_service, 4),
            (self.say_goodbye, 1),
            (self.answer_late, 3),
            (self.answer_wrongly, 2),
            (self.beat, 3),
        ]

    # ---- clients ----

    async def ask(self) -> None:
        """Somebody asks, alone or with several others at once."""
        world, draw = self.world, self.draw
        for _ in range(draw.choice((1, 1, 1, 5))):
            idle = [client for client in world.clients if client.asking is None]
            if not idle and len(world.clients) >= CLIENTS_MAX:
                return
            client = draw.choice(idle) if idle and draw.random() < 0.7 else world.connect()
            method = draw.choice(("GET", "GET", "POST"))
            timeout_ms = draw.choice((None, None, 100, 500, 3_000))
            part = draw.random() if draw.random() < 0.1 else 1.0
            key = f"k{draw.randrange(8)}" if self.has_keys and method == "POST" and draw.random() < 0.6 else ""
            name = key or f"n{draw.randrange(10)}"
            world.ask(client, method, name, key=key, timeout_ms=timeout_ms, part=part)

    async def finish_asking(self) -> None:
        """Who has sent a part of a request sends the rest."""
        for client in self.world.clients:
            if client.rest:
                self.world.go_on_asking(client)

    async def leave(self) -> None:
        """Somebody leaves, whatever he waits for."""
        if self.world.clients:
            self.world.leave(self.draw.choice(self.world.clients))

    # ---- services ----

    async def answer(self) -> None:
        """A service answers one of its requests, or all of them."""
        world, draw = self.world, self.draw
        busy = [service for service in world.services if service.pending]
        if not busy:
            return
        service = draw.choice(busy)
        pending = list(service.pending.values())
        for asked in pending if draw.random() < 0.3 else [draw.choice(pending)]:
            status = draw.choice(STATUSES)
            world.answer(service, asked, status, b"x" * draw.choice((0, 100, 20_000)))

    async def answer_late(self) -> None:
        """A service answers what was taken back from it."""
        for service in self.world.services:
            while service.cancelled:
                service.respond(service.cancelled.pop(), 200, b"late")

    async def answer_wrongly(self) -> None:
        """A service answers what cannot be passed on."""
        busy = [service for service in self.world.services if service.pending]
        if busy:
            service = self.draw.choice(busy)
            asked = self.draw.choice(list(service.pending.values()))
            self.world.tell(f"{service.instance} answers {asked.number} wrongly")
            service.respond(asked, 204, b"a body where none may be")

    async def refuse(self) -> None:
        """A service refuses a request."""
        busy = [service for service in self.world.services if service.pending]
        if busy:
            service = self.draw.choice(busy)
            asked = self.draw.choice(list(service.pending.values()))
            self.world.refuse(service, asked, self.draw.choice((0, 0, 50, 5_000)))

    async def lose_service(self) -> None:
        """A service is gone from one moment to the next, perhaps within a frame."""
        if self.world.services:
            service = self.draw.choice(self.world.services)
            self.world.tell(f"{service.instance} is lost")
            if self.draw.random() < 0.3:
                service.send(b"\0\0\0\x40\x01")
            service.close()

    async def start_service(self) -> None:
        """An instance that is not there comes, or one that is comes once more."""
        there = {service.instance for service in self.world.services}
        missing = [instance for instance in INSTANCES if instance not in there]
        if missing or self.draw.random() < 0.1:
            self.world.start_service(self.draw.choice(missing or INSTANCES))

    async def say_goodbye(self) -> None:
        """A service drains."""
        if self.world.services:
            self.world.say_goodbye(self.draw.choice(self.world.services))

    async def beat(self) -> None:
        """All services say that they are well."""
        for service in self.world.services:
            self.world.beat(service)

    # ---- time ----

    async def wait(self) -> None:
        """A little time passes."""
        await self.world.pass_time(self.draw.choice((1, 5, 20, 60, 150, 300)))

    async def wait_long(self) -> None:
        """More of it passes."""
        await self.world.pass_time(self.draw.choice((1_000, 2_500)))

    # ---- the end ----

    async def end(self) -> None:
        """Whoever waits is answered, everybody leaves, and nothing is left."""
        from world import must

        world = self.world
        await self.finish_asking()
        await world.settle()
        await world.pass_time(world.deadline_ms + 2_500)
        for number, sent in world.sent.items():
            must(
                len(sent.answers) == 1 or sent.is_abandoned, f"request {number} was answered {len(sent.answers)} times"
            )
        for client in world.clients:
            client.close()
        for service in world.services:
            service.close()
        await world.settle()
        await world.pass_time(1_000)
        must(not world.left(), f"of exchanges is left: {world.left()}")
        world.check_attempts()


def run_seed(seed: int) -> tuple[list[str], str]:
    """Run one seed. Returns what happened, and what was wrong: empty where nothing was."""
    import trio

    CLOCK.begin(seed)
    run = Run(seed)
    try:
        trio.run(run.run)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return run.world.trace, "".join(traceback.format_exception(_innermost(error)))
    return run.world.trace, ""


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def main() -> int:
    """Run the seeds of the command line. 1: one of them found something."""
    say = partial(print, flush=True)
    parser = argparse.ArgumentParser(description="Run a gateway in a simulated world.")
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("end", type=int, nargs="?", help="the seed behind the last one; one seed without it")
    parser.add_argument("--trace", action="store_true", help="say all that happens")
    parser.add_argument("--plant", help="break the gateway so: a name of `plants.PLANTS`")
    given = parser.parse_args()
    if given.plant:
        from plants import PLANTS

        PLANTS[given.plant]()
    failed, requests, checksum = 0, 0, 0
    gc.disable()  # collections at moments of their own are no part of a run
    for seed in range(given.first, given.end or given.first + 1):
        trace, problem = run_seed(seed)
        requests += sum(" request " in f" {line.split(maxsplit=1)[1]}" and "/things/" in line for line in trace)
        checksum = zlib.crc32("\n".join(trace).encode(), checksum)
        if given.trace:
            say("\n".join(trace))
        if problem:
            failed += 1
            say(f"{problem}\nseed {seed} found this; to see it again: python {sys.argv[0]} {seed} --trace\n")
        gc.collect(0 if seed % 50 else 2)
    count = (given.end or given.first + 1) - given.first
    say(f"{count} seeds, {failed} failed, {requests} requests, checksum {checksum:08x}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path[:0] = [str(path) for path in _TESTS]
    from standing_clock import StandingClock, run_again_with_clock

    status = run_again_with_clock()
    if status is None:
        CLOCK = StandingClock()
        status = main()
    raise SystemExit(status)
