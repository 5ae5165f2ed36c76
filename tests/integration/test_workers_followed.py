"""Services that follow the workers of a gateway: several gateways in one process play them, and are told of each other
as a supervisor would tell them. Workers come, go and die under load."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import h11
import pytest
import trio
from lab import Lab, open_lab, run_service, until
from lab_client import WAIT_S, Client

from frames.greeting import WorkerPlace
from penstock import Call, Service

SETTINGS = {"rules": "[{retries: none}]", "services_calls": "[{from: orders, to: billing}]", "drain_timeout": "5s"}
BILLING_B = ("billing", "billing-b")
INSTANCES = {("billing", "billing-a"), BILLING_B, ("orders", "orders-a")}
DRAIN_S = 5.0
CLIENTS = 8


class Worker(NamedTuple):
    """One gateway, as a supervisor knows it."""

    id: str
    lab: Lab
    end: trio.Event
    ended: trio.Event

    @property
    def place(self) -> WorkerPlace:
        return WorkerPlace(id=self.id, port=self.lab.addresses.services[1])

    @property
    def instances(self) -> set[tuple[str, str]]:
        return {(each.service, each.instance) for each in self.lab.gateway.registry.instances}


class Fleet:
    """Plays the supervisor. What is drawn from the seed: who goes when, and in which order they are told."""

    def __init__(self, nursery: trio.Nursery, seed: int = 0) -> None:
        self.nursery = nursery
        self.draw = random.Random(seed)
        self.workers: list[Worker] = []
        """Those that serve clients."""
        self.finishing: list[Worker] = []
        self._generations: Counter[int] = Counter()

    async def start(self, slot: int) -> Worker:
        self._generations[slot] += 1
        worker_id, end, ended = f"{slot}.{self._generations[slot]}", trio.Event(), trio.Event()

        async def run(task_status: trio.TaskStatus[Lab]) -> None:
            async with open_lab(**SETTINGS) as lab:
                task_status.started(lab)
                await end.wait()
            ended.set()

        return Worker(worker_id, await self.nursery.start(run), end, ended)

    async def tell(self, workers: list[Worker], also: list[Worker]) -> None:
        """Tell them, and those that are not in the list, in any order, and some later than others."""
        told = [*workers, *also]
        self.draw.shuffle(told)
        for worker in told:
            worker.lab.gateway.change_workers(worker.id, [each.place for each in workers])
            await trio.sleep(self.draw.choice((0, 0, 0.002, 0.02)))

    async def begin(self, count: int) -> None:
        self.workers = [await self.start(slot) for slot in range(count)]
        await self.tell(self.workers, [])

    async def all_know(self, workers: list[Worker], instances: set[tuple[str, str]] = INSTANCES) -> None:
        with trio.fail_after(WAIT_S):
            for worker in workers:
                while not instances <= worker.instances:  # noqa: ASYNC110
                    await trio.sleep(0.005)

    async def replace(self, old: Worker) -> Worker:
        """As a supervisor does: the new one has all services before it gets clients, and before the old one stops."""
        new = await self.start(int(old.id[0]))
        staying = [worker for worker in self.workers if worker is not old]
        await self.tell([*staying, new], [old])
        await self.all_know([new])
        self.workers = [*staying, new]
        self.nursery.start_soon(self.finish, old)
        return new

    async def finish(self, old: Worker) -> None:
        self.finishing.append(old)
        await old.lab.gateway.drain(DRAIN_S, spread_s=0.1)
        self.finishing.remove(old)
        old.lab.scope.cancel()
        old.end.set()

    async def die(self, slot: int) -> None:
        """A worker is gone from one moment to the next, and another one takes its place."""
        old = next(worker for worker in self.workers if worker.id.startswith(f"{slot}."))
        self.workers.remove(old)
        old.lab.scope.cancel()
        old.end.set()
        new = await self.start(slot)
        await self.tell([*self.workers, new], [])
        await self.all_know([new])
        self.workers.append(new)

    async def close(self) -> None:
        for worker in self.workers:
            worker.lab.scope.cancel()
            worker.end.set()


def make_billing() -> Service:
    billing = Service("billing", version="1.0.0", access="public")

    @billing.get("/now/{number}")
    def now(call: Call, number: str) -> Any:
        return {"number": number}

    @billing.get("/later/{number}")
    async def later(call: Call, number: str) -> Any:
        await trio.sleep(0.005)
        return {"number": number}

    return billing


def make_orders() -> Service:
    orders = Service("orders", version="1.0.0", access="public")

    @orders.get("/orders/{number}")
    async def order(call: Call, number: str) -> Any:
        reply = await call.ask("billing", "GET", f"/later/{number}")
        return {"number": reply.json()["number"]}

    return orders


@pytest.fixture
async def fleet(nursery: trio.Nursery) -> AsyncIterator[Fleet]:
    fleet = Fleet(nursery)
    yield fleet
    await fleet.close()


async def join(fleet: Fleet, nursery: trio.Nursery) -> list[trio.CancelScope]:
    """Run the services, which know one worker only, each another one."""
    services = ((make_billing(), "billing-a"), (make_billing(), "billing-b"), (make_orders(), "orders-a"))
    return [
        await run_service(nursery, fleet.workers[at % len(fleet.workers)].lab.addresses, service, instance=instance)
        for at, (service, instance) in enumerate(services)
    ]


class Load:
    """Clients that ask until told to stop, each over a connection to a worker that serves."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.fleet = fleet
        self.draw = random.Random(seed)
        self.statuses: Counter[int] = Counter()
        self.by_worker: Counter[str] = Counter()
        self.ended = 0
        """Connections that ended without an answer to what was asked last: it crossed their end, and is asked again."""
        self.stop = trio.Event()

    async def client(self) -> None:
        while not self.stop.is_set():
            worker = self.draw.choice(self.fleet.workers)
            try:
                await self._ask_over(worker)
            except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError):
                self.ended += 1

    async def _ask_over(self, worker: Worker) -> None:
        client = Client(await trio.open_tcp_stream(*worker.lab.addresses.edge))
        try:
            for _ in range(self.draw.randint(1, 30)):
                number = self.draw.randrange(1_000_000)
                path = self.draw.choice(("now", "later", "orders"))
                answer = await client.get(f"/{path}/{number}")
                self.statuses[answer.status] += 1
                self.by_worker[worker.id] += 1
                if answer.status == 200:
                    assert answer.json()["number"] == str(number)
                if answer.headers.get(b"connection") == b"close" or self.stop.is_set():
                    return
        finally:
            await client.aclose()


