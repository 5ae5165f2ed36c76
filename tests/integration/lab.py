"""A gateway on free ports of loopback, with its clients and services, all in one Trio run."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from lab_client import WAIT_S, Client, HttpAnswer
from lab_service import RawService

from penstock import Service
from penstock.settings.service import load_service
from proxy.config import load_gateway
from proxy.gateway.app import Addresses, Gateway
from proxy.process.running import open_listeners

POLL_S = 0.002
OPEN = {"identity_undeclared": "public", "workers": "0"}
"""Services of tests say who may ask them where that is what is tested; one process serves, where not more are."""


def environment(ports: Addresses | None = None, /, **settings: str) -> dict[str, str]:
    """Variables of a gateway. settings: such as ``edge_head_timeout="50ms"``; ports: those of an earlier gateway."""
    edge, services, admin = (port for _, port in ports) if ports else (0, 0, 0)
    listens = {"edge_listen": edge, "services_listen": services, "admin_listen": admin}
    given = {name: f"127.0.0.1:{port}" for name, port in listens.items()} | OPEN | settings
    return {f"PENSTOCK_{name.upper()}": value for name, value in given.items()}


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what becomes true in C, where no event of Trio's is set."""
    with trio.fail_after(WAIT_S):
        while not is_so():  # noqa: ASYNC110
            await trio.sleep(POLL_S)


async def run_service(
    nursery: trio.Nursery, addresses: Addresses, service: Service, **settings: str
) -> trio.CancelScope:
    """Run a service until the scope is cancelled. settings: such as ``instance="billing-1"``."""
    given = {f"PENSTOCK_{name.upper()}": value for name, value in settings.items()}
    loaded = load_service({"PENSTOCK_GATEWAYS": "tcp://{}:{}".format(*addresses.services), **given})
    scope = trio.CancelScope()

    async def run(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:  # noqa: ASYNC128 - serve does
        with scope:
            await service.serve(loaded.settings, task_status=task_status)

    with trio.fail_after(WAIT_S):
        await nursery.start(run)
    return scope


class Lab:
    """What one gateway is tested with. Clients and services that it made are closed in the end."""

    def __init__(self, nursery: trio.Nursery, gateway: Gateway, addresses: Addresses, scope: trio.CancelScope) -> None:
        self.nursery = nursery
        self.gateway = gateway
        self.addresses = addresses
        self.scope = scope
        self._closing: list[Client | RawService] = []
        self._services: list[trio.CancelScope] = []

    # ---- who talks to it ----

    async def client(self) -> Client:
        client = Client(await trio.open_tcp_stream(*self.addresses.edge))
        self._closing.append(client)
        return client

    async def admin(self, path: str, *lines: str, method: str = "GET") -> HttpAnswer:
        """Read a page of the admin listener, or post to it."""
        client = Client(await trio.open_tcp_stream(*self.addresses.admin))
        try:
            return await client.ask(method, path, "Connection: close", *lines)
        finally:
            await client.aclose()

    async def stranger(self) -> RawService:
        """A connection to the services port on which nothing was said yet."""
        service = RawService(await trio.open_tcp_stream(*self.addresses.services))
        self._closing.append(service)
        return service

    async def raw(self, *offers: str, **more: object) -> RawService:
        """A service that has joined."""
        service = await self.stranger()
        await service.join(*offers, **more)
        return service

    async def serve(self, service: Service, **settings: str) -> trio.CancelScope:
        """Run a real service until the scope is cancelled; it has joined."""
        self._services.append(await run_service(self.nursery, self.addresses, service, **settings))
        return self._services[-1]

    # ---- what it is like ----

    def count(self, name: str) -> int:
        """One of the wire's counters."""
        return self.gateway.wire.counters()[name]

    @property
    def reasons(self) -> dict[str, int]:
        """How often each reason was given; those that were not given are left out."""
        return {reason: count for reason, count in self.gateway.counts.items() if count}

    @property
    def health(self) -> dict[str, str]:
        """How each instance is."""
        return {instance.instance: instance.health.value for instance in self.gateway.registry.instances}

    async def pass_time(self, milliseconds: int) -> None:
        """Move the wire's clock ahead, and let it look at it."""
        closed = self.count("edge_closed")
        self.gateway.wire.advance_clock(milliseconds)
        await (await self.client()).aclose()
        await until(lambda: self.count("edge_closed") > closed)

    @property
    def left(self) -> dict[str, int]:
        """What there is of exchanges now: where nothing is asked, nothing of it may be left."""
        gateway = self.gateway
        counters, tasks = gateway.wire.counters(), gateway.tasks
        streams = tasks.open_streams()
        nursery = tasks._hand_over._nursery
        counts = {
            "exchanges": counters["exchanges_now"],
            "buffers": counters["buffers_now"],
            "handed over": counters["handed_over_now"],
            "in flight": sum(gateway.wire.in_flight),
            "streams": tasks.in_progress,
            "tasks": len(nursery.child_tasks) if nursery else 0,
            "bytes that windows grew by": streams._growth.held,
            "departures watched": len(tasks._hand_over.departures),
            "bytes held": gateway.bytes_in_flight.held,
            "parked": len(gateway.parking) if "parking" in gateway.__dict__ else 0,
            "ends that somebody waits for": len(gateway.lane.endings),
            "writers that wait for room": sum(map(len, streams.rooms._queues.values())),
        }
        return {name: count for name, count in counts.items() if count}

    async def census(self) -> None:
        """Nothing may be left of any exchange: everything that was begun has ended, and is forgotten."""
        with trio.move_on_after(WAIT_S) as waited:
            while self.left:  # noqa: ASYNC110
                await trio.sleep(POLL_S)
        assert not waited.cancelled_caught, (self.left, self.gateway.wire.counters())

    async def close(self) -> None:
        """Close all clients, look whether anything is left, then end the services and the gateway."""
        for one in self._closing:
            if isinstance(one, Client):
                await one.aclose()
        if not self.scope.cancel_called:
            await self.census()
        for scope in self._services:
            scope.cancel()
        self.scope.cancel()

    def abandon(self) -> None:
        """Close every socket, whatever has become of the test."""
        for one in self._closing:
            one.stream.socket.close()


@asynccontextmanager
async def open_lab(ports: Addresses | None = None, /, **settings: str) -> AsyncIterator[Lab]:
    """Run a gateway with these settings."""
    config = load_gateway(environment(ports, **settings)).settings
    listeners = open_listeners(config)
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        gateway = Gateway(config, "gw-1")

        async def run(task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:  # noqa: ASYNC128 - run does
            with scope:
                await gateway.run(listeners, task_status=task_status)

        lab = Lab(nursery, gateway, await nursery.start(run), scope)
        try:
            yield lab
            await lab.close()
        finally:
            lab.abandon()
        nursery.cancel_scope.cancel()
