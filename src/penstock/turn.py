"""One turn: a call goes in, the payload of its answer comes out, whatever the handler does. No request is lost here.

What a handler raises is logged with its traceback and the ids of the request; the client sees a reason and no more.
"""

import inspect
import logging
from typing import Any, Final

from penstock.answer import JSON_200, encode_answer, encode_json, problem_answer, problem_of
from penstock.call import Call
from penstock.errors import AnswerError, CallError, Problem

__all__ = [
    "ANSWERED",
    "answer_error",
    "answer_expired",
    "answer_nowait",
    "answer_too_large",
    "answer_value",
    "log_failure",
]

ANSWERED: Final = object()
"""What a streaming handler's turn gives when the answer is on its way, or was given up: nothing is left to be sent."""

log = logging.getLogger("penstock.handler")


def answer_nowait(call: Call) -> bytes:
    """Run a `def` handler to its end and return its answer."""
    try:
        value = call.endpoint.invoke(call)
    except Exception as error:
        return answer_error(call, error)
    if type(value) is dict:  # the commonest answer, without two more calls
        try:
            return JSON_200 + encode_json(value)
        except Exception:
            return answer_value(call, value)  # which says why not
    return answer_value(call, value)


def answer_value(call: Call, value: Any) -> bytes:
    """Return the answer for what the handler returned; 500 `bad_answer` when it cannot be sent."""
    try:
        return encode_answer(value)
    except Exception as error:
        log_failure(call, "its answer cannot be sent: " + _why_unsendable(value, error), error)
        return problem_answer(call, 500, "bad_answer")


def answer_error(call: Call, error: Exception) -> bytes:
    """Return the answer for what the handler raised: its problem, that of a call it made, or 500 `handler_error`."""
    error = _alone(error)
    if isinstance(error, CallError):
        log_failure(call, f"a call that it made failed: {error}", None)
        return problem_answer(call, error.status, error.reason)
    if isinstance(error, Problem):
        try:
            return problem_of(call, error)
        except Exception as unsendable:  # a detail that is no text, a status that is no integer
            error = unsendable
    log_failure(call, "handler failed", error)
    return problem_answer(call, 500, "handler_error")


def answer_expired(call: Call) -> bytes:
    """Return the answer for a call that was cut off: its deadline has passed, or else the service shuts down."""
    if call.remaining_ms:
        return problem_answer(call, 503, "shutdown")
    return problem_answer(call, 504, "deadline")


def answer_too_large(call: Call, byte_count: int, byte_count_max: int) -> bytes:
    """Return the answer in place of one that no frame can carry."""
    log_failure(call, f"its answer has {byte_count:,} bytes, and a frame carries {byte_count_max:,}", None)
    return problem_answer(call, 500, "answer_too_large")


def _alone(error: Exception) -> Exception:
    """What the handler raised, also when a nursery put it alone into a group."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _why_unsendable(value: Any, error: Exception) -> str:
    if inspect.iscoroutine(value):
        value.close()  # else Python warns, later and elsewhere, that it was never awaited
        return "it is a coroutine; write the handler with `async def`"
    return str(error) if isinstance(error, AnswerError) else type(error).__name__


def log_failure(call: Call, what: str, error: Exception | None) -> None:
    """Log what went wrong with a call, and by which ids it is found elsewhere."""
    endpoint = call.endpoint
    log.error(
        "%s %s: %s",
        endpoint.method,
        endpoint.path,
        what,
        exc_info=error,
        extra={"request_id": call.request_id, "correlation_id": call.correlation_id},
    )