async def with_load(fleet: Fleet, seed: int, change: Callable[[], Any]) -> Load:
    load = Load(fleet, seed)
    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(load.client)
        await trio.sleep(0.05)
        await change()
        await trio.sleep(0.05)
        load.stop.set()
    return load


async def test_services_that_know_one_worker_are_reached_through_all(fleet: Fleet, nursery: trio.Nursery) -> None:
    await fleet.begin(3)
    await join(fleet, nursery)
    await fleet.all_know(fleet.workers)
    for worker in fleet.workers:
        client = await worker.lab.client()
        assert (await client.get("/now/7")).json() == {"number": "7"}
        assert (await client.get("/orders/8")).json() == {"number": "8"}
        assert len(worker.lab.gateway.registry.instances) == len(INSTANCES)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_call_is_lost_while_each_worker_is_replaced(fleet: Fleet, nursery: trio.Nursery, seed: int) -> None:
    fleet.draw.seed(seed)
    await fleet.begin(2)
    await join(fleet, nursery)
    await fleet.all_know(fleet.workers)

    async def replace_all() -> None:
        for _ in range(6):
            await fleet.replace(fleet.draw.choice(fleet.workers))
        await until(lambda: not fleet.finishing)

    load = await with_load(fleet, seed, replace_all)
    assert set(load.statuses) == {200}, load.statuses
    assert load.ended <= 6 * CLIENTS
    assert len(load.by_worker) >= 6
    assert sum(load.statuses.values()) > 100


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_worker_that_dies_takes_only_what_was_its_own_and_the_others_never_miss_a_service(
    fleet: Fleet, nursery: trio.Nursery, seed: int
) -> None:
    fleet.draw.seed(seed)
    await fleet.begin(3)
    await join(fleet, nursery)
    await fleet.all_know(fleet.workers)
    steady = fleet.workers[0]
    missing: list[str] = []

    async def watch() -> None:
        while True:
            if not steady.instances >= INSTANCES:
                missing.append(f"{INSTANCES - steady.instances}")
            await trio.sleep(0.002)

    async def die_often() -> None:
        for _ in range(4):
            await fleet.die(fleet.draw.choice((1, 2)))

    nursery.start_soon(watch)
    load = await with_load(fleet, seed, die_often)
    assert set(load.statuses) == {200}, load.statuses
    assert load.ended <= 4 * CLIENTS  # those that were connected to who died
    assert not missing


async def test_a_service_finds_the_gateway_anew_when_all_its_workers_have_gone(
    fleet: Fleet, nursery: trio.Nursery
) -> None:
    await fleet.begin(2)
    await join(fleet, nursery)
    await fleet.all_know(fleet.workers)
    ports, gone = fleet.workers[0].lab.addresses, fleet.workers
    fleet.workers = []
    for worker in gone:
        worker.lab.scope.cancel()
        worker.end.set()
    for worker in gone:
        await worker.ended.wait()
    async with open_lab(ports, **SETTINGS) as lab:  # a gateway of one process, at the address that it was at first
        known = lab.gateway.registry
        await until(lambda: {(each.service, each.instance) for each in known.instances} >= INSTANCES - {BILLING_B})
        assert (await (await lab.client()).get("/now/7")).status == 200
