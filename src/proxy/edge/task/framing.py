"""How the end of an answer's body is made known to the client (RFC 9112, section 6.3; RFC 9110, section 6.4.1)."""

from typing import Final, NamedTuple

from frames.frame import Method
from frames.wire_values import Framing

BODILESS: Final = frozenset((204, 304))


class AnswerFraming(NamedTuple):
    """How an answer is framed."""

    framing: Framing
    length: int = 0
    """Of the body, for ``Framing.LENGTH``."""
    has_body: bool = True
    """Whether a body may follow the head."""
    closes: bool = False
    """Whether the end of the connection is the body's end."""


def frame_answer(
    status: int, method: int, body_bytes: int, length: int | None, *, is_whole: bool, is_http_1_0: bool
) -> AnswerFraming:
    """Return the framing of a final answer.

    body_bytes: what came in the RESPONSE itself; is_whole: that was all of it; length: of the whole body, as the
    service declared it, or None.
    """
    if status in BODILESS:
        return AnswerFraming(Framing.NONE, has_body=False)
    if is_whole and length is None and not (method == Method.HEAD and not body_bytes):
        length = body_bytes
    if method == Method.HEAD:
        is_known = length is not None
        return AnswerFraming(Framing.LENGTH if is_known else Framing.NONE, length or 0, has_body=False)
    if length is not None:
        return AnswerFraming(Framing.LENGTH, length)
    if is_http_1_0:
        return AnswerFraming(Framing.NONE, closes=True)
    return AnswerFraming(Framing.CHUNKED)
