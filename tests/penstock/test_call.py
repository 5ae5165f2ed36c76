from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from frames.fields import encode_request
from frames.frame import FieldId, Method
from penstock import BadRequest, Call, Service
from penstock.calls import FRAME_END

TRACE = bytes(range(24)) + b"\x01"


class Item(msgspec.Struct):
    name: str


def make(
    target: bytes = b"/a?x=1",
    *,
    fields: list[tuple[int, bytes, bytes]] | None = None,
    body: bytes = b"",
    remaining_ms: int = 1500,
    clock: Callable[[], float] = lambda: 10.0,
    offset: int = 0,
) -> Call:
    service = Service("s", version="1.0.0")
    service.post("/{part}")(lambda call, part: None)
    fields = fields or []
    payload = encode_request(remaining_ms, 0, Method.POST, target, fields, body)
    at = offset + 12 + 4 * len(fields)
    event = (
        5,
        9,
        11,
        0,
        Method.POST | 2 << 8 | FRAME_END,
        offset,
        len(payload),
        remaining_ms,
        at,
        len(target),
        len(body),
    )
    return Call(event, payload, service.endpoints[0], 10.0, clock)


def test_what_the_frame_says() -> None:
    call = make(body=b"hello", offset=160)
    assert (call.method, call.target, call.path, call.attempt) == ("POST", "/a?x=1", "/a", 2)
    assert call.body == b"hello"
    assert call.key == (9, 5)
    assert call.params == {"part": "a"}
    assert repr(call) == "<Call POST /a?x=1 attempt=2 remaining_ms=1500>"


def test_remaining_shrinks_with_the_clock_and_stops_at_0() -> None:
    now = [10.0]
    call = make(clock=lambda: now[0])
    assert call.deadline == 11.5
    assert call.remaining_ms == 1500
    now[0] = 11.25
    assert call.remaining_ms == 250
    now[0] = 20.0
    assert call.remaining_ms == 0


def test_context_fields() -> None:
    call = make(
        fields=[
            (FieldId.TENANT, b"", b"acme"),
            (FieldId.CORRELATION_ID, b"", b"cor"),
            (FieldId.REQUEST_ID, b"", b"req"),
            (FieldId.TRACE, b"", TRACE),
            (FieldId.TRACESTATE, b"", b"v=1"),
            (200, b"", b"from the future"),
            (0, b"accept", b"text/plain"),
        ]
    )
    assert (call.tenant, call.correlation_id, call.request_id, call.tracestate) == ("acme", "cor", "req", "v=1")
    assert call.trace is not None
    assert call.trace.traceparent == "00-000102030405060708090a0b0c0d0e0f-1011121314151617-01"
    assert (call.trace.trace_id, call.trace.parent_id, call.trace.flags) == (TRACE[:16].hex(), TRACE[16:24].hex(), 1)
    assert dict(call.headers) == {"accept": "text/plain"}


def test_no_context() -> None:
    call = make()
    assert (call.tenant, call.correlation_id, call.request_id, call.trace, call.tracestate) == (None,) * 5
    assert dict(call.headers) == {}
    assert call.body == b""


def test_headers_in_any_case_and_repeated() -> None:
    call = make(
        fields=[
            (0, b"accept", b"a"),
            (0, b"accept", b"b"),
            (0, b"cookie", b"x=1"),
            (0, b"cookie", b"y=2"),
            (0, b"n", b"\xe9"),
        ]
    )
    assert call.headers["Accept"] == "a, b"
    assert call.headers["cookie"] == "x=1; y=2"
    assert call.headers["n"] == "é"
    assert call.headers.all("ACCEPT") == ["a", "b"]
    assert call.headers.get("missing") is None
    assert "Accept" in call.headers
    assert len(call.headers) == 3
    assert call.headers is call.headers


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/a", {}),
        (b"/a?", {}),
        (b"/a?x=1&y=2", {"x": ["1"], "y": ["2"]}),
        (b"/a?x=1&x=2", {"x": ["1", "2"]}),
        (b"/a?x=&y", {"x": [""], "y": [""]}),
        (b"/a?a+b=c%20d%26", {"a b": ["c d&"]}),
        (b"/a?x=%C3%A9?", {"x": ["é?"]}),
    ],
)
def test_query(target: bytes, expected: dict[str, list[str]]) -> None:
    query = make(target).query
    assert {name: query.all(name) for name in query} == expected
    assert query.all("missing") == []
    if expected:
        assert query[next(iter(expected))] == next(iter(expected.values()))[0]


@pytest.mark.parametrize("target", [b"/a?x=%ff", b"/a?%80=1", b"/a?" + b"x&" * 1200])
def test_a_query_that_cannot_be_decoded(target: bytes) -> None:
    with pytest.raises(BadRequest) as raised:
        _ = make(target).query
    assert (raised.value.status, raised.value.reason) == (400, "malformed_query")


def test_json() -> None:
    assert make(body=b'{"name": "x"}').json() == {"name": "x"}
    assert make(body=b'{"name": "x"}').json(Item) == Item("x")
    assert make(body=b"[1]").json(list[int]) == [1]


@pytest.mark.parametrize(
    ("body", "wanted", "reason"),
    [
        (b"", None, "malformed_json"),
        (b"{", None, "malformed_json"),
        (b'"\xff"', None, "malformed_json"),
        (b"[" * 100_000, None, "malformed_json"),
        (b"{}", Item, "invalid_body"),
        (b'{"name": 1}', Item, "invalid_body"),
        (b"{", Item, "malformed_json"),
    ],
)
def test_json_that_is_wrong(body: bytes, wanted: Any, reason: str) -> None:
    with pytest.raises(BadRequest) as raised:
        make(body=body).json(wanted)
    assert raised.value.reason == reason
    assert raised.value.detail
