"""What workers counted does not fall when they go."""

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from proxy.admin.figures import Figures, InstanceFigures, RouteFigures
from proxy.merged.ledger import Ledger


def figures(requests: int, in_flight: int = 0) -> Figures:
    instances = [InstanceFigures("billing", "healthy", in_flight)]
    return Figures(
        "1.2.3", True, [], {"no_route": requests}, {"requests": requests, "exchanges_now": in_flight}, instances
    )


def counted(ledger: Ledger, now: Mapping[str, Figures]) -> tuple[int, int]:
    merged = ledger.merged(now)
    assert merged is not None
    return merged.reasons["no_route"], merged.wire.get("exchanges_now", 0)


def test_there_are_no_figures_of_nobody() -> None:
    assert Ledger().merged({}) is None


def test_workers_of_now_are_added_up() -> None:
    assert counted(Ledger(), {"0.1": figures(3, 1), "1.1": figures(4, 2)}) == (7, 3)


def test_what_a_worker_had_counted_stays_when_it_has_gone_and_what_it_had_then_does_not() -> None:
    ledger = Ledger()
    assert counted(ledger, {"0.1": figures(10, 5), "1.1": figures(1, 1)}) == (11, 6)
    ledger.settle({"1.1", "0.2"})
    assert counted(ledger, {"1.1": figures(1, 1), "0.2": figures(0, 2)}) == (11, 3)


def test_last_words_count_once() -> None:
    ledger = Ledger()
    counted(ledger, {"0.1": figures(10)})
    ledger.note("0.1", figures(12))
    ledger.settle({"0.2"})
    ledger.settle({"0.2"})
    assert counted(ledger, {"0.2": figures(1)}) == (13, 0)


def test_last_words_that_come_too_late_do_not_count_twice() -> None:
    ledger = Ledger()
    counted(ledger, {"0.1": figures(10), "1.1": figures(1)})
    ledger.settle({"1.1"})
    ledger.note("0.1", figures(12))
    ledger.settle({"1.1"})
    assert counted(ledger, {"1.1": figures(1)}) == (11, 0)


def test_who_lives_and_is_silent_counts_with_what_it_has_told_last() -> None:
    ledger = Ledger()
    counted(ledger, {"0.1": figures(10, 5), "1.1": figures(20, 5)})
    assert counted(ledger, {"1.1": figures(21, 1)}) == (31, 1)
    assert counted(ledger, {"0.1": figures(11, 5), "1.1": figures(21, 1)}) == (32, 6)


def test_a_program_after_this_one_goes_on_with_what_was_counted() -> None:
    before = Ledger()
    counted(before, {"0.1": figures(10, 5)})
    before.settle(())
    after = Ledger(before.pack())
    assert counted(after, {"0.2": figures(1, 1)}) == (11, 1)
    assert Ledger().pack() == b""


def test_routes_that_nobody_has_any_more_are_forgotten() -> None:
    def with_routes(*paths: str) -> Figures:
        return replace(figures(1), routes=[RouteFigures("GET", path, (0, 0, 7, 0, 0, 0)) for path in paths])

    ledger = Ledger()
    ledger.merged({"0.1": with_routes("/a", "/b"), "1.1": with_routes("/a")})
    ledger.settle({"1.1"})
    merged = ledger.merged({"1.1": with_routes("/a")})
    assert merged is not None
    assert [(route.path, route.statuses[2]) for route in merged.routes] == [("/a", 14)]


@pytest.mark.parametrize("seed", range(10))
def test_counters_never_fall_whatever_workers_come_go_and_are_silent(seed: int) -> None:
    rng, ledger = random.Random(seed), Ledger()
    living: dict[str, int] = {"0.1": 0}
    born, before = 1, 0
    for _ in range(200):
        for worker in living:
            living[worker] += rng.randrange(5)
        act = rng.randrange(5)
        if act == 0:
            born += 1
            living[f"0.{born}"] = 0
        elif act == 1 and len(living) > 1:
            gone = rng.choice(list(living))
            if rng.random() < 0.5:
                ledger.note(gone, figures(living[gone]))
            del living[gone]
        ledger.settle(living)
        now = {worker: figures(count, 1) for worker, count in living.items() if rng.random() < 0.8}
        if not now:
            continue
        count, in_flight = counted(ledger, now)
        assert count >= before
        assert in_flight == len(now)
        before = count
