"""The errors of the SDK: what a service author may raise, and what may be raised at them.

PenstockError
├── RegistrationError   the service is described wrongly; raised while it is being written down, at import time
├── Problem             a handler raises it to be answered with problem+json (RFC 9457)
│   └── BadRequest      the same with status 400: the client's fault
├── AnswerError         what a handler returned cannot be sent; the client gets a plain 500
└── GatewayError        the service cannot go on with a gateway, and trying again will not help
"""

__all__ = ["AnswerError", "BadRequest", "GatewayError", "PenstockError", "Problem", "RegistrationError"]


class PenstockError(Exception):
    """The root of the SDK's errors."""


class RegistrationError(PenstockError):
    """The service or an endpoint is described wrongly. The message says what, where and how to put it right."""


class Problem(PenstockError):  # noqa: N818 - the standard's name for it
    """Raised by a handler to be answered with `application/problem+json`.

    `reason` is the stable code that programs look at (lower case, `_` between words); `detail` is for people and goes
    to the client as it is, so it must not hold what the client may not know.
    """

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


class AnswerError(PenstockError):
    """What a handler returned cannot be sent. Logged with the reason; the client gets 500 `bad_answer`."""


class GatewayError(PenstockError):
    """A gateway will not have this service in a way that trying again does not change."""
