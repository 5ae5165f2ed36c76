"""Benchmarks against those that are committed: no must is missed, and no ratio became much worse."""

from collections.abc import Mapping
from typing import Any, Final

WORSE_MAX: Final = 0.15
"""A ratio may be worse by such a part: what two runs on one machine differ by."""


def worse(committed: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each target that is missed, not measured any more, or much worse. Both: results.json."""
    before = {target["measure"]: target for target in committed["targets"]}
    lines = []
    measured = {target["measure"] for target in now["targets"]}
    lines += [f"{measure}: not measured any more" for measure in before if measure not in measured]
    for target in now["targets"]:
        ratio, earlier = target["ratio"], before.get(target["measure"])
        if ratio is None:
            if earlier is not None and earlier["ratio"] is not None:
                lines.append(f"{target['measure']}: not measured any more")
            continue
        if target["verdict"].startswith("MISSED"):
            lines.append(f"{target['measure']}: {ratio:.2f}, and must be {_limit(target)}")
        elif earlier is not None and earlier["ratio"] and _is_worse(target, ratio, earlier["ratio"]):
            lines.append(f"{target['measure']}: {ratio:.2f}, and was {earlier['ratio']:.2f}")
    return lines


def _limit(target: Mapping[str, Any]) -> str:
    return f"{target['must']:g} or {'more' if target['at_least'] else 'less'}"


def _is_worse(target: Mapping[str, Any], ratio: float, earlier: float) -> bool:
    if target["must"] is None:
        return False
    if target["at_least"]:
        return ratio < earlier * (1 - WORSE_MAX)
    return ratio > earlier * (1 + WORSE_MAX)
