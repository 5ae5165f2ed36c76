"""Limits of concurrency and shedding, as settings say them: read, joined by rules, and every mistake told."""

from pathlib import Path

import pytest

from penstock.settings import SettingsError
from proxy.config import load_gateway
from proxy.config.rule import Rule
from proxy.config.rules import make_rules
from proxy.request.route_policy import Access, Concurrency
from proxy.route.policy_join import Join


def load(tmp_path: Path, concurrency: str) -> Concurrency | None:
    path = tmp_path / "p.yaml"
    path.write_text(f"rules:\n  - {{service: billing, concurrency: {concurrency}}}\n")
    (rule,) = make_rules(load_gateway({}, path=path).settings.rules)
    return rule.concurrency


@pytest.mark.parametrize(
    ("text", "concurrency"),
    [
        ("{}", Concurrency()),
        ("{route: 8}", Concurrency(route_max=8)),
        ("{service: 64}", Concurrency(service_max=64, service_min=64)),
        ("{service: adaptive}", Concurrency(service_max=1_000, service_min=1, is_adaptive=True)),
        (
            "{service: ADAPTIVE, least: 4, most: 99, route: 5, waiting: 0, wait: 1s, priority: low}",
            Concurrency(
                route_max=5,
                service_max=99,
                service_min=4,
                is_adaptive=True,
                waiting=0,
                wait_ms=1_000,
                priority="low",
            ),
        ),
    ],
)
def test_what_a_rule_says(tmp_path: Path, text: str, concurrency: Concurrency) -> None:
    assert load(tmp_path, text) == concurrency


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{service: many}", "'many' is neither a number from 1 to 65536 nor adaptive"),
        ("{service: 0}", "'0' is neither a number from 1 to 65536 nor adaptive"),
        ("{service: 65537}", "'65537' is neither a number from 1 to 65536 nor adaptive"),
        ("{route: 0}", "0 is below 1"),
        ("{wait: 5}", "a duration needs a unit"),
        ("{priority: urgent}", "'urgent' is none of critical, high, normal, low"),
        ("{service: adaptive, least: 9, most: 8}", "least is 9, which is more than most, 8"),
        ("{services: 4}", "services"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    (problem,) = caught.value.problems
    assert why in str(problem)
    assert "p.yaml:2" in str(problem)


def join(*said: Concurrency | None) -> Concurrency | None:
    rules = [Rule(origin=f"p.yaml:{line}", concurrency=one) for line, one in enumerate(said)]
    return Join([], rules, Access.PUBLIC, lambda rule, what, why: None).policy().concurrency


def test_the_last_rule_that_says_anything_counts_and_one_without_a_limit_takes_it_away() -> None:
    one, two = Concurrency(service_max=1), Concurrency(route_max=2)
    assert join(None) is None
    assert join(one, two, None) is two
    assert join(one, Concurrency()) is None


def test_the_defaults_of_shedding() -> None:
    shedding = load_gateway({}).settings.shedding
    assert (shedding.queue_delay_ms, shedding.memory_bytes, shedding.bytes_in_flight) == (250, 0, 0.9)


def test_shedding_by_variables() -> None:
    given = {"QUEUE_DELAY": "0s", "MEMORY_BYTES": "1GiB", "BYTES_IN_FLIGHT": "100%"}
    shedding = load_gateway({f"PENSTOCK_SHEDDING_{name}": text for name, text in given.items()}).settings.shedding
    assert (shedding.queue_delay_ms, shedding.memory_bytes, shedding.bytes_in_flight) == (0, 1 << 30, 1.0)
