"""Ready are all workers that clients reach, or the gateway is not."""

import pytest

from proxy.merged.readiness import not_ready

MISSING = "The required service billing has no instance that could be asked."
NONE = "No service that could be asked has registered."


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ({"0.1": [], "1.1": []}, []),
        ({}, ["No worker serves clients yet."]),
        ({"0.1": [NONE], "1.1": [NONE]}, [NONE]),
        ({"0.1": [], "1.1": [MISSING]}, [f"Worker 1.1: {MISSING}"]),
        ({"0.1": [MISSING], "1.1": [MISSING], "2.1": []}, [f"Workers 0.1, 1.1: {MISSING}"]),
        ({"0.1": [MISSING, NONE], "1.1": [NONE]}, [f"Worker 0.1: {MISSING}", NONE]),
        ({"0.1": [MISSING, MISSING]}, [MISSING]),
    ],
)
def test_reasons_are_said_once_and_with_who_says_them(reasons: dict[str, list[str]], said: list[str]) -> None:
    assert not_ready(reasons) == said


def test_a_gateway_that_drains_says_so_once() -> None:
    shutting = "The gateway is shutting down."
    assert not_ready({"0.1": [shutting], "1.1": [shutting]}, is_draining=True) == [shutting]
    assert not_ready({}, is_draining=True) == [shutting]
