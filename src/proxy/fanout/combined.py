"""Combined: what becomes of the legs of a route that asks several: one answer, or why there is none."""

from collections.abc import Sequence
from typing import Final

from frames.frame import Method
from proxy.errors import FANOUT_FAILED, FANOUT_LEG_STOPPED, FANOUT_TOO_LARGE, Fault
from proxy.fanout.asking import Asking
from proxy.fanout.merged import head_payload, merged_payload
from proxy.fanout.plan import Combine, FanOutPlan
from proxy.fanout.results import LegResult
from proxy.request.stage import Answer

TOLD_MAX: Final = 8
"""Legs that an answer names that failed: as many as somebody may read."""


class Given:
    """An answer as each of those who wait gets it. The body are the last ``body_bytes``."""

    __slots__ = ("_of_head", "body_bytes", "payload")

    def __init__(self, payload: bytes, body_bytes: int) -> None:
        self.payload = payload
        self.body_bytes = body_bytes
        self._of_head = b""

    def to(self, method: int) -> bytes:
        """Return the payload for a request of this method."""
        if method != Method.HEAD:
            return self.payload
        self._of_head = self._of_head or head_payload(self.payload, self.body_bytes)
        return self._of_head


def combined(plan: FanOutPlan, asking: Asking) -> Given | Answer:
    """Return the answer that the legs make together, as far as they are over."""
    results = asking.results()
    return _made(plan, asking, results) if asking.is_met else _failure(plan, asking, results)


def is_complete(plan: FanOutPlan, asking: Asking) -> bool:
    """Whether nothing is missing in the answer."""
    return plan.combine is Combine.FIRST or all(result.is_good for result in asking.results())


def _made(plan: FanOutPlan, asking: Asking, results: Sequence[LegResult]) -> Given | Answer:
    if plan.combine is Combine.FIRST:
        first = next(result for result in results if result.is_good)
        return Given(first.payload, first.body_bytes)
    merged = merged_payload(asking.names, results)
    if merged is None:
        return Answer(FANOUT_TOO_LARGE)
    return Given(*merged)


def _failure(plan: FanOutPlan, asking: Asking, results: Sequence[LegResult]) -> Answer:
    """Return why too few were good. Where all say that of the client itself, that is the answer."""
    bad = [result for result in results if not result.is_good]
    reasons = {result.reason for result in bad if result.reason is not FANOUT_LEG_STOPPED}
    if len(reasons) == 1 and (reason := reasons.pop()) is not None and reason.fault is Fault.CLIENT:
        headers = next(result.headers for result in bad if result.reason is reason)
        return Answer(reason, headers=headers)
    told = [
        f"{' '.join(filter(None, name))} {result.status or result.word}"
        for name, result in zip(asking.names, results, strict=True)
        if not result.is_good
    ]
    more = f" and {len(told) - TOLD_MAX} more" if len(told) > TOLD_MAX else ""
    good = len(results) - len(bad)
    needed = plan.needed(len(results))
    return Answer(FANOUT_FAILED, f"{good} of {needed} that are needed: {', '.join(told[:TOLD_MAX])}{more}.")
