"""What happens in a run: operations, drawn one after the other, and then the end of them all."""

import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

from drawn_settings import draw_rules, draw_settings
from invariants import check_attempts, check_counts, left_of
from peers import Asked, SimulatedService
from records import must
from standing_clock import StandingClock
from world import NO_LIMIT, World

INSTANCES: Final = ("a", "b", "c")
OPERATIONS: Final = 80
CLIENTS_MAX: Final = 12
STATUSES: Final = (200, 200, 200, 200, 200, 404, 429, 500, 503)

Operation = Callable[[], Awaitable[None]]


class Run:
    """One run, drawn from its seed."""

    def __init__(self, seed: int, clock: StandingClock) -> None:
        self.draw = random.Random(seed)
        self.settings = draw_settings(self.draw)
        self.world = World(seed, clock, self.settings)

    async def run(self) -> None:
        """Let things happen, then let all end, and look at what is left."""
        world, draw = self.world, self.draw
        world.tell(f"rules: {self.settings['rules'] or 'none'}; fan-outs: {self.settings['fanouts']}")
        async with world.running() as nursery:
            for instance in INSTANCES[: draw.randint(1, 3)]:
                world.start_service(instance)
            await world.settle()
            operations, weights = zip(*self.operations(), strict=True)
            for _ in range(OPERATIONS):
                operation: Operation = draw.choices(operations, weights)[0]
                await operation()
                await world.settle()
                check_counts(world)
            if draw.random() < 0.2:
                world.tell("the gateway drains")
                nursery.start_soon(world.gateway.drain, 1.0, 0.5)
            await self.end()

    def operations(self) -> list[tuple[Operation, int]]:
        """What may happen, and how often."""
        return [
            (self.ask, 30),
            (self.answer, 26),
            (self.wait, 16),
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
            (self.reload, 1),
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
            path = draw.choice(("things", "things", "things", "all" if method == "GET" else "streams"))
            if path == "all" and world.route_limit != NO_LIMIT:
                path = "things"  # legs wait in no line
            has_key = world.has_keys and (method, path) == ("POST", "things") and draw.random() < 0.6
            key = f"k{draw.randrange(8)}" if has_key else ""
            timeout_ms = draw.choice((0, 0, 100, 500, 3_000))
            part = draw.random() if draw.random() < 0.1 else 1.0
            name = key or f"n{draw.randrange(10)}"
            world.ask(client, method, path, name, key=key, timeout_ms=timeout_ms, part=part)

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

    def _busy(self) -> tuple[SimulatedService, Asked] | None:
        busy = [service for service in self.world.services if service.pending]
        if not busy:
            return None
        service = self.draw.choice(busy)
        return service, self.draw.choice(list(service.pending.values()))

    async def answer(self) -> None:
        """A service answers one of its requests, or all of them."""
        world, draw = self.world, self.draw
        found = self._busy()
        if found is not None:
            service, one = found
            for asked in tuple(service.pending.values()) if draw.random() < 0.3 else (one,):
                filling, pieces = b"x" * draw.choice((0, 100, 20_000)), draw.choice((1, 3))
                world.answer(service, asked, draw.choice(STATUSES), filling, pieces)

    async def answer_late(self) -> None:
        """A service answers what was taken back from it."""
        for service in self.world.services:
            while service.cancelled:
                service.respond(service.cancelled.pop(), 200, b"late")

    async def answer_wrongly(self) -> None:
        """A service answers what cannot be passed on."""
        found = self._busy()
        if found is not None:
            service, asked = found
            self.world.tell(f"{service.instance} answers {asked.number} wrongly")
            service.respond(asked, 204, b"a body where none may be")

    async def refuse(self) -> None:
        """A service refuses a request."""
        found = self._busy()
        if found is not None:
            self.world.refuse(*found, self.draw.choice((0, 0, 50, 5_000)))

    async def lose_service(self) -> None:
        """A service is gone from one moment to the next, perhaps within a frame, or within an answer."""
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

    # ---- the gateway, and time ----

    async def reload(self) -> None:
        """The configuration is another."""
        self.settings |= draw_rules(self.draw)
        await self.world.reload(self.settings)

    async def wait(self) -> None:
        """A little time passes."""
        await self.world.pass_time(self.draw.choice((1, 5, 20, 60, 150, 300)))

    async def wait_long(self) -> None:
        """More of it passes."""
        await self.world.pass_time(self.draw.choice((1_000, 2_500)))

    # ---- the end ----

    async def end(self) -> None:
        """Whoever waits is answered, everybody leaves, and nothing is left."""
        world = self.world
        await self.finish_asking()
        await world.settle()
        for service in world.services:  # what has begun has no deadline any more
            for asked in [asked for asked in service.pending.values() if asked.streams]:
                world.answer(service, asked, 200, b"", 1)
        await world.pass_time(world.deadline_ms + 2_500)
        for number, sent in world.sent.items():
            must(sent.answers or sent.is_abandoned, f"request {number} was answered 0 times")
        for peer in (*world.clients, *world.services):
            peer.close()
        await world.settle()
        await world.pass_time(1_000)
        left = left_of(world.gateway)
        must(not left, f"of exchanges is left: {left}")
        check_attempts(world)


def at_once(function: Callable[..., Any], *arguments: Any, **_: Any) -> Awaitable[Any]:
    """Do in this thread what would be done in another: threads take turns as they like."""

    async def call() -> Any:
        return function(*arguments)

    return call()
