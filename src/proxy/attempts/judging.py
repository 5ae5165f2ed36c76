"""Judging: one failed attempt, and what is known of its request. Is it sent again, and after how long?"""

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from proxy.attempts.backoff import backoff_ms
from proxy.attempts.profiles import Plan
from proxy.errors import SERVICE_DRAINING, SERVICE_ENDPOINT_UNKNOWN, SERVICE_FEATURE_UNSUPPORTED
from proxy.request.failure import Failure, FailureKind


class Why(Enum):
    """Why a request is not sent again, where it might have been."""

    FINAL = "final"
    """It is not to be: its profile does not want it, or it may not be repeated. This is no limit, and not counted."""
    ATTEMPTS = "attempts"
    """Its attempts are used up."""
    BUFFER = "buffer"
    """It was too long to be kept."""
    DEADLINE = "deadline"
    """The wait would be longer than its deadline: hopeless."""
    BUDGET = "budget"
    """The budget of its service is used up."""
    NESTED = "nested"
    """Another gateway sends it again."""


_LASTING = (SERVICE_ENDPOINT_UNKNOWN, SERVICE_FEATURE_UNSUPPORTED)

LIMITS = (Why.ATTEMPTS, Why.BUFFER, Why.DEADLINE, Why.BUDGET, Why.NESTED)
"""Those that are counted."""

LOOKS: Final = 3
"""How often more it is looked for somebody, where there is nobody: it costs no service anything, and with waits that
double, a service that comes back within half a second is waited for."""

DETAILS: Final = {
    Why.BUFFER: "It was not sent again: it is longer than what is kept for that.",
    Why.DEADLINE: "It was not sent again: the wait would be longer than its deadline.",
    Why.BUDGET: "It was not sent again: too many requests of this service are.",
}
"""What the client is told of it. The others say nothing that its reason does not."""


class Request(NamedTuple):
    """What is known of a request whose attempt has failed."""

    plan: Plan
    attempt: int = 1
    """How many were made, or were to be made: the one that failed is the last."""
    remaining_ms: int = 0
    """Of its deadline."""
    is_kept: bool = True
    """Whether the wire has a copy."""
    is_nested: bool = False
    """Whether it came from a gateway that sends it again itself."""
    has_key: bool = False
    """Whether it carries an Idempotency-Key."""
    has_other: bool = False
    """Whether there is an instance that was not asked yet."""


def judge(failure: Failure, request: Request, rand: Callable[[], float]) -> int | Why:
    """Return after how many milliseconds the request is sent again, or why it is not.

    The budget is not asked here: whoever sends it again takes from it last, so that nothing is taken in vain.
    """
    plan = request.plan
    if plan.is_none or not _is_wanted(failure, request):
        return Why.FINAL
    if not request.has_other and _would_end_alike(failure):
        return Why.FINAL
    if request.is_nested:
        return Why.NESTED
    if request.attempt >= plan.profile.attempts + (LOOKS if failure.kind is FailureKind.NOBODY else 0):
        return Why.ATTEMPTS
    if not request.is_kept:
        return Why.BUFFER
    wait_ms = _wait_ms(failure, request, rand)
    return wait_ms if wait_ms < request.remaining_ms else Why.DEADLINE


def _is_wanted(failure: Failure, request: Request) -> bool:
    plan = request.plan
    if failure.kind is FailureKind.ANSWERED and failure.status not in plan.profile.statuses:
        return False
    return not failure.is_started or plan.repeats or (plan.repeats_with_key and request.has_key)


def _would_end_alike(failure: Failure) -> bool:
    """Whether the same instance would do the same again."""
    return failure.kind is FailureKind.BAD or failure.answer.reason in _LASTING


def _is_free(failure: Failure) -> bool:
    """Whether it has cost no service anything, and is no sign that there is too much to do."""
    is_unsent = failure.kind is FailureKind.LOST and not failure.is_started
    return is_unsent or failure.answer.reason is SERVICE_DRAINING


def _wait_ms(failure: Failure, request: Request, rand: Callable[[], float]) -> int:
    """Return how long to wait.

    Where nobody is left, somebody has to come back first: it is at least half of the bound.
    Who has waited for an attempt to end has waited enough. What no service has started can go elsewhere at once, since
    nobody said that there is too much of it. What an instance that refuses asks for is for itself: it says that the
    request is safe to send elsewhere. What an answer asks for is for the service.
    """
    if failure.kind is FailureKind.SLOW:
        return 0
    is_asked_for = failure.retry_after_ms and not (failure.kind is FailureKind.REFUSED and request.has_other)
    if is_asked_for:
        return failure.retry_after_ms + backoff_ms(request.plan.profile, 1, rand)
    if request.has_other and _is_free(failure):
        return 0
    wait_ms = backoff_ms(request.plan.profile, request.attempt, rand)
    if failure.kind in (FailureKind.LOST, FailureKind.NOBODY) and not request.has_other:
        return (wait_ms + backoff_ms(request.plan.profile, request.attempt, _longest)) // 2
    return wait_ms


def _longest() -> float:
    """The end of a draw."""
    return 1.0 - 2**-53
