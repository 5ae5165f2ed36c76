"""The merged document: its shape, and that no answer of a service can break it."""

import json
from typing import Any

import pytest

from frames.fields import encode_response
from frames.frame import FieldId
from proxy.errors import FANOUT_LEG_TIMEOUT, FANOUT_TOO_LARGE, SERVICE_LOST
from proxy.fanout.merged import LegName, head_payload, merge, merged_payload
from proxy.fanout.results import LegResult, result_of
from proxy.request.gathered import Whole
from proxy.request.stage import Answer


def answered(body: bytes, content_type: bytes = b"application/json", status: int = 200, ms: float = 1.26) -> LegResult:
    payload = encode_response(status, [(FieldId.NAMED, b"content-type", content_type)], body)
    return LegResult(status=status, payload=payload, body_bytes=len(body), ms=ms)


def one(result: LegResult) -> dict[str, Any]:
    document = json.loads(merge([LegName("a")], [result]))
    assert document["version"] == 1
    leg: dict[str, Any] = document["legs"][0]
    return leg


def test_a_document_tells_what_became_of_each_leg() -> None:
    names = [LegName("billing"), LegName("orders", "orders-2")]
    late = LegResult(reason=FANOUT_LEG_TIMEOUT, ms=1000.04)
    assert merge(names, [answered(b'{"due": 3}\n'), late]) == (
        b'{"version":1,"complete":false,"legs":['
        b'{"name":"billing","instance":"","ok":true,"status":200,"reason":null,"ms":1.3,"body":{"due": 3}},'
        b'{"name":"orders","instance":"orders-2","ok":false,"status":null,"reason":"fanout_leg_timeout","ms":1000.0}'
        b"]}\n"
    )


def test_it_is_complete_where_every_leg_is_ok() -> None:
    names = [LegName("a"), LegName("b")]
    assert json.loads(merge(names, [answered(b"1"), answered(b"")]))["complete"] is True
    assert json.loads(merge(names, [answered(b"1"), answered(b"{}", status=404)]))["complete"] is False
    assert json.loads(merge([], [])) == {"version": 1, "complete": True, "legs": []}


@pytest.mark.parametrize("body", [b'{"a":', b"{} x", b"", b"nope", b'{"a":"b}', b"]", b"1,2", b"{} {}", b"[" * 200_000])
def test_what_is_no_json_is_text(body: bytes) -> None:
    leg = one(answered(body))
    assert "body" not in leg
    assert leg.get("text", "") == body.decode()


@pytest.mark.parametrize(
    ("content_type", "member"),
    [
        (b"application/json", "body"),
        (b"Application/JSON; charset=utf-8", "body"),
        (b"application/problem+json", "body"),
        (b"text/plain", "text"),
        (b"", "text"),
        (b"application/json5", "text"),
    ],
)
def test_only_what_says_that_it_is_json_is_taken_for_json(content_type: bytes, member: str) -> None:
    assert one(answered(b"[1]", content_type))[member] == ([1] if member == "body" else "[1]")


def test_what_is_no_text_is_base64() -> None:
    leg = one(answered(b"\xff\x00", b"application/json"))
    assert (leg["base64"], "body" in leg, "text" in leg) == ("/wA=", False, False)


def test_a_document_that_no_frame_carries_is_none() -> None:
    assert merged_payload([LegName("a")], [answered(b"\x01" * 300_000, b"text/plain")]) is None
    body = merge([LegName("a")], [answered(b"1")])
    payload, body_bytes = merged_payload([LegName("a")], [answered(b"1")]) or (b"", 0)
    assert (payload[-body_bytes:], body_bytes) == (body, len(body))


def test_the_answer_to_head_has_no_body_and_its_length() -> None:
    result = answered(b"12345")
    assert head_payload(result.payload, 5) == encode_response(
        200, [(FieldId.BODY_LENGTH, b"", b"5"), (FieldId.NAMED, b"content-type", b"application/json")]
    )
    assert head_payload(encode_response(204), 0) == encode_response(204)


def test_an_outcome_becomes_a_result() -> None:
    whole = Whole(200, encode_response(200, (), b"abc"), 3)
    assert result_of(whole, 1.0, 3, late=FANOUT_LEG_TIMEOUT).body == b"abc"
    assert result_of(whole, 1.0, 2, late=FANOUT_LEG_TIMEOUT).reason is FANOUT_TOO_LARGE
    assert result_of(Answer(SERVICE_LOST), 1.0, 9, late=FANOUT_LEG_TIMEOUT).reason is SERVICE_LOST


@pytest.mark.parametrize(
    ("status", "word", "is_good"),
    [(200, "good", True), (302, "good", True), (399, "good", True), (400, "bad_status", False)],
)
def test_a_leg_is_good_below_400(status: int, word: str, is_good: bool) -> None:
    result = LegResult(status=status)
    assert (result.word, result.is_good) == (word, is_good)
    assert LegResult(reason=SERVICE_LOST).word == "service_lost"
