"""Dialled services that come and go under load, with a pool that has hardly any room: every request has one answer, no
place is left behind, and what the pool may have is never exceeded."""

import random
from collections import Counter

import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_client import Client, request
from lab_service import RawService

from proxy.config import load_gateway

CLIENTS, REQUESTS = 24, 8
SETTINGS = {"pool_connections": "5", "pool_per_target": "2", "pool_in_flight": "2", "pool_grow_at": "1"}
ALLOWED = {200, 502, 503, 504}


class Flaky:
    """A service that listens, answers late or at once, and now and then ends a connection in the middle of it."""

    def __init__(self, name: str, listener: trio.SocketListener, rand: random.Random) -> None:
        self.name, self.listener, self.rand = name, listener, rand
        self.answered = 0

    async def run(self) -> None:
        with self.listener.socket:
            async with trio.open_nursery() as nursery:
                while True:
                    nursery.start_soon(self.serve, RawService(await self.listener.accept()))

    async def serve(self, service: RawService) -> None:
        try:
            if self.rand.random() < 0.1:
                return  # before HELLO
            await service.join("GET /things", instance=self.name)
            for _ in range(self.rand.randint(1, 40)):
                asked = await service.asked()
                await trio.sleep(self.rand.choice((0, 0, 0.001, 0.005)))
                await service.respond(asked, body=b"here")
                self.answered += 1
        except (AssertionError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            pass  # the gateway has ended it: it was replaced, or was not used
        finally:
            service.stream.socket.close()


async def ask_often(lab: Lab, seed: int, statuses: Counter[int]) -> None:
    """Ask again and again; leave without waiting for the answer now and then."""
    rand = random.Random(seed)
    client: Client | None = None
    for _ in range(REQUESTS):
        client = client or await lab.client()
        patience_ms = rand.choice((30, 500, 3_000))
        await client.send(request("GET", "/things", f"X-Request-Timeout-Ms: {patience_ms}"))
        if rand.random() < 0.1:
            await client.aclose()
            client = None
            statuses[0] += 1
            continue
        answer = await client.answer()
        statuses[answer.status] += 1
        if answer.headers.get(b"connection") == b"close":
            await client.aclose()
            client = None


@pytest.mark.parametrize(("seed", "warm"), [(1, "0"), (2, "1"), (3, "1")])
async def test_services_that_come_and_go(seed: int, warm: str) -> None:
    rand = random.Random(seed)
    async with open_lab(pool_warm=warm, **SETTINGS) as lab, trio.open_nursery() as nursery:
        services = []
        for number in range(3):
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            services.append(Flaky(f"s{number}", listener, rand))
            nursery.start_soon(services[-1].run)
        dial = ", ".join(f"127.0.0.1:{service.listener.socket.getsockname()[1]}" for service in services)
        config = load_gateway(environment(services_dial=f"[{dial}]", pool_warm=warm, **SETTINGS)).settings
        await lab.gateway.change(config)
        await until(lambda: bool(lab.health))
        pool = lab.gateway.pooling._pool
        assert pool is not None
        statuses: Counter[int] = Counter()
        async with trio.open_nursery() as clients:
            for number in range(CLIENTS):
                clients.start_soon(ask_often, lab, seed * 1000 + number, statuses)
            for _ in range(40):
                await trio.sleep(0.01)
                assert len(pool) <= 5
                for connection in pool._connections.values():
                    assert lab.gateway.wire.in_flight[connection.slot] <= 2
        assert statuses.total() == CLIENTS * REQUESTS
        assert statuses.keys() - {0} <= ALLOWED | {404}  # where all have been looked for in vain
        assert statuses[200] > 0
        await until(lambda: not pool.is_waited_for and not pool._lines._given)
        await until(lambda: "parked=0 in_tasks=0" in repr(lab.gateway.pooling._connecting))
        await until(lambda: lab.gateway.wire.on_turn == [])
        assert len(lab.gateway.parking) == 0
        nursery.cancel_scope.cancel()
