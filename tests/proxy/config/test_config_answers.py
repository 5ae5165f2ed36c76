"""Settings of what keeps answers: what fits together, and what a rule says."""

import json
from pathlib import Path

import pytest

from penstock.settings import SettingsError
from proxy.config import load_gateway
from proxy.config.rule import Rule
from proxy.config.rules import make_rules
from proxy.request.route_policy import CacheRule, CacheScope, IdempotencyRule


def rule(**members: object) -> Rule:
    config = load_gateway({"PENSTOCK_RULES": json.dumps([{"path": "/a", **members}])}).settings
    (made,) = make_rules(config.rules)
    return made


def test_what_a_rule_says() -> None:
    made = rule(cache={}, idempotency={})
    assert (made.cache, made.idempotency) == (CacheRule(), IdempotencyRule())
    made = rule(
        cache={"ttl": "5s", "ttl_max": "2m", "stale": "10s", "shared_by": "principal"},
        idempotency={"ttl": "1h", "required": True},
    )
    assert made.cache == CacheRule(ttl_ms=5_000, ttl_max_ms=120_000, stale_ms=10_000, shared_by=CacheScope.PRINCIPAL)
    assert made.idempotency == IdempotencyRule(ttl_ms=3_600_000, is_required=True)
    other = rule(deadline="1s")
    assert (other.cache, other.idempotency) == (None, None)


@pytest.mark.parametrize(
    ("settings", "code", "why"),
    [
        ({"STORE": "sqlite"}, "missing", "sqlite keeps answers in a file, and none is named"),
        ({"FILE": "/tmp/keys.db"}, "conflict", "answers are kept in memory, so nothing is written to this file"),  # noqa: S108
        ({"STORE": "redis"}, "bad_value", "redis"),
        ({"ENTRIES": "0"}, "bad_value", "0"),
    ],
)
def test_what_does_not_fit(settings: dict[str, str], code: str, why: str) -> None:
    given = {f"PENSTOCK_IDEMPOTENCY_{name}": value for name, value in settings.items()}
    with pytest.raises(SettingsError) as raised:
        load_gateway(given)
    (problem,) = raised.value.problems
    assert problem.code == code
    assert why in str(problem)


def test_a_file_that_is_named_is_where_answers_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.db"
    given = {"PENSTOCK_IDEMPOTENCY_STORE": "sqlite", "PENSTOCK_IDEMPOTENCY_FILE": str(file)}
    assert load_gateway(given).settings.idempotency.file == file


def problem_of(given: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as raised:
        load_gateway(given)
    (problem,) = raised.value.problems
    return str(problem)


def test_an_answer_is_not_fresh_for_longer_than_the_longest() -> None:
    problem = problem_of({"PENSTOCK_RULES": json.dumps([{"path": "/a", "cache": {"ttl": "2m"}}])})
    assert problem.startswith("bad_value: rules[0].cache.ttl (PENSTOCK_RULES")
    assert problem.endswith("2m is more than ttl_max, 1m; lower it, or raise ttl_max")
    assert rule(cache={"ttl": "2m", "ttl_max": "0s"}).cache == CacheRule(ttl_ms=120_000, ttl_max_ms=0)


def test_one_answer_is_not_larger_than_all() -> None:
    problem = problem_of({"PENSTOCK_CACHE_ENTRY_BYTES": "1MiB", "PENSTOCK_CACHE_MEMORY_BYTES": "512KiB"})
    assert problem == (
        "conflict: cache.entry_bytes (cache.entry_bytes: PENSTOCK_CACHE_ENTRY_BYTES and cache.memory_bytes:"
        " PENSTOCK_CACHE_MEMORY_BYTES): 1MiB is more than cache.memory_bytes, 512KiB: no answer of that length is"
        " kept; lower it, or raise cache.memory_bytes"
    )


def test_little_memory_is_right_while_nobody_asks_for_large_answers() -> None:
    assert load_gateway({"PENSTOCK_CACHE_MEMORY_BYTES": "1KiB"}).settings.cache.memory_bytes == 1_024
    nothing = {"PENSTOCK_CACHE_ENTRY_BYTES": "1MiB", "PENSTOCK_CACHE_MEMORY_BYTES": "0B"}
    assert load_gateway(nothing).settings.cache.memory_bytes == 0
