"""Whether a target is reached: medians compared within one run, and the rounds in pairs."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.rounds import Outcome, Sample

NOISY_PERCENT = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio of one quantity of two contenders of a case. Without a must it is only told."""

    measure: str
    case: str
    ours: str
    theirs: str
    quantity: str
    must: float | None = None
    aim: float | None = None
    at_least: bool = False  # the ratio is to be high rather than low

    def is_reached(self, ratio: float, limit: float) -> bool:
        """Say whether the ratio is within the limit."""
        return ratio >= limit if self.at_least else ratio <= limit


@dataclass(frozen=True, slots=True)
class Judgement:
    """A target and what came out: medians, their ratio, and the lowest and highest ratio of a single round."""

    target: Target
    ours: float | None = None
    theirs: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    noisy: bool = False
    why_not: str = ""

    @property
    def verdict(self) -> str:
        """Held, missed or not measured, in words."""
        if self.ratio is None:
            return "NOT MEASURED"
        words = "" if self.target.must is None else self._against_limits(self.ratio, self.target.must)
        return (words + (", noisy" if words else "noisy")) if self.noisy else words

    def _against_limits(self, ratio: float, must: float) -> str:
        if not self.target.is_reached(ratio, must):
            return "MISSED"
        aimed = self.target.aim is not None and self.target.is_reached(ratio, self.target.aim)
        return "held, and the aim" if aimed else "held"

    @property
    def is_missed(self) -> bool:
        """Measured, and not within its must."""
        if self.ratio is None or self.target.must is None:
            return False
        return not self.target.is_reached(self.ratio, self.target.must)


def spread_percent(values: list[float]) -> float:
    """Return the range of the values as a part of their median."""
    middle = statistics.median(values)
    return 100 * (max(values) - min(values)) / abs(middle) if middle else 0.0


def judge(target: Target, outcomes: Mapping[str, Outcome]) -> Judgement:
    """Compare the medians of both sides, and the rounds in pairs."""
    outcome = outcomes[target.case]
    if not (outcome.samples.get(target.ours) and outcome.samples.get(target.theirs)):
        reasons = [outcome.not_measured[name] for name in (target.ours, target.theirs) if name in outcome.not_measured]
        return Judgement(target, why_not="; ".join(reasons) or "; ".join(outcome.not_measured.values()) or "no samples")
    ours = _values(outcome.samples[target.ours], target.quantity)
    theirs = _values(outcome.samples[target.theirs], target.quantity)
    rounds = [mine / other for mine, other in zip(ours, theirs, strict=False) if other]
    middle_ours, middle_theirs = statistics.median(ours), statistics.median(theirs)
    if not middle_theirs or not rounds:
        return Judgement(target, why_not=f"{target.theirs} measured as nothing")
    return Judgement(
        target,
        middle_ours,
        middle_theirs,
        middle_ours / middle_theirs,
        min(rounds),
        max(rounds),
        noisy=max(spread_percent(ours), spread_percent(theirs)) > NOISY_PERCENT,
    )


def _values(samples: list[Sample], quantity: str) -> list[float]:
    return [sample[quantity] for sample in samples]
