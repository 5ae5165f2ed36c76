"""The process that serves, when something goes wrong that nobody expected, or that everybody knows."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.settings import Problem
from proxy.edge.listen import ListenError
from proxy.process import serving

TAKEN = ListenError(Problem("port_in_use", "edge.listen", "PENSTOCK_EDGE_LISTEN", "it is taken", "choose another"))
TOKEN = "correct-horse-battery-staple"  # noqa: S105 - a test's own


@pytest.fixture(autouse=True)
def _root_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setenv("PENSTOCK_ADMIN_TOKEN", TOKEN)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def run(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int | str | None:
    """The status with which it ends when the gateway fails with this."""

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(serving, "run_gateway", fail)
    with pytest.raises(SystemExit) as caught:
        serving.main([])
    return caught.value.code


def test_what_nobody_expected_is_a_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    error = ExceptionGroup("several", [LookupError(f"no such thing: {TOKEN}"), TAKEN])
    assert run(monkeypatch, error) == 1
    (line,) = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (line["level"], line["message"]) == ("critical", "this process has failed, and ends")
    assert "LookupError: no such thing: ***" in line["error"]


def test_what_is_known_is_told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, ExceptionGroup("one", [TAKEN])) == 1
    assert capfd.readouterr().err == f"penstock: error: {TAKEN}\n"


def test_an_end_that_was_asked_for(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, SystemExit(3)) == 3
    assert capfd.readouterr().err == ""
