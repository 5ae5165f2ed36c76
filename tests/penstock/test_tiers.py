"""Gateways by priority: a table of what is dialled and left when, and the same with a clock that jumps."""

import math
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from penstock.dial import GatewayAddress
from penstock.settings.address import Gateway
from penstock.tiers import TierDialling, Tiers

INF = math.inf


@pytest.mark.parametrize(
    ("story", "dial_at", "leave_at"),
    [
        # (what happens, at which second) ..., then from when on each tier is dialled, and left
        ([], (-INF, 5, 5), (INF, INF, INF)),
        ([("opened", 0, 1)], (-INF, INF, INF), (INF, 6, 6)),
        ([("opened", 0, 1), ("closed", 0, 9)], (-INF, 14, 14), (INF, INF, INF)),
        ([("opened", 0, 1), ("opened", 0, 2), ("closed", 0, 9)], (-INF, INF, INF), (INF, 6, 6)),
        ([("opened", 1, 7)], (-INF, 5, INF), (INF, INF, 12)),
        ([("opened", 1, 7), ("closed", 1, 8)], (-INF, 5, 13), (INF, INF, INF)),
        ([("opened", 1, 7), ("opened", 0, 20)], (-INF, INF, INF), (INF, 25, 12)),
        ([("opened", 0, 1), ("closed", 0, 9), ("opened", 0, 10), ("closed", 0, 11)], (-INF, 16, 16), (INF, INF, INF)),
        ([("opened", 2, 7), ("opened", 1, 20), ("closed", 2, 26)], (-INF, 5, INF), (INF, INF, 25)),
    ],
)
def test_when_each_tier_is_dialled_and_left(
    story: list[tuple[str, int, float]], dial_at: tuple[float, ...], leave_at: tuple[float, ...]
) -> None:
    tiers = Tiers(3, grace_s=5, now=0)
    for what, tier, at in story:
        getattr(tiers, what)(tier, at)
    assert tuple(tiers.dial_at(tier) for tier in range(3)) == dial_at
    assert tuple(tiers.leave_at(tier) for tier in range(3)) == leave_at


class World:
    """Gateways that are up or down by a timetable; diallers that find them at once; a transcript in whole seconds."""

    def __init__(self, **down: list[tuple[float, float]]) -> None:
        self.down = down
        self.lines: list[tuple[int, str]] = []

    def is_up(self, host: str) -> bool:
        return not any(begin <= trio.current_time() - self.began < end for begin, end in self.down.get(host, []))

    def say(self, what: str) -> None:
        self.lines.append((round(trio.current_time() - self.began), what))

    def make_dialler(self, address: GatewayAddress, work: Callable[[str], Awaitable[None]]) -> "FakeDialler":
        return FakeDialler(self, address.host, work)

    async def work(self, host: str) -> None:
        """Hold a link for as long as its gateway is up."""
        self.say(f"{host} connected")
        try:
            while self.is_up(host):  # noqa: ASYNC110
                await trio.sleep(0.1)
            self.say(f"{host} lost")
        except trio.Cancelled:
            self.say(f"{host} closed")
            raise

    async def leave(self, host: str) -> None:
        self.say(f"{host} drains")
        await trio.sleep(2)

    async def run(self, seconds: float, *gateways: Gateway) -> list[tuple[int, str]]:
        self.began = trio.current_time()
        with trio.move_on_after(seconds - 0.05):
            dialling = TierDialling(gateways, self.make_dialler, self.work, self.leave)  # type: ignore[arg-type]
            await dialling.run()
            self.say("over")
        return [line for line in self.lines if line[0] < seconds]


class FakeDialler:
    def __init__(self, world: World, host: str, work: Callable[[str], Awaitable[None]]) -> None:
        self.world, self.host, self.work = world, host, work

    async def run(self) -> None:
        while True:
            if self.host.startswith("refuses"):
                self.world.say(f"{self.host} will not have us")
                return
            if self.world.is_up(self.host):
                await self.work(self.host)
            await trio.sleep(0.1)


BEST, ALSO, BACKUP, LAST = Gateway("best", 1), Gateway("also", 1), Gateway("backup", 1, 1), Gateway("last", 1, 7)


async def test_all_of_the_best_priority_are_held_and_no_others(autojump_clock: MockClock) -> None:
    lines = await World().run(60, BEST, ALSO, BACKUP)
    assert sorted(lines) == [(0, "also connected"), (0, "best connected")]


async def test_the_next_priority_helps_while_none_of_a_better_one_is_there(autojump_clock: MockClock) -> None:
    lines = await World(best=[(10, 30)], also=[(12, 60)]).run(50, BEST, ALSO, BACKUP)
    assert sorted(lines)[2:] == [
        (10, "best lost"),
        (12, "also lost"),
        (17, "backup connected"),  # 5 s after the last of the best
        (30, "best connected"),
        (35, "backup drains"),  # 5 s after the first of them
        (37, "backup closed"),
    ]


async def test_a_gateway_that_comes_and_goes_moves_nobody(autojump_clock: MockClock) -> None:
    short = await World(best=[(10, 13), (14, 17), (18, 21)]).run(40, BEST, BACKUP)
    assert not [line for line in short if "backup" in line[1]]
    flapping = [(10.0, 20.0), (23.0, 26.0), (29.0, 32.0)]
    long = await World(best=flapping).run(36, BEST, BACKUP)
    assert [line for line in long if "backup" in line[1]] == [(15, "backup connected")]


async def test_the_third_priority_waits_for_both_and_leaves_for_either(autojump_clock: MockClock) -> None:
    lines = await World(best=[(0, 90)], backup=[(0, 20)]).run(40, BEST, BACKUP, LAST)
    assert [line for line in lines if "last" in line[1]] == [
        (5, "last connected"),
        (25, "last drains"),
        (27, "last closed"),
    ]


async def test_it_is_over_when_nobody_will_have_us(autojump_clock: MockClock) -> None:
    lines = await World().run(60, Gateway("refuses-1", 1), Gateway("refuses-2", 1, 3))
    assert lines == [(0, "refuses-1 will not have us"), (5, "refuses-2 will not have us"), (5, "over")]


async def test_without_gateways_there_is_nothing_to_do(autojump_clock: MockClock) -> None:
    assert await World().run(60) == [(0, "over")]
