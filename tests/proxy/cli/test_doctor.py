"""`penstock doctor`, as a person meets it."""

import json
import os
import re

import pytest
from click.testing import CliRunner, Result

from proxy.cli.main import command

FREE = [word for name in ("edge", "services", "admin") for word in (f"--{name}-listen", "127.0.0.1:0")]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["doctor", *arguments])


def test_findings_in_the_terminal() -> None:
    result = run(*FREE)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("ok       versions         penstock 0.")
    assert re.search(r", (1 warning|(0|[2-9]|1\d) warnings)$", lines[-1])
    assert "13 checks: 0 errors, " in lines[-1]


def test_findings_as_json() -> None:
    findings = json.loads(run(*FREE, "--output", "json").stdout)
    assert {"about": "running", "state": "ok", "what": "no gateway with these settings runs now", "fix": ""} in findings


def test_wrong_settings_are_found_with_all_that_does_not_hang_on_them() -> None:
    result = run("--edge-deadline", "4", "--output", "json")
    assert result.exit_code == 1
    findings = {finding["about"]: finding for finding in json.loads(result.stdout)}
    assert findings["edge.deadline"]["fix"] == "write 4s or 4ms"
    assert findings["extension"]["state"] in ("ok", "warning")
    assert "edge.listen" not in findings
