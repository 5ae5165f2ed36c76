"""What admission answers, and how often: each refusal has a cause, which is counted once, by whose limit it was."""

from enum import Enum
from typing import Final

from proxy.errors import CONCURRENCY_FULL, HOPELESS, LINE_FULL, LINE_TOO_SLOW
from proxy.request.stage import Answer


class Cause(Enum):
    """Why a request was not let in."""

    FULL = "full"
    """All places are taken, and it cannot wait: there is no line, or the request cannot be kept for so long."""
    LINE_FULL = "line_full"
    TOO_SLOW = "too_slow"
    """It has waited for as long as it may."""
    HOPELESS = "hopeless"
    """What is left of its deadline is less than the service needs."""


_REASONS: Final = {
    Cause.FULL: CONCURRENCY_FULL,
    Cause.LINE_FULL: LINE_FULL,
    Cause.TOO_SLOW: LINE_TOO_SLOW,
    Cause.HOPELESS: HOPELESS,
}


class Tally:
    """What became of the requests of one service that did not go on at once. waited_s: of those that were let in."""

    __slots__ = ("admitted", "refused", "waited_s")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.refused = dict.fromkeys(Cause, 0)
        self.admitted = 0
        self.waited_s = 0.0

    def __repr__(self) -> str:
        """All of it on one line."""
        return f"<Tally admitted={self.admitted} refused={sum(self.refused.values())}>"

    def refuse(self, cause: Cause, *, is_standing: bool) -> Answer:
        """Count a refusal, and return its answer. In a standing line, all are asked to come back later than else."""
        self.refused[cause] += 1
        return Answer(_REASONS[cause], retry_after_s=2 if is_standing else None)
