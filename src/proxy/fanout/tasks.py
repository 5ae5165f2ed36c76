"""Requests that cannot be parked, since their heads are unusual: a task waits for what becomes of their legs.

HTTP/1.0, a target in another form, a version before the path: rare, and no reason to refuse what has no body. The legs
are made in the batch of the request, while its head is there; the task asks them, and then its stage gives the answer.
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio

from frames.fields import decode_fields
from frames.frame import CancelReason, FieldId
from frames.limits import FIELD_ENTRY_BYTES, RESPONSE_FIXED_BYTES
from proxy.fanout.asking import Asker, Asking, Leg
from proxy.fanout.fan import Rule
from proxy.request.stage import Answer, Reply

_NOT_OURS: Final = frozenset((b"connection", b"content-length", b"date", b"x-correlation-id", b"x-request-id"))
"""What the wire says of every answer itself."""

Settle = Callable[[Asking], Answer | Reply]


class TaskWait:
    """One request that a task carries. ``found``: what became of it, once `wait` has ended."""

    def __init__(
        self, asker: Asker, legs: Sequence[Leg], rule: Rule, *, bytes_max: int, deadline_ms: int, settle: Settle
    ) -> None:
        """deadline_ms: from now on; settle: makes the answer of the legs that are over."""
        self._asker = asker
        self._legs = legs
        self._rule = rule
        self._bytes_max = bytes_max
        self._ends_at = asker.clock() + deadline_ms / 1000
        self._settle = settle
        self._is_over = trio.Event()
        self.found: Answer | Reply | None = None
        self.has_ended = False

    async def wait(self) -> None:
        """Ask, and wait until all is over; whoever is still asked when this is cancelled is told to stop."""
        asking = Asking(
            self._asker,
            self._legs,
            self._rule,
            bytes_max=self._bytes_max,
            ends_at=self._ends_at,
            done=self._done,
        )
        try:
            asking.begin()
            self._asker.flush()
            await self._is_over.wait()
            self.has_ended = True
        finally:
            asking.give_up(CancelReason.CLIENT_GONE)
            self._asker.flush()

    def _done(self, asking: Asking) -> None:
        self.found = self._settle(asking)
        self._is_over.set()


def reply_of(payload: bytes, body_bytes: int) -> Reply:
    """Return a RESPONSE as an answer that a task writes. body_bytes: the last bytes, which are the body."""
    count = int.from_bytes(payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    fields = decode_fields(payload, RESPONSE_FIXED_BYTES, count, text_at)
    headers = tuple((name, value) for field, name, value in fields if field == FieldId.NAMED and name not in _NOT_OURS)
    return Reply(int.from_bytes(payload[:2]), headers, payload[len(payload) - body_bytes :])
