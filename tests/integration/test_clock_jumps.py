"""The wall clock jumps while a gateway runs: what was begun goes on, what is measured is measured by another clock."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from lab_client import Client, HttpAnswer, request
from lab_service import RawService
from process_lab import GatewayProcess, gateway_process, metric, served
from wall_clock import WallClock

from frames.codec import encode_heartbeat
from frames.frame import FrameType, HealthStatus
from proxy.policy.identity.api_keys import MadeKey, make_key

pytestmark = pytest.mark.slow

DAY_S = 86_400
JUMPS = [10 * 365 * DAY_S, 3600, -1, -20 * 365 * DAY_S, 0]
"""Seconds ahead of the machine's clock, one after the other."""
OFFERS = ("GET /things", "GET /private", "GET /cached", "GET /limited")
RULES = json.dumps(
    [
        {"path": "/private", "access": "authenticated"},
        {"path": "/cached", "cache": {"ttl": "1h", "ttl_max": "1h"}},
        {"path": "/limited", "rate_limits": ["1/31d by route"]},
    ]
)


class World:
    """A gateway whose clock is moved, a service, a client and an operator."""

    def __init__(self, clock: WallClock, gateway: GatewayProcess, keys: tuple[MadeKey, ...], log: Path) -> None:
        self.clock = clock
        self.gateway = gateway
        self.keys = keys
        self.log = log
        self.service: RawService
        self.client: Client
        self.operator: Client

    async def ask(self, path: str, *lines: str) -> HttpAnswer:
        await self.client.send(request("GET", path, *lines))
        await self.service.respond(await self.service.asked(), body=b"served")
        return await self.client.answer()


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    clock, keys, log = WallClock(folder), (make_key(), make_key()), folder / "log"
    with log.open("wb") as file:
        async with gateway_process(
            file.fileno(), variables=clock.variables, rules=RULES, identity_api_keys=_entries(keys)
        ) as gateway:
            world = World(clock, gateway, keys, log)
            world.service, world.client = await gateway.service(*OFFERS), await gateway.client()
            world.operator = await gateway.operator()
            yield world


def _entries(keys: tuple[MadeKey, ...]) -> str:
    """What the settings say of these keys: they hold for a day."""
    expires = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    return json.dumps([{"principal": "alice", "hash": key.hash, "expires": expires} for key in keys])


async def test_traffic_goes_on(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        for jump in JUMPS:
            await world.client.send(request("GET", "/things"))
            asked = await world.service.asked()
            world.clock.move(jump)  # while it is with its service: its deadline is measured by another clock
            await world.service.send(FrameType.HEARTBEAT, encode_heartbeat(HealthStatus.HEALTHY))
            await world.service.respond(asked, body=b"served")
            assert (await world.client.answer()).status == 200
            assert (await served(world.client, world.service)).status == 200
            instances = (await world.operator.get("/services")).json()["services"]
            assert [instance["health"] for instance in instances] == ["healthy"]
            assert (await world.operator.get("/ready")).status == 200
            assert await metric(world.operator, "penstock_service_removals_total") == 0
        assert await world.gateway.end() == 0


async def test_what_is_dated_follows(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        for jump in JUMPS:
            world.clock.move(jump)
            now = datetime.now(UTC) + timedelta(seconds=jump)
            dated = parsedate_to_datetime((await world.client.get("/nowhere")).headers[b"date"].decode())
            assert abs((dated - now).total_seconds()) < 60
            report = (await world.operator.ask("POST", "/reload")).json()
            assert abs(report["at"] - now.timestamp()) < 60
        assert await world.gateway.end() == 0
        years = [json.loads(line)["time"][:4] for line in world.log.read_text().splitlines() if "POST /reload" in line]
        assert years == [str((datetime.now(UTC) + timedelta(seconds=jump)).year) for jump in JUMPS]


async def test_a_key_that_expires_does_so_by_the_wall_clock(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        first, second = (f"X-Api-Key: {key.key}" for key in world.keys)
        assert (await world.ask("/private", first)).status == 200
        assert (await world.ask("/private", second)).status == 200
        world.clock.move(2 * DAY_S)
        assert (await world.client.get("/private", first)).status == 401
        world.clock.move(-2 * DAY_S)
        assert (await world.ask("/private", second)).status == 200  # the first is remembered as expired for ten seconds


async def test_what_is_kept_and_counted_is_so_by_the_clock_that_only_rises(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        assert (await world.ask("/cached")).status == 200
        assert (await world.ask("/limited")).status == 200
        for jump in JUMPS:
            world.clock.move(jump)
            cached = await world.client.get("/cached")
            assert (cached.status, cached.body) == (200, b"served")  # the service was not asked
            assert int(cached.headers[b"age"]) < 60
            limited = await world.client.get("/limited")
            assert limited.status == 429
            assert int(limited.headers[b"retry-after"]) > 30 * DAY_S
