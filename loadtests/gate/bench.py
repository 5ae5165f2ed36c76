"""Benchmarks against those that are committed: nothing is missed that was held, and no ratio became much worse."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

WORSE_MAX: Final = 0.15
"""A ratio may be worse by such a part: what two runs on one machine differ by."""


class Comparison(NamedTuple):
    """Two runs of all benchmarks, a line for each target that is to be told of."""

    worse: list[str]
    """Missed and was held, much worse, or not measured any more: no release."""
    missed_as_before: list[str]
    """Missed, as in the committed run, and not much worse: known, and told again each time."""


def compare(committed: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """Compare two contents of benchmarks/results.json."""
    before = {target["measure"]: target for target in committed["targets"]}
    measured = {target["measure"]: target for target in now["targets"] if target["ratio"] is not None}
    found = Comparison([], [])
    for measure, earlier in before.items():
        if earlier["ratio"] is not None and measure not in measured:
            found.worse.append(f"{measure}: not measured any more")
    for measure, target in measured.items():
        _compare_one(target, before.get(measure), found)
    return found


def _compare_one(target: Mapping[str, Any], earlier: Mapping[str, Any] | None, found: Comparison) -> None:
    ratio, was = target["ratio"], earlier["ratio"] if earlier else None
    is_worse = was is not None and _is_worse(target, ratio, was)
    is_missed = target["verdict"].startswith("MISSED")
    if is_missed and earlier is not None and earlier["verdict"].startswith("MISSED") and not is_worse:
        found.missed_as_before.append(f"{target['measure']}: {ratio:.2f}, was {was:.2f}, must be {_limit(target)}")
    elif is_missed:
        found.worse.append(f"{target['measure']}: {ratio:.2f}, and must be {_limit(target)}")
    elif is_worse:
        found.worse.append(f"{target['measure']}: {ratio:.2f}, and was {was:.2f}")


def _limit(target: Mapping[str, Any]) -> str:
    return f"{target['must']:g} or {'more' if target['at_least'] else 'less'}"


def _is_worse(target: Mapping[str, Any], ratio: float, earlier: float) -> bool:
    if target["must"] is None:
        return False
    if target["at_least"]:
        return ratio < earlier * (1 - WORSE_MAX)
    return ratio > earlier * (1 + WORSE_MAX)
