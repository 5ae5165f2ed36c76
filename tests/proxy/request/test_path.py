"""The path behind a stage, for who was parked: what is asked again, and what is not, by the snapshot of then."""

from collections.abc import Callable
from typing import cast

import pytest
from route_support import begun, offer, route

from proxy.errors import FORBIDDEN, NO_ROUTE
from proxy.request.exchange import Exchange
from proxy.request.path import Path
from proxy.request.snapshot import Snapshot
from proxy.request.stage import PARKED, Answer, Result, Stage
from proxy.route.table import Route

THEN, NOW = cast(Snapshot, "then"), cast(Snapshot, "now")


class Lab:
    """A path of named stages that note down when they run; ``results`` says what they find."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.results: dict[str, Result] = {}
        self.named = {name: self.stage(name) for name in ("match", "admit", "authorize", "cache", "pick", "connect")}
        named = self.named
        rest = [named[name] for name in ("admit", "authorize", "cache", "pick", "connect")]
        self.path = Path([named["match"]], [*rest, self.stage("send")], choosing=[named["authorize"], named["pick"]])
        self.route = self.with_stages(rest)

    def stage(self, name: str) -> Stage:
        def stage(exchange: Exchange) -> Result:
            self.ran.append(name)
            return self.results.get(name)

        stage.__qualname__ = f"make_{name}.<locals>.{name}"
        return stage

    def with_stages(self, stages: list[Stage]) -> Route:
        at = route((offer("b-1"),))
        at.stages = tuple(stages)
        return at

    def after(self, stage: Stage, snapshot: Snapshot) -> Result:
        exchange = begun(self.route)
        exchange.snapshot = THEN
        found = self.path.after(exchange, stage, snapshot)
        assert exchange.snapshot is snapshot
        return found


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_with_the_same_snapshot_only_what_is_behind_runs(lab: Lab) -> None:
    assert lab.after(lab.named["cache"], THEN) is None
    assert lab.ran == ["pick", "connect"]


def test_with_another_snapshot_the_route_is_found_anew_and_asked_again(lab: Lab) -> None:
    assert lab.after(lab.named["cache"], NOW) is None
    assert lab.ran == ["match", "authorize", "pick", "connect"]


@pytest.mark.parametrize(
    ("name", "found", "ran"),
    [
        ("match", Answer(NO_ROUTE), ["match"]),
        ("authorize", Answer(FORBIDDEN), ["match", "authorize"]),
        ("connect", PARKED, ["match", "authorize", "pick", "connect"]),
    ],
)
def test_what_a_stage_finds_is_returned(lab: Lab, name: str, found: Result, ran: list[str]) -> None:
    lab.results[name] = found
    assert lab.after(lab.named["cache"], NOW) == found
    assert lab.ran == ran


def test_a_stage_of_the_configuration_before_is_known_by_its_name(lab: Lab) -> None:
    assert lab.after(lab.stage("cache"), THEN) is None
    assert lab.ran == ["pick", "connect"]


@pytest.mark.parametrize("snapshot", [THEN, NOW])
def test_behind_a_stage_that_is_no_more_it_is_asked_and_chosen_again(lab: Lab, snapshot: Snapshot) -> None:
    assert lab.after(lab.stage("idempotency"), snapshot) is None
    assert [name for name in lab.ran if name != "match"] == ["authorize", "pick", "connect"]


def test_what_is_not_in_the_routes_path_does_not_run(lab: Lab) -> None:
    lab.route = lab.with_stages([lab.named["cache"], lab.named["pick"]])
    is_in: Callable[[str], bool] = lab.ran.__contains__
    assert lab.after(lab.named["cache"], NOW) is None
    assert is_in("pick")
    assert not is_in("connect")
