"""Spans as a collector gets them: of requests and of attempts, by the conventions for HTTP."""

from typing import Any

import pytest
from fake_collector import attributes_of
from made_records import PARENT_ID, SPAN_ID, STARTED_UNIX_US, TRACE_ID, attempt, names, record
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.semconv.attributes import (
    client_attributes,
    error_attributes,
    http_attributes,
    server_attributes,
    url_attributes,
)

from frames.frame import Method
from frames.records import AttemptOutcome, RecordFlag
from proxy.errors import REASONS
from proxy.traces.sampled import sampled_of
from proxy.traces.spans import SpanMaker

REASON_NUMBERS = {code: number for number, code in enumerate(REASONS, 1)}


def told(query: str = "names", **fields: Any) -> ExportTraceServiceRequest:
    """What a collector gets."""
    make = SpanMaker({"service.name": "penstock", "service.instance.id": "gw-1"}, "9", query)
    request = ExportTraceServiceRequest()
    request.ParseFromString(make([sampled_of(record(**fields), names())]))
    return request


def spans(query: str = "names", **fields: Any) -> list[Span]:
    return list(told(query, **fields).resource_spans[0].scope_spans[0].spans)


def attributes(span: Span) -> dict[str, Any]:
    return dict(attributes_of(span.attributes))


def test_who_has_made_them() -> None:
    (resource,) = told().resource_spans
    assert attributes_of(resource.resource.attributes) == {"service.name": "penstock", "service.instance.id": "gw-1"}
    assert (resource.scope_spans[0].scope.name, resource.scope_spans[0].scope.version) == ("penstock.gateway", "9")


def test_a_request_is_a_span_and_its_attempt_is_a_child() -> None:
    request, asked = spans(parent_span=PARENT_ID)
    assert (request.name, request.kind) == ("GET /invoices/{invoice_id}", Span.SPAN_KIND_SERVER)
    assert (asked.name, asked.kind) == ("GET /invoices/{invoice_id}", Span.SPAN_KIND_CLIENT)
    assert request.trace_id == asked.trace_id == TRACE_ID
    assert (request.span_id, request.parent_span_id) == (SPAN_ID, PARENT_ID)
    assert (asked.span_id, asked.parent_span_id) == (attempt().span_id, SPAN_ID)


def test_a_trace_that_begins_here_has_no_parent() -> None:
    assert spans()[0].parent_span_id == b""


def test_times_are_those_of_the_record() -> None:
    request, asked = spans(attempts=(attempt(began_us=100, took_us=900),), ended_us=1_250)
    began = STARTED_UNIX_US * 1_000
    assert (request.start_time_unix_nano, request.end_time_unix_nano) == (began, began + 1_250_000)
    assert (asked.start_time_unix_nano, asked.end_time_unix_nano) == (began + 100_000, began + 1_000_000)


def test_an_attempt_that_was_not_over_ends_with_the_request() -> None:
    request, asked = spans(attempts=(attempt(began_us=100, took_us=0, outcome=0),))
    assert asked.end_time_unix_nano == request.end_time_unix_nano


def test_attributes_of_a_request() -> None:
    request = spans()[0]
    assert attributes(request) == {
        http_attributes.HTTP_REQUEST_METHOD: "GET",
        url_attributes.URL_SCHEME: "http",
        url_attributes.URL_PATH: "/invoices/42",
        url_attributes.URL_QUERY: "page=*",
        http_attributes.HTTP_ROUTE: "/invoices/{invoice_id}",
        client_attributes.CLIENT_ADDRESS: "192.0.2.7",
        http_attributes.HTTP_RESPONSE_STATUS_CODE: 200,
        "penstock.service": "billing",
        "penstock.request_id": TRACE_ID.hex(),
        "penstock.correlation_id": "c-1",
        "penstock.tenant": "acme",
        "penstock.principal": "alice",
        "penstock.attempts": 1,
        "penstock.bytes_in": 80,
        "penstock.bytes_out": 512,
    }
    assert request.status.code == Status.STATUS_CODE_UNSET


def test_attributes_of_an_attempt() -> None:
    asked = spans(attempts=(attempt(number=2, outcome=503, connection=4098),))[1]
    assert attributes(asked) == {
        http_attributes.HTTP_REQUEST_METHOD: "GET",
        "url.template": "/invoices/{invoice_id}",
        server_attributes.SERVER_ADDRESS: "billing",
        http_attributes.HTTP_RESPONSE_STATUS_CODE: 503,
        http_attributes.HTTP_REQUEST_RESEND_COUNT: 1,
        error_attributes.ERROR_TYPE: "503",
        "penstock.instance": "b-2",
        "penstock.version": "1.4.0",
    }


