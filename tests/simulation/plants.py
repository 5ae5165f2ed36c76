"""Faults of the gateway's own, planted so that it can be seen that a simulation finds them."""

from collections.abc import Callable
from typing import Any, Final

from proxy.attempts import judging
from proxy.attempts.budget import AttemptBudget
from proxy.edge.express import ExpressLane
from proxy.policy.limits import BytesInFlight


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def _unanswered() -> None:
    """Nobody is told when a service is lost."""
    ExpressLane.lost = _nothing  # type: ignore[method-assign]


def _twice() -> None:
    """What a service may have started is sent again."""
    judging._is_wanted = lambda *_: True


def _storm() -> None:
    """Budgets are never used up."""
    AttemptBudget.take = lambda *_: True  # type: ignore[method-assign]


def _leak() -> None:
    """What was held for a failed answer is never let go of."""
    BytesInFlight.release = _nothing  # type: ignore[method-assign]


PLANTS: Final[dict[str, Callable[[], None]]] = {
    "unanswered": _unanswered,
    "twice": _twice,
    "storm": _storm,
    "leak": _leak,
}
"""What breaks the gateway, for the whole process, by name."""
