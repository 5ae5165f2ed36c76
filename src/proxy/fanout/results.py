"""What becomes of a leg: an answer of its service, or the reason why there is none."""

import msgspec

from proxy.errors import FANOUT_TOO_LARGE, Reason
from proxy.request.gathered import Outcome, Whole

_BAD_STATUS_MIN = 400


class LegResult(msgspec.Struct, frozen=True, kw_only=True):
    """One leg that is over. reason: None where its service has answered, whatever it said; ms: since it was asked."""

    reason: Reason | None = None
    status: int = 0
    payload: bytes = b""
    """Of a RESPONSE; its last ``body_bytes`` are the body."""
    body_bytes: int = 0
    ms: float = 0.0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Of the answer that the gateway would give for this leg alone, such as the challenge of a 401."""

    @property
    def is_good(self) -> bool:
        """Whether the service has answered, and not with an error."""
        return self.reason is None and self.status < _BAD_STATUS_MIN

    @property
    def body(self) -> bytes:
        """The body alone."""
        return self.payload[len(self.payload) - self.body_bytes :]

    @property
    def word(self) -> str:
        """What metrics call it: ``good``, ``bad_status``, or a reason's code."""
        if self.reason is not None:
            return self.reason.code
        return "good" if self.is_good else "bad_status"


WORDS_OF_ANSWERS = ("good", "bad_status")


def result_of(outcome: Outcome, ms: float, body_bytes_left: int, *, late: Reason) -> LegResult:
    """Return what an outcome is to a fan-out.

    body_bytes_left: what its answers may still have together; late: the reason where it had no more time.
    """
    if not isinstance(outcome, Whole):
        reason = late if outcome.reason.code == "deadline" else outcome.reason
        return LegResult(reason=reason, ms=ms, headers=outcome.headers)
    body_bytes = len(outcome.body)
    if body_bytes > body_bytes_left:
        return LegResult(reason=FANOUT_TOO_LARGE, ms=ms)
    return LegResult(status=outcome.status, payload=outcome.payload, body_bytes=body_bytes, ms=ms)
