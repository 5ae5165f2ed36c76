"""`penstock key`: what it prints is a key and an entry for it that is right, apart from each other."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli.main import command
from proxy.config import load_gateway
from proxy.policy.identity.prepare import prepare_identities


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["key", *arguments])


@pytest.mark.parametrize(
    "arguments",
    [
        ["reports"],
        ["reports", "--tenant", "acme", "--tenant", "b"],
        ["reports", "--expires", "2999-12-31"],
        ["build/agent@1: x".replace(" ", "_")],
    ],
)
def test_the_entry_is_for_the_key(tmp_path: Path, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    key = result.stdout.strip()
    assert key not in result.stderr
    before, _, entry = result.stderr.partition("identity:")
    assert "It cannot be shown again." in before
    path = tmp_path / "penstock.yaml"
    path.write_text("identity:" + entry)
    config = load_gateway({}, path=path).settings.identity
    api_keys = prepare_identities(config).api_keys
    assert api_keys is not None
    identity = api_keys.prove(key.encode(), now_s=0).identity
    assert identity.principal == arguments[0]
    assert identity.tenants == (frozenset({"acme", "b"}) if "--tenant" in arguments else None)
    assert (identity.expires_at_s < float("inf")) is ("--expires" in arguments)


def test_keys_differ() -> None:
    assert run("a").stdout != run("a").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["service:billing"], "penstock: error: principal: 'service:billing' is not ASCII without spaces"),
        (["a b"], "penstock: error: principal: 'a b' is not ASCII without spaces"),
        (["a", "--tenant", "x y"], "penstock: error: tenants: 'x y' is not 1 to 64 of A-Z a-z 0-9 . _ -"),
        (["a", "--expires", "soon"], "penstock: error: expires: 'soon' is no moment: write 2027-12-31T00:00:00Z"),
        (["a", "--expires", "2027-12-31T00:00:00"], "penstock: error: expires: '2027-12-31T00:00:00' has no zone"),
    ],
)
def test_what_no_configuration_could_hold(arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(told)
