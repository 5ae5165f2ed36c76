"""The pool of dialled connections, through a whole gateway: who is asked, who waits, who sleeps, and who is let go."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_client import Client, HttpAnswer, request
from lab_service import Asked, RawService
from msgspec.structs import replace

from penstock.settings import Address, SettingsError
from proxy.config import GatewayConfig, load_gateway
from proxy.gateway.bounds import pool_limits
from proxy.pooled import PoolStatistics


class Place:
    """An address where a service listens, and the gateways' connections that it has accepted."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self.listener = listener
        self.address = Address(*listener.socket.getsockname())
        self.accepted: list[RawService] = []

    async def accept(self, *offers: str, **more: object) -> RawService:
        """Accept one more connection, and say HELLO there."""
        service = RawService(await self.listener.accept())
        self.accepted.append(service)
        await service.join(*(offers or ("GET /things",)), **more)
        return service


class PoolLab:
    """A gateway that dials some places."""

    def __init__(self, lab: Lab, places: list[Place]) -> None:
        self.lab, self.places = lab, places

    @property
    def told(self) -> PoolStatistics:
        told = self.lab.gateway.pooling.statistics
        assert told is not None
        return told

    def dial(self, *places: Place, **pool: Any) -> None:
        """Dial these places from now on, with other settings of the pool."""
        config: GatewayConfig = self.lab.gateway.configured.config
        services = replace(config.services, dial=tuple(place.address for place in places))
        config = replace(config, services=services, pool=replace(config.pool, **pool))
        self.lab.gateway.configured.config = config
        self.lab.gateway.pooling.change(config)

    def pass_time(self, seconds: float) -> None:
        """Let the pool think that its connections are older by so much, and were not used since."""
        pool = self.lab.gateway.pooling._pool
        assert pool is not None
        for connection in pool._connections.values():
            connection.idle_since -= seconds
            connection.seen = connection.used
            connection.ends_at -= seconds


@asynccontextmanager
async def open_pool(count: int = 1, **settings: str) -> AsyncIterator[PoolLab]:
    async with open_lab(**settings) as lab:
        places = [Place((await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]) for _ in range(count)]
        try:
            yield PoolLab(lab, places)
        finally:
            for place in places:
                for service in place.accepted:
                    service.stream.socket.close()
                await place.listener.aclose()


async def ask(lab: Lab, path: str = "/things", *lines: str) -> Client:
    client = await lab.client()
    await client.send(request("GET", path, *lines))
    return client


async def answered(service: RawService, client: Client, body: bytes = b"here") -> HttpAnswer:
    """The service answers the next request, which is the client's."""
    await service.respond(await service.asked(), body=body)
    return await client.answer()


async def answer_all(service: RawService, after: Callable[[], Any] = lambda: None) -> None:
    """Answer whatever comes, until the connection ends."""
    while True:
        asked: Asked = await service.asked()
        await service.respond(asked, body=b"here")


async def test_more_in_flight_gets_more_connections_and_less_gets_fewer() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place, grow_at=1, per_target=2)
        first = await place.accept()
        one = await ask(pool.lab)
        held = await first.asked()
        two = await ask(pool.lab)  # goes by the first: there is no other yet, and one is dialled
        second = await place.accept()
        await until(lambda: pool.told.connections == 2)
        three = await ask(pool.lab)
        assert (await answered(second, three)).body == b"here"
        await first.respond(held, body=b"one")
        assert (await one.answer()).body == b"one"
        assert (await answered(first, two)).body == b"here"
        pool.pass_time(61)
        await until(lambda: pool.told.evictions["idle"] == 1)
        await until(lambda: pool.told.connections == 1)
        assert pool.lab.health == {"raw-1": "healthy"}


async def test_who_finds_no_room_waits_in_line_and_is_answered() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place, grow_at=1, in_flight=1, per_target=1)
        service = await place.accept()
        clients = [await ask(pool.lab)]
        asked = await service.asked()
        for count in (1, 2, 3):
            clients.append(await ask(pool.lab))
            await until(lambda count=count: pool.told.waiting == count)  # type: ignore[misc]
        await clients[2].aclose()  # gives up
        await until(lambda: pool.told.waiting == 2)
        for client in (clients[0], clients[1], clients[3]):
            assert sum(pool.lab.gateway.wire.in_flight) == 1, "never more than one at once"
            await service.respond(asked, body=b"here")
            assert (await client.answer()).body == b"here"
            if client is not clients[3]:
                asked = await service.asked()
        assert pool.told[4:7] == (1, 3, 2)
        await until(lambda: pool.lab.gateway.wire.on_turn == [])


