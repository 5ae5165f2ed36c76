"""What random clients asked and what they and random services then saw: each answer says what it answers."""

import hashlib
from collections import Counter
from typing import NamedTuple

from lab_client import HttpAnswer

STATUSES = (408, 502, 503, 504)
"""Of answers that the gateway gives where a service fails or a client is slow."""
EARLY = b" early"
"""Behind the target: an answer that did not wait for the request's body."""


class Drawn(NamedTuple):
    """A request. target: no other request of the run has it; data: what is sent for it."""

    method: str
    target: bytes
    body: bytes
    data: bytes
    is_last: bool = False
    """Nothing behind it is answered on its connection: HTTP/1.0."""


def make_answer(target: bytes, body: bytes, filler_bytes: int = 0) -> bytes:
    """Return an answer that names its request, the request's body and its own length, so that any cut of it shows."""
    return b"%b %b %d %b" % (target, hashlib.sha256(body).hexdigest().encode(), filler_bytes, b"z" * filler_bytes)


def is_answer_to(drawn: Drawn, body: bytes) -> bool:
    """Whether it is the answer to that request, and whole."""
    if body == drawn.target + EARLY:
        return True
    parts = body.split(b" ", 3)
    return len(parts) == 4 and parts[2].isdigit() and body == make_answer(drawn.target, drawn.body, int(parts[2]))


def is_cut_answer_to(drawn: Drawn, body: bytes) -> bool:
    """Whether it is the beginning of the answer to that request, and not all of it."""
    parts = body.split(b" ", 3)
    if len(parts) < 4 or not parts[2].isdigit():
        return make_answer(drawn.target, drawn.body).startswith(body)
    whole = make_answer(drawn.target, drawn.body, int(parts[2]))
    return len(body) < len(whole) and whole.startswith(body)


class Ledger:
    """What happened how often, and what was wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self._bodies: dict[bytes, bytes] = {}

    def ask(self, drawn: Drawn) -> None:
        """Note a request before it is sent."""
        self._bodies[drawn.target] = drawn.body

    def deliver(self, target: bytes, body: bytes) -> None:
        """Note a body whose end came to a service: none may end before its time, or have another's bytes."""
        self.counts["delivered"] += 1
        if body != self._bodies[target]:
            self.wrong.append(f"{target!r} has {len(body)} bytes, not its {len(self._bodies[target])}")

    def answer(self, drawn: Drawn, answer: HttpAnswer) -> None:
        """Note an answer that came whole, as far as its framing tells."""
        if answer.status == 200:
            self.counts["answered"] += 1
            is_right = drawn.method == "HEAD" or is_answer_to(drawn, answer.body)
        else:
            self.counts["refused"] += 1
            is_right = answer.status in STATUSES and (drawn.method == "HEAD" or bool(answer.reason))
        if not is_right:
            self.wrong.append(
                f"{drawn.method} {drawn.target!r} was answered {answer.status} {answer.body[:120]!r}"
                f" ({len(answer.body)} bytes)"
            )
