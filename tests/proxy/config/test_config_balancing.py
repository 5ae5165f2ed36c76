"""How one of several instances is chosen, as settings say it: read, put together with rules, and every mistake told."""

from pathlib import Path

import pytest

from penstock.settings import SettingsError
from proxy.config import load_gateway
from proxy.config.rules import make_rules
from proxy.request.route_policy import Balance, BalancePolicy, Key, KeyKind

P = BalancePolicy


def balances(tmp_path: Path, text: str) -> list[Balance | None]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return [rule.balance for rule in make_rules(load_gateway({}, path=path).settings.rules)]


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_gateway({}, path=path)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def test_the_defaults() -> None:
    balancing = load_gateway({}).settings.balancing
    assert balancing.default == Balance(policy=P.TWO_CHOICES, load_factor=1.25)
    assert balancing.slow_start_ms == 10_000


def test_the_section(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("balancing: {policy: consistent_hash, by: parameter tenant, load_factor: 150%, slow_start: 0s}")
    balancing = load_gateway({}, path=path).settings.balancing
    key = Key(KeyKind.PARAMETER, "tenant")
    assert balancing.default == Balance(policy=P.CONSISTENT_HASH, key=key, load_factor=1.5)
    assert balancing.slow_start_ms == 0


@pytest.mark.parametrize(
    ("text", "balance"),
    [
        ("{}", Balance()),
        ("{policy: round_robin}", Balance(policy=P.ROUND_ROBIN)),
        (
            "{weights: {billing-1: 2, billing-2: 0.5, b: 0}}",
            Balance(weights={"billing-1": 2, "billing-2": 0.5, "b": 0}),
        ),
        ("{policy: consistent_hash, by: tenant}", Balance(policy=P.CONSISTENT_HASH, key=Key(KeyKind.TENANT))),
        (
            "{policy: consistent_hash, by: header X-User, load_factor: 2}",
            Balance(policy=P.CONSISTENT_HASH, key=Key(KeyKind.HEADER, "x-user"), load_factor=2.0),
        ),
        (
            "{policy: consistent_hash, by: parameter id}",
            Balance(policy=P.CONSISTENT_HASH, key=Key(KeyKind.PARAMETER, "id")),
        ),
    ],
)
def test_a_rule(tmp_path: Path, text: str, balance: Balance) -> None:
    assert balances(tmp_path, f"rules:\n  - balance: {text}\n") == [balance]


@pytest.mark.parametrize(
    "text",
    [
        "balancing: {by: tenant}\nrules:\n  - balance: {policy: consistent_hash}\n",
        "balancing: {policy: consistent_hash, by: tenant}\nrules:\n  - balance: {by: principal, load_factor: 3}\n",
    ],
)
def test_what_a_rule_leaves_open_is_in_the_section(tmp_path: Path, text: str) -> None:
    assert len(balances(tmp_path, text)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{policy: random}",
            "bad_value: rules[0].balance.policy = random (p.yaml:2): 'random' is none of two_choices,",
        ),
        ("{by: none, policy: consistent_hash}", "bad_value: rules[0].balance.by = none (p.yaml:2): 'none' is no key;"),
        (
            "{by: parameter, policy: consistent_hash}",
            "bad_value: rules[0].balance.by = parameter (p.yaml:2): ",
        ),
        (
            "{by: cookie a b, policy: consistent_hash}",
            "bad_value: rules[0].balance.by = cookie a b (p.yaml:2): 'cookie a b' names no cookie; write cookie and",
        ),
        (
            "{by: tenant, policy: consistent_hash, load_factor: 0.9}",
            "bad_value: rules[0].balance.load_factor = 0.9 (p.yaml:2): 0.9 is below 1; write a value of 1 to 100",
        ),
        (
            "{by: tenant, policy: consistent_hash, load_factor: much}",
            "bad_value: rules[0].balance.load_factor = much (p.yaml:2): 'much' is no multiple; write a number",
        ),
        (
            "{weights: {a: 11}}",
            "bad_value: rules[0].balance.weights.a = 11 (p.yaml:2): '11' is no weight; write a number",
        ),
        ("{weights: {a: 0.05}}", "bad_value: rules[0].balance.weights.a = 0.05 (p.yaml:2): '0.05' is no weight; write"),
        ("{weights: {a: -1}}", "bad_value: rules[0].balance.weights.a = -1 (p.yaml:2): '-1' is no weight; write a"),
        ("{weights: {a b: 1}}", "bad_value: rules[0].balance.weights.a b = a b (p.yaml:2): 'a b' is not 1 to 64 of"),
        (
            "{policies: a}",
            "unknown_key: rules[0].balance.policies (p.yaml:2): there is no such key; did you mean policy",
        ),
        (
            "{policy: consistent_hash}",
            "conflict: rules[0].balance (p.yaml:2): consistent_hash goes by a key, and there is none; write by:",
        ),
        (
            "{by: tenant}",
            "conflict: rules[0].balance.by (p.yaml:2): it means something to consistent_hash only, which is not",
        ),
        (
            "{policy: round_robin, load_factor: 2}",
            "conflict: rules[0].balance.load_factor (p.yaml:2): it means something to consistent_hash only, which is",
        ),
    ],
)
def test_mistakes_in_a_rule(tmp_path: Path, text: str, expected: str) -> None:
    told = problems(tmp_path, f"rules:\n  - balance: {text}\n")
    assert len(told) == 1
    assert told[0].startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{policy: fast}",
            "bad_value: balancing.policy = fast (p.yaml:1): 'fast' is none of two_choices, least_loaded,",
        ),
        (
            "{by: none}",
            "bad_value: balancing.by = none (p.yaml:1): 'none' is no key; write tenant, principal, address,",
        ),
        (
            "{slow_start: 2h}",
            "bad_value: balancing.slow_start = 2h (p.yaml:1): 2h is above 1h; write a value of at most",
        ),
        (
            "{policy: consistent_hash}",
            "conflict: balancing.by (p.yaml:1): consistent_hash goes by a key, and there is none; set balancing.by;",
        ),
    ],
)
def test_mistakes_in_the_section(tmp_path: Path, text: str, expected: str) -> None:
    told = problems(tmp_path, f"balancing: {text}\n")
    assert len(told) == 1
    assert told[0].startswith(expected)


def test_a_split_takes_no_parameter_of_the_path(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, "rules:\n  - split: {weights: {1.0.0: 100}, by: parameter id}\n")
    assert told.startswith(
        "bad_value: rules[0].split.by = parameter id (p.yaml:2): 'parameter id' is no key; write tenant"
    )
