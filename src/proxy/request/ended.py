"""How an exchange has ended, for who wants to know: what keeps answers, and lets others wait for them.

    lane.endings[exchange.id] = take     in a stage, before the request is sent; take(Ended) is called once, at its end

Where the client has left, ``take`` may return True: the request goes on without it, in the hands of who says so.
The wire tells of good answers only where the route's ``how`` has TELL.
"""

from collections.abc import Callable
from typing import NamedTuple

from proxy.request.stage import Answer


class Ended(NamedTuple):
    """One of three: a service's answer, one of the gateway's own, or nobody was left to be answered."""

    status: int = 0
    """Of a service's answer; 0: it is none."""
    payload: bytes = b""
    """Of its RESPONSE."""
    answer: Answer | None = None
    """The gateway's own."""
    is_unstarted: bool = False
    """Whether no service can have begun it, although the answer's reason does not say so."""


GONE = Ended()
"""The client has left before."""

Take = Callable[[Ended], bool | None]
Endings = dict[int, Take]
"""Who is to be told, by the exchange's id."""
