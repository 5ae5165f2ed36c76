import dataclasses
from typing import Any

import msgspec
import pytest

from penstock import Problem, Response, Service, testing


class Item(msgspec.Struct):
    name: str


@dataclasses.dataclass
class Point:
    x: int


def answer_to(value: Any) -> testing.Response:
    service = Service("s", version="1.0.0")
    service.get("/")(lambda call: value)
    return testing.call_nowait(service, "GET", "/")


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([], 200, "application/json", b"[]"),
        (Item("x"), 200, "application/json", b'{"name":"x"}'),
        (Point(1), 200, "application/json", b'{"x":1}'),
        (5, 200, "application/json", b"5"),
        (False, 200, "application/json", b"false"),
        ("é", 200, "text/plain; charset=utf-8", "é".encode()),
        (b"\x00", 200, "application/octet-stream", b"\x00"),
        (bytearray(b"x"), 200, "application/octet-stream", b"x"),
        (None, 204, None, b""),
        ((201, {"a": 1}), 201, "application/json", b'{"a":1}'),
        ((202, None), 202, None, b""),
        ((204, None), 204, None, b""),
        ((204, ""), 204, None, b""),
        ((404, "no"), 404, "text/plain; charset=utf-8", b"no"),
        (Response("x", 418), 418, "text/plain; charset=utf-8", b"x"),
        (Response(), 204, None, b""),
        (Response({"a": 1}, headers={"Content-Type": "application/x"}), 200, "application/x", b'{"a":1}'),
    ],
)
def test_what_is_returned(value: Any, status: int, content_type: str | None, body: bytes) -> None:
    response = answer_to(value)
    assert (response.status, response.headers.get("content-type"), response.body) == (status, content_type, body)


def test_header_fields() -> None:
    response = answer_to((200, "x", {"X-Count": "3"}))
    assert response.headers["x-count"] == "3"
    response = answer_to(Response("x", headers=[("set-cookie", "a=1"), ("Set-Cookie", "b=2")]))
    assert response.headers.all("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    "value",
    [
        (99, "x"),
        (100, "x"),
        (600, "x"),
        ("200", "x"),
        (None, {"a": 1}),
        ([], {"a": 1}),
        (204, {"a": 1}),
        (304, "x"),
        (200,),
        (200, "x", {}, "more"),
        (200, "x", 5),
        (200, "x", {"a": 1}),
        (200, "x", {1: "a"}),
        (200, "x", {"": "a"}),
        (200, "x", {"a b": "c"}),
        (200, "x", {"é": "c"}),
        (200, "x", {"a": "b\r\nset-cookie: c"}),
        (200, "x", {"a": "b\x00"}),
        (200, "x", {"a": "\u20ac"}),
        (200, "x", {"a": "b" * 65_536}),
        (200, "x", {"n" * 256: "b"}),
        (200, "x", {f"h{number}": "v" for number in range(129)}),
        (200, "x", {"Content-Length": "1"}),
        (200, "x", {"transfer-encoding": "chunked"}),
        (200, "x", {"Connection": "close"}),
        object(),
        {"a": object()},
        {"a": "\ud800"},
        lambda: None,
    ],
)
def test_what_cannot_be_sent_is_a_plain_500_and_a_log_line(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = answer_to(value)
    assert response.status == 500
    assert response.json() == {
        "title": "Internal Server Error",
        "status": 500,
        "reason": "bad_answer",
        "request_id": "test-request",
        "correlation_id": "test-correlation",
    }
    assert "cannot be sent" in caplog.text


def test_a_problem() -> None:
    service = Service("s", version="1.0.0")

    @service.get("/")
    def refuse(call: object) -> None:
        raise Problem(409, "already_paid", "it was paid yesterday")

    response = testing.call_nowait(service, "GET", "/")
    assert response.status == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["title"] == "Conflict"
    assert (response.json()["reason"], response.json()["detail"]) == ("already_paid", "it was paid yesterday")


def test_a_problem_with_a_status_that_has_no_name() -> None:
    service = Service("s", version="1.0.0")

    @service.get("/")
    def refuse(call: object) -> None:
        raise Problem(499, "odd")

    assert testing.call_nowait(service, "GET", "/").json()["title"] == "Error"


@pytest.mark.parametrize("status", [200, 399, 600])
def test_a_problem_is_an_error(status: int) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        Problem(status, "x")


def test_a_problem_that_cannot_be_sent_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    service = Service("s", version="1.0.0")
    detail: Any = object()

    @service.get("/")
    def refuse(call: object) -> None:
        raise Problem(400, "x", detail)

    assert testing.call_nowait(service, "GET", "/").json()["reason"] == "handler_error"
    assert "handler failed" in caplog.text
