"""The errors of the SDK: what a service author may raise, and what may be raised at them.

PenstockError
├── RegistrationError   the service is described wrongly; raised while it is being written down, at import time
├── Problem             a handler raises it to be answered with problem+json (RFC 9457)
│   ├── BadRequest      the same with status 400: the client's fault
│   └── InvalidInput    the same with status 422, and the fields that are wrong
├── CallError           a call of another service got no answer that can be used; a handler may let it pass
│   ├── CallUnreachable no gateway is there that passes calls on; nothing was sent
│   ├── CallRefused     the gateways did not take it; nothing was started
│   ├── CallDeadline    there was no time left; it may have been carried out
│   ├── CallLost        the connection went, or the answer was given up; it may have been carried out
│   └── CallFailed      the answer's status is 400 or above, and `reply.check()` was asked
├── AnswerError         what a handler returned cannot be sent; the client gets a plain 500
├── StreamBroken        the rest of a body will not come, or cannot be sent any more; its cause says why
│   └── SocketClosed    a WebSocket is closed; code and reason say how
├── StreamMisuse        a body was sent in a way that cannot be right, such as more than was declared
└── GatewayError        the service cannot go on with a gateway, and trying again will not help
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from penstock.asking import Reply

__all__ = [
    "AnswerError",
    "BadRequest",
    "CallDeadline",
    "CallError",
    "CallFailed",
    "CallLost",
    "CallRefused",
    "CallUnreachable",
    "FieldProblem",
    "GatewayError",
    "InvalidInput",
    "PenstockError",
    "Problem",
    "RegistrationError",
    "SocketClosed",
    "StreamBroken",
    "StreamCause",
    "StreamMisuse",
]


class PenstockError(Exception):
    """The root of the SDK's errors."""


class RegistrationError(PenstockError):
    """The service or an endpoint is described wrongly. The message says what, where and how to put it right."""


class FieldProblem(msgspec.Struct, frozen=True):
    """One thing that is wrong with what a client sent. where: `body.lines[2].quantity`, `query.page`, `path.id`."""

    where: str
    problem: str


class Problem(PenstockError):  # noqa: N818 - the standard's name for it
    """Raised by a handler to be answered with `application/problem+json`.

    `reason` is the stable code that programs look at (lower case, `_` between words); `detail` is for people and goes
    to the client as it is, so it must not hold what the client may not know.
    """

    errors: tuple[FieldProblem, ...] = ()
    """What is wrong with single fields, for the member `errors` of the answer."""

    def __init__(self, status: int, reason: str, detail: str | None = None) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"a problem's status is 400 to 599, not {status!r}")
        super().__init__(f"{status} {reason}" + (f": {detail}" if detail else ""))
        self.status = status
        self.reason = reason
        self.detail = detail


class BadRequest(Problem):
    """The client's mistake: 400. The SDK raises it too, for a body or a parameter that cannot be decoded."""

    def __init__(self, reason: str = "bad_request", detail: str | None = None) -> None:
        super().__init__(400, reason, detail)


class InvalidInput(Problem):
    """What the client sent can be read, but is not what the handler takes: 422, with each field named."""

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        """errors: at least one."""
        first, more = errors[0], len(errors) - 1
        also = f", and {more} more" if more else ""
        super().__init__(422, "invalid_input", f"{first.where}: {first.problem}{also}")
        self.errors = tuple(errors)


class CallError(PenstockError):
    """A call of another service got no answer that can be used. The message says which call, and why.

    A handler that lets it pass is answered with `status` and `reason`, and the message is logged. `may_repeat`: the
    call was not started, so that nothing happens twice when it is made again.
    """

    status = 502
    reason = "call_failed"
    may_repeat = False


class CallUnreachable(CallError):  # noqa: N818 - it says what is the case
    """No gateway is connected that passes calls on. Nothing was sent."""

    status = 503
    reason = "call_unreachable"
    may_repeat = True


class CallRefused(CallError):  # noqa: N818 - the protocol's name for it
    """Every gateway that is connected refused it, or too many calls are under way already. Nothing was started."""

    status = 503
    reason = "call_refused"
    may_repeat = True


class CallDeadline(CallError):  # noqa: N818 - it says what is the case
    """There was no time left for an answer. It is not known whether the call was carried out."""

    status = 504
    reason = "deadline"


class CallLost(CallError):  # noqa: N818 - it says what is the case
    """The connection was lost, or the answer given up. It is not known whether the call was carried out."""

    reason = "call_lost"


class CallFailed(CallError):  # noqa: N818 - it says what is the case
    """The other service, or the gateway in its place, answered with status 400 or above: `reply` is the answer."""

    def __init__(self, message: str, reply: "Reply") -> None:
        """Keep the answer."""
        super().__init__(message)
        self.reply = reply


class AnswerError(PenstockError):
    """What a handler returned cannot be sent. Logged with the reason; the client gets 500 `bad_answer`."""


class StreamCause(StrEnum):
    """Why a stream ended before its end (docs/protocol.md, section 7)."""

    CANCELLED = "cancelled"
    """The side that opened the exchange has given it up."""
    ABORTED = "aborted"
    """The side that carries out cannot go on."""
    LOST = "lost"
    """The connection is gone."""
    GIVEN_UP = "given_up"
    """This side has given it up."""
    NOT_WANTED = "not_wanted"
    """The receiver has answered in full and wants no more."""
    CREDIT_EXCEEDED = "credit_exceeded"
    """The peer sent more than it was granted."""
    CREDIT_OVERFLOW = "credit_overflow"
    """The peer granted more than 2^31 - 1 bytes."""
    AFTER_END = "after_end"
    """The peer sent something after its END."""
    LENGTH_EXCEEDED = "length_exceeded"
    """The peer sent more than the length that it declared."""
    LENGTH_SHORT = "length_short"
    """The peer ended before the length that it declared."""
    TRAILERS_MISPLACED = "trailers_misplaced"
    """The peer sent trailers where there are none: on an upgraded exchange."""


class StreamBroken(PenstockError):  # noqa: N818 - it says what is the case
    """A body cannot be read or sent to its end. `cause` says why."""

    def __init__(self, cause: StreamCause) -> None:
        """Keep the cause."""
        super().__init__(f"the stream is broken: {cause.value}")
        self.cause = cause


class SocketClosed(StreamBroken):
    """A WebSocket is closed, and nothing can be sent. `code` and `reason` as in RFC 6455, section 7.4."""

    def __init__(self, code: int, reason: str = "") -> None:
        """Keep code and reason."""
        super().__init__(StreamCause.GIVEN_UP)
        self.args = (f"the WebSocket is closed: {code}" + (f" {reason}" if reason else ""),)
        self.code = code
        self.reason = reason


class StreamMisuse(PenstockError):  # noqa: N818 - it says what is the case
    """A mistake of the sender of a body: beyond or short of the declared length, or after the end."""


class GatewayError(PenstockError):
    """A gateway will not have this service in a way that trying again does not change."""