def test_texts_and_numbers_of_any_length() -> None:
    target = b"/" + b"a" * 150 + b"?key"
    big = 2**53
    request = spans(target=target, principal=b"p" * 64, bytes_out=big, bytes_in=0)[0]
    said = attributes(request)
    assert (said["url.path"], said["url.query"]) == ("/" + "a" * 150, "*")
    assert (said["penstock.bytes_in"], said["penstock.bytes_out"]) == (0, big)
    assert attributes(spans(principal="é".encode() * 32)[0])["penstock.principal"] == "é" * 32
    assert attributes(spans(principal="é".encode()[:1])[0])["penstock.principal"] == "\ufffd"  # cut within a letter


@pytest.mark.parametrize(("query", "shown"), [("none", None), ("names", "page=*"), ("whole", "page=2")])
def test_a_query_is_shown_as_far_as_is_wanted(query: str, shown: str | None) -> None:
    assert attributes(spans(query)[0]).get(url_attributes.URL_QUERY) == shown


def test_tls_is_the_scheme_of_https() -> None:
    assert attributes(spans(flags=RecordFlag.TLS)[0])[url_attributes.URL_SCHEME] == "https"


def test_without_a_route_the_method_is_the_name() -> None:
    request = spans(route=-1, method=int(Method.PUT), status=404, reason=REASON_NUMBERS["no_route"], attempts=())[0]
    assert request.name == "PUT"
    assert attributes(request)["penstock.reason"] == "no_route"
    assert http_attributes.HTTP_ROUTE not in attributes(request)


ERRORS = {
    "a service's 500": ({"status": 500}, "500", None),
    "ours": ({"status": 503, "reason": REASON_NUMBERS["no_instance"]}, "no_instance", "no_instance"),
    "a client's fault": ({"status": 404, "reason": REASON_NUMBERS["no_route"]}, None, None),
    "an answer that was cut": ({"status": 200, "flags": RecordFlag.CUT}, "cut", None),
    "cut before its head": ({"status": 0, "flags": RecordFlag.CUT}, "cut", None),
    "cut, since its client has gone": (
        {"status": 200, "reason": REASON_NUMBERS["client_gone"], "flags": RecordFlag.CUT | RecordFlag.CLIENT_GONE},
        None,
        None,
    ),
    "cut by us": (
        {"status": 200, "reason": REASON_NUMBERS["draining"], "flags": RecordFlag.CUT},
        "draining",
        "draining",
    ),
    "the client has gone": ({"status": 0, "flags": RecordFlag.CLIENT_GONE}, None, None),
}


@pytest.mark.parametrize(("fields", "kind", "words"), ERRORS.values(), ids=ERRORS)
def test_what_is_an_error_of_the_request(fields: dict[str, Any], kind: str | None, words: str | None) -> None:
    request = spans(**fields)[0]
    assert attributes(request).get(error_attributes.ERROR_TYPE) == kind
    assert request.status.code == (Status.STATUS_CODE_UNSET if kind is None else Status.STATUS_CODE_ERROR)
    assert request.status.message == (words or "")


def test_that_a_client_has_gone_is_told() -> None:
    request = spans(status=0, flags=RecordFlag.CLIENT_GONE)[0]
    assert attributes(request)["penstock.client_gone"] is True
    assert http_attributes.HTTP_RESPONSE_STATUS_CODE not in attributes(request)


@pytest.mark.parametrize("outcome", [*AttemptOutcome, 400, 404, 500, 503, 0])
def test_an_attempt_that_went_wrong_is_an_error(outcome: int) -> None:
    asked = spans(attempts=(attempt(outcome=int(outcome)),))[1]
    assert asked.status.code == Status.STATUS_CODE_ERROR
    word = outcome.name.lower() if isinstance(outcome, AttemptOutcome) else str(outcome or "open")
    assert attributes(asked)[error_attributes.ERROR_TYPE] == word


@pytest.mark.parametrize("outcome", [200, 204, 304, 101])
def test_an_attempt_that_went_well_is_none(outcome: int) -> None:
    asked = spans(attempts=(attempt(outcome=outcome),))[1]
    assert asked.status.code == Status.STATUS_CODE_UNSET
    assert error_attributes.ERROR_TYPE not in attributes(asked)


def test_each_attempt_has_a_span_of_its_own() -> None:
    attempts = tuple(attempt(number=number, is_hedge=number == 3, connection=1) for number in (1, 2, 3, 9))
    made = spans(attempts=attempts, attempt_count=9)
    assert len(made) == 5
    assert len({span.span_id for span in made}) == 5
    assert [attributes(span).get("penstock.hedge", False) for span in made[1:]] == [False, False, True, False]
    assert attributes(made[4])[server_attributes.SERVER_ADDRESS] == "billing"  # the instance is forgotten
    assert attributes(made[0])["penstock.attempts"] == 9
