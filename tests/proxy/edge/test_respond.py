import json
from functools import partial

import h11
import pytest

from proxy.edge.respond import Rendered, respond
from proxy.errors import CLIENT_GONE, DRAINING, INTERNAL, METHOD_NOT_ALLOWED, NO_INSTANCE, NO_ROUTE, REASONS, Reason

answer_to = partial(respond, request_id=b"r-1", correlation_id=b"c/1==")


def fields_of(answer: Rendered) -> dict[bytes, bytes]:
    """The field lines, as an HTTP parser of good repute reads them."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    client.receive_data(b"HTTP/1.1 %d x\r\n" % answer.status + answer.lines + b"\r\n")
    response = client.next_event()
    assert isinstance(response, h11.Response)
    fields = dict(response.headers)
    assert len(fields) == len(list(response.headers)), "a field is there twice"
    return fields


@pytest.mark.parametrize("reason", [r for r in REASONS.values() if r is not CLIENT_GONE], ids=lambda r: r.code)
def test_every_reason_becomes_a_problem_document(reason: Reason) -> None:
    answer = answer_to(reason)
    assert json.loads(answer.body) == {
        "type": f"urn:penstock:reason:{reason.code}",
        "title": reason.title,
        "status": reason.status,
        "reason": reason.code,
        "request_id": "r-1",
        "correlation_id": "c/1==",
    }
    assert (answer.status, answer.close) == (reason.status, reason.closes)
    expected = {b"content-type": b"application/problem+json", b"cache-control": b"no-store"}
    if reason.retry_after_s is not None:
        expected[b"retry-after"] = b"%d" % reason.retry_after_s
    assert fields_of(answer) == expected


def test_detail_and_instance_are_told_where_they_are_given() -> None:
    body = json.loads(answer_to(NO_ROUTE, detail='a "quoted"\n<détail>', instance="/invoices/42").body)
    assert body["detail"] == 'a "quoted"\n<détail>'
    assert body["instance"] == "/invoices/42"


def test_an_id_cannot_leave_its_member() -> None:
    body = json.loads(respond(NO_ROUTE, request_id=b'","reason":"x', correlation_id=b"\xff\x00\\").body)
    assert body["reason"] == "no_route"
    assert body["request_id"] == '","reason":"x'
    assert body["correlation_id"] == "\xff\x00\\"


def test_more_headers_come_after_ours() -> None:
    answer = answer_to(METHOD_NOT_ALLOWED, headers=[(b"allow", b"GET, HEAD")])
    assert fields_of(answer)[b"allow"] == b"GET, HEAD"


@pytest.mark.parametrize("value", [b"GET\r\nset-cookie: a=b", b"a\nb", b"a\x00", b"a\x7f"])
@pytest.mark.parametrize("place", ["name", "value"])
def test_a_header_cannot_begin_another_line(value: bytes, place: str) -> None:
    header = (value, b"x") if place == "name" else (b"allow", value)
    with pytest.raises(ValueError, match="control byte"):
        answer_to(METHOD_NOT_ALLOWED, headers=[header])


def test_a_service_may_advise_a_longer_wait() -> None:
    assert fields_of(answer_to(NO_INSTANCE, retry_after_s=7))[b"retry-after"] == b"7"


def test_the_reason_stands_in_a_header_only_where_the_operator_allows_it() -> None:
    assert b"x-penstock-reason" not in fields_of(answer_to(DRAINING))
    assert fields_of(answer_to(DRAINING, reason_header=True))[b"x-penstock-reason"] == b"draining"


@pytest.mark.parametrize("cause", [KeyError("secret"), None, 404, "secret", CLIENT_GONE])
def test_what_is_unknown_becomes_a_plain_500_and_nothing_leaks(cause: object) -> None:
    answer = answer_to(cause, detail="secret")
    assert answer == answer_to(INTERNAL)
    assert b"secret" not in answer.body
    assert answer.status == 500


def test_a_detail_of_one_answer_is_not_in_the_next() -> None:
    answer_to(NO_ROUTE, detail="first", headers=[(b"x-first", b"1")])
    answer = answer_to(NO_ROUTE)
    assert b"first" not in answer.lines + answer.body
