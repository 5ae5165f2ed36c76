"""How an answer's end is made known: every status that matters, HEAD, HTTP/1.0, with and without a length."""

from itertools import product

import pytest

from frames.frame import Method
from frames.wire_values import Framing
from proxy.edge.task.framing import AnswerFraming, frame_answer

LENGTH, CHUNKED, NONE = Framing.LENGTH, Framing.CHUNKED, Framing.NONE
GET, HEAD, POST = Method.GET, Method.HEAD, Method.POST

TABLE = [
    # status, method, bytes in the RESPONSE, declared, whole, HTTP/1.0 -> framing, length, has_body, closes
    ((200, GET, 5, None, True, False), (LENGTH, 5, True, False)),
    ((200, GET, 0, None, True, False), (LENGTH, 0, True, False)),
    ((200, GET, 5, 5, True, False), (LENGTH, 5, True, False)),
    ((200, GET, 5, 9, False, False), (LENGTH, 9, True, False)),
    ((200, GET, 0, 0, False, False), (LENGTH, 0, True, False)),
    ((200, GET, 5, None, False, False), (CHUNKED, 0, True, False)),
    ((200, GET, 5, None, True, True), (LENGTH, 5, True, False)),
    ((200, GET, 5, 9, False, True), (LENGTH, 9, True, False)),
    ((200, GET, 5, None, False, True), (NONE, 0, True, True)),
    ((500, POST, 5, None, False, False), (CHUNKED, 0, True, False)),
    ((500, POST, 5, None, False, True), (NONE, 0, True, True)),
    ((200, HEAD, 0, None, True, False), (NONE, 0, False, False)),
    ((200, HEAD, 0, 9, True, False), (LENGTH, 9, False, False)),
    ((200, HEAD, 0, 0, True, False), (LENGTH, 0, False, False)),
    ((200, HEAD, 5, None, True, False), (LENGTH, 5, False, False)),
    ((200, HEAD, 5, None, False, False), (NONE, 0, False, False)),
    ((200, HEAD, 5, 9, False, True), (LENGTH, 9, False, False)),
    ((204, GET, 0, None, True, False), (NONE, 0, False, False)),
    ((204, HEAD, 0, None, True, True), (NONE, 0, False, False)),
    ((304, GET, 0, None, True, False), (NONE, 0, False, False)),
    ((205, GET, 0, None, True, False), (LENGTH, 0, True, False)),
]


@pytest.mark.parametrize(("given", "expected"), TABLE)
def test_table(
    given: tuple[int, Method, int, int | None, bool, bool], expected: tuple[Framing, int, bool, bool]
) -> None:
    status, method, body_bytes, length, is_whole, is_http_1_0 = given
    framing = frame_answer(status, method, body_bytes, length, is_whole=is_whole, is_http_1_0=is_http_1_0)
    assert framing == AnswerFraming(*expected)


ALL = list(
    product((200, 201, 204, 206, 304, 404, 503), Method, (0, 5), (None, 0, 5, 2**53), (False, True), (False, True))
)


def test_every_combination_keeps_the_rules() -> None:
    """RFC 9112, section 6.3, from the client's side: it can always tell where the answer ends."""
    for status, method, body_bytes, length, is_whole, is_http_1_0 in ALL:
        framing = frame_answer(status, method, body_bytes, length, is_whole=is_whole, is_http_1_0=is_http_1_0)
        given = (status, method, body_bytes, length, is_whole, is_http_1_0)
        assert framing.has_body == (status not in (204, 304) and method != HEAD), given
        assert framing.framing is not CHUNKED or not is_http_1_0, given  # which knows no chunks
        assert not framing.has_body or framing.framing is not NONE or framing.closes, given
        assert not framing.closes or is_http_1_0, given
        assert framing.length in ((length,) if length is not None else (0, body_bytes)) or status in (204, 304), given
