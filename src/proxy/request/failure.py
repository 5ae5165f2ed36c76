"""A failure: what has become of one attempt that a service did not simply answer.

The lane makes one of each event that tells of it. Who counts failures, and who sends requests again, judge by it; where
nobody sends it again, it says what the client is told.
"""

from enum import Enum
from typing import NamedTuple

from frames.frame import CancelReason
from proxy.request.stage import Answer


class FailureKind(Enum):
    """How an attempt failed."""

    LOST = "lost"
    """The connection was lost."""
    REFUSED = "refused"
    """The service has not started it, and says so."""
    SLOW = "slow"
    """The time of one attempt has passed; the deadline has not."""
    ANSWERED = "answered"
    """The service answered 429, or above 499. The client has not got it yet."""
    BAD = "bad"
    """The service's response cannot be passed on."""
    NOBODY = "nobody"
    """There was no instance that could take it."""


class Failure(NamedTuple):
    """One failed attempt."""

    kind: FailureKind
    answer: Answer
    """What the client is told, if it is not sent again and has no answer of a service."""
    is_started: bool = True
    """Whether a service may have started it."""
    retry_after_ms: int = 0
    """How long the service asks to wait, where the frame that failed it says so; 0: it does not."""
    status: int = 0
    """Of a service's answer."""
    payload: bytes = b""
    """Of the RESPONSE, whole: it can be passed on later."""
    cancel: CancelReason | None = None
    """With which reason the attempt has to be taken back first: it is still with its service."""