async def test_who_waits_too_long_is_told_so_and_who_finds_the_line_full_at_once() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place, grow_at=1, in_flight=1, per_target=1, waiting=1)
        service = await place.accept()
        busy = await ask(pool.lab)
        asked = await service.asked()
        late = await ask(pool.lab, "/things", "X-Request-Timeout-Ms: 5000")
        await until(lambda: pool.told.waiting == 1)
        full = await (await ask(pool.lab)).answer()
        assert (full.status, full.json()["reason"]) == (503, "connect_line_full")
        await pool.lab.pass_time(5_001)
        assert (await late.answer()).json()["reason"] == "deadline"
        assert pool.told.waiting == 0
        await service.respond(asked, body=b"here")
        assert (await busy.answer()).status == 200
        assert pool.lab.reasons == {"connect_line_full": 1, "deadline": 1}
        assert pool.told.refusals["full"] == 1


async def test_a_dormant_service_is_dialled_when_it_is_asked_and_the_request_waits_for_it() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place, warm=0)
        first = await place.accept()
        assert (await answered(first, await ask(pool.lab))).status == 200
        pool.pass_time(61)
        await until(lambda: pool.told.connections == 0)
        assert pool.told.dormant == 1
        assert pool.lab.health == {"raw-1": "healthy"}
        clients = [await ask(pool.lab) for _ in range(3)]
        second = await place.accept()
        for client in clients:
            assert (await answered(second, client)).body == b"here"
        assert (pool.told.dormant, pool.told.dials) == (0, 2), "one dial for all of them"
        assert (await answered(second, await ask(pool.lab))).status == 200


async def test_a_dormant_service_that_has_gone_is_told_of_and_forgotten() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place, warm=0)
        first = await place.accept()
        await until(lambda: pool.lab.health == {"raw-1": "healthy"})
        pool.pass_time(61)
        await until(lambda: pool.told.connections == 0)
        await place.listener.aclose()
        await first.aclose()
        answer = await (await ask(pool.lab)).answer()
        assert (answer.status, answer.json()["reason"]) == (503, "connect_failed")
        await until(lambda: not pool.lab.health)


async def test_a_body_that_a_task_gathers_waits_in_its_task() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place, warm=0)
        await place.accept("POST /things")
        await until(lambda: pool.lab.health == {"raw-1": "healthy"})
        pool.pass_time(61)
        await until(lambda: pool.told.connections == 0)
        client = await pool.lab.client()
        head = b"POST /things HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.send(head + b"3\r\nabc\r\n0\r\n\r\n")
        second = await place.accept("POST /things")
        asked = await second.asked()
        assert asked.body == b"abc"
        await second.respond(asked, body=b"here")
        assert (await client.answer()).body == b"here"


async def test_who_waits_in_vain_goes_to_another_instance() -> None:
    async with open_pool(2) as pool:
        sleeping, other = pool.places
        pool.dial(*pool.places, warm=0)
        await sleeping.accept(instance="a")
        awake = await other.accept(instance="b")
        await until(lambda: len(pool.lab.health) == 2)
        pool.pass_time(61)
        await until(lambda: pool.told.connections == 0)
        await sleeping.listener.aclose()
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                await answer_all(await other.accept(instance="b"))

            nursery.start_soon(serve)
            for _ in range(20):
                assert (await (await ask(pool.lab)).answer()).status == 200
            nursery.cancel_scope.cancel()
        await awake.aclose()


async def test_an_old_connection_is_replaced_before_it_goes() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place)
        first = await place.accept()
        busy = await ask(pool.lab)
        asked = await first.asked()
        pool.pass_time(331)
        second = await place.accept()
        await until(lambda: pool.told.evictions["age"] == 1)
        assert (await answered(second, await ask(pool.lab))).status == 200
        await first.respond(asked, body=b"ends well")
        assert (await busy.answer()).body == b"ends well"
        await until(lambda: pool.told.connections == 1)
        assert pool.lab.reasons == {}


async def test_a_silent_connection_is_not_chosen_and_another_is_dialled(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_pool(services_heartbeat="100ms") as pool:
        (place,) = pool.places
        pool.dial(place, silent_after_ms=300)
        await place.accept(heartbeat_ms=100)
        second = await place.accept(heartbeat_ms=100)
        assert (await answered(second, await ask(pool.lab))).status == 200
        assert pool.told.evictions["silent"] >= 1


async def connection_told(lab: Lab) -> list[str]:
    """What explain says of the connections."""
    told = (await lab.admin("/explain?method=GET&target=/things")).json()
    return [line["text"] for step in told["steps"] if step["name"] == "connection" for line in step["lines"]]


async def test_explain_tells_of_connections_and_takes_none() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place, warm=0, grow_at=1, in_flight=1, per_target=1)
        service = await place.accept()
        await until(lambda: pool.lab.health == {"raw-1": "healthy"})
        assert await connection_told(pool.lab) == [f"1 of at most 1 to {place.address}"]
        clients = [await ask(pool.lab) for _ in range(2)]
        await until(lambda: pool.told.waiting == 1)
        assert await connection_told(pool.lab) == [f"1 of at most 1 to {place.address}", "1 wait for one of them"]
        (row,) = (await pool.lab.admin("/services")).json()["services"]
        assert (row["connections"], row["in_flight"], row["why"]) == (1, 1, "")
        for client in clients:
            await answered(service, client)
        pool.pass_time(61)
        await until(lambda: pool.told.connections == 0)
        assert await connection_told(pool.lab) == ["none now: it is dialled first"]
        (row,) = (await pool.lab.admin("/services")).json()["services"]
        assert (row["connections"], row["in_flight"], row["health"]) == (0, 0, "healthy")
        assert row["why"] == "it has no connection now, and is dialled when somebody asks"
        assert pool.told.dials == 1


async def test_the_settings_of_the_pool_take_effect_on_a_reload() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place)
        service = await place.accept()
        await until(lambda: pool.lab.health == {"raw-1": "healthy"})
        changed = environment(services_dial=f"[{place.address}]", pool_in_flight="1", pool_grow_at="1")
        changed |= {"PENSTOCK_POOL_PER_TARGET": "1", "PENSTOCK_POOL_CONNECT_TIMEOUT": "2s"}
        await pool.lab.gateway.change(load_gateway(changed).settings)
        clients = [await ask(pool.lab) for _ in range(2)]
        await until(lambda: pool.told.waiting == 1)
        for client in clients:
            assert (await answered(service, client)).status == 200
        assert pool.told.dials == 1, "the connection of before stays"
        wrong = load_gateway(
            changed | {"PENSTOCK_SERVICES_DIAL": "['tls://a.test:1']", "PENSTOCK_DIAL_TLS_CA": "/none"}
        )
        with pytest.raises(SettingsError, match=r"dial_tls\.ca"):
            await pool.lab.gateway.change(wrong.settings)
        assert (await answered(service, await ask(pool.lab))).status == 200


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"POOL_WARM": "5"}, "5 is more than pool.per_target, 4"),
        ({"POOL_PER_TARGET": "9", "POOL_CONNECTIONS": "8"}, "9 is more than pool.connections, 8"),
        ({"POOL_GROW_AT": "9", "POOL_IN_FLIGHT": "8"}, "none would be dialled before requests wait"),
        ({"POOL_SILENT_AFTER": "14s"}, "less than 3 heartbeats"),
        ({"POOL_CONNECTIONS": "1", "SERVICES_DIAL": "['a.test:1', 'b.test:1']"}, "2 services with 1 warm"),
        ({"POOL_AGE_JITTER": "60%"}, "pool.age_jitter"),
        ({"POOL_WAITING": "-1"}, "pool.waiting"),
    ],
)
def test_settings_of_the_pool_that_are_wrong_say_so(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load_gateway({f"PENSTOCK_{name}": value for name, value in settings.items()})


def test_what_nobody_set_follows_what_it_is_under() -> None:
    config = load_gateway({"PENSTOCK_POOL_CONNECTIONS": "2", "PENSTOCK_POOL_IN_FLIGHT": "5"}).settings
    limits = pool_limits(config)
    assert (limits.connections, limits.per_target, limits.grow_at, limits.in_flight_max) == (2, 2, 5, 5)


async def test_a_connection_that_breaks_costs_what_was_in_flight_and_nothing_else() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place)
        first = await place.accept("POST /things")
        client = await pool.lab.client()
        await client.send(request("POST", "/things", body=b"once"))
        await first.asked()
        await first.aclose()
        assert (await client.answer()).json()["reason"] == "service_lost"
        clients = [await pool.lab.client() for _ in range(3)]
        for client in clients:
            await client.send(request("POST", "/things", body=b"x"))
        await until(lambda: pool.told.waiting == 3)
        second = await place.accept("POST /things")
        for client in clients:
            assert (await answered(second, client)).status == 200
        assert pool.lab.reasons == {"service_lost": 1}


async def counted(pool: PoolLab) -> list[tuple[int, int]]:
    """Good responses and measured times of each instance, as /metrics has them."""
    figures = await pool.lab.gateway.overview.figures()
    return [(one.statuses[2], one.latency.within[-1] if one.latency else 0) for one in figures.instances]


async def test_what_an_instance_has_counted_does_not_fall_when_its_connections_go() -> None:
    async with open_pool() as pool:
        (place,) = pool.places
        pool.dial(place, warm=0)
        first = await place.accept()
        busy = await ask(pool.lab)
        asked = await first.asked()
        pool.pass_time(331)
        second = await place.accept()
        await until(lambda: pool.told.evictions["age"] == 1)
        assert (await answered(second, await ask(pool.lab))).status == 200
        await first.respond(asked)
        assert (await busy.answer()).status == 200
        assert await counted(pool) == [(2, 2)], "the first answers still, though nobody is sent there any more"
        await until(lambda: pool.told.connections == 1)
        assert await counted(pool) == [(2, 2)]
        pool.pass_time(61)
        await until(lambda: pool.told.connections == 0)
        assert await counted(pool) == [(2, 2)], "it sleeps"
        client = await ask(pool.lab)
        third = await place.accept()
        assert (await answered(third, client)).status == 200
        assert await counted(pool) == [(3, 3)], "by a slot that the wire has used before, or not"
