"""Spans go to a collector, whatever it is like: each kind of bad one costs spans, and no more."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import fake_collector
import pytest
from fake_collector import FakeCollector, answers, drips, hangs_up, never_ends, says, says_nothing
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from penstock.tracing.collector import Collector, make_resource


@pytest.fixture
def fake() -> Iterator[FakeCollector]:
    with fake_collector.collector() as made:
        yield made


def span(number: int = 1) -> ReadableSpan:
    context = SpanContext(number, number, is_remote=False, trace_flags=TraceFlags(1))
    resource = make_resource("shop", "1.2.3", "shop-1")
    return ReadableSpan("GET /", context, resource=resource, start_time=1, end_time=2)


def test_spans_are_taken(fake: FakeCollector) -> None:
    collector = Collector(fake.url)
    assert collector.export([span(1), span(2)]) is None
    assert collector.export([span(3)]) is None
    collector.close()
    assert [int.from_bytes(each.trace_id) for each in fake.spans] == [1, 2, 3]
    assert fake.heads[0].startswith("POST /v1/traces HTTP/1.1")


def test_the_standard_variables_count(fake: FakeCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{fake.port}/otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=k-1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    collector = Collector()
    assert collector.export([span()]) is None
    collector.close()
    assert fake.heads[0].startswith("POST /otlp/v1/traces HTTP/1.1")
    assert "x-api-key: k-1" in fake.heads[0]
    assert len(fake.spans) == 1


def test_who_makes_spans_is_told(fake: FakeCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector(fake.url)
    assert collector.export([span()]) is None
    assert fake.resource["service.name"] == "shop"
    assert (fake.resource["service.version"], fake.resource["service.instance.id"]) == ("1.2.3", "shop-1")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "other")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=i-9,deployment.environment.name=test")
    said = make_resource("shop", "1.2.3", "shop-1").attributes
    assert (said["service.name"], said["service.instance.id"]) == ("other", "i-9")
    assert said["deployment.environment.name"] == "test"
    collector.close()


BAD = {
    "an error": (says(400), "it answered 400"),
    "no such path": (says(404), "it answered 404"),
    "a key that is not taken": (says(401), "it answered 401"),
    "an error of its own": (says(500), "it answered 500"),
    "too much, for long": (says(429, "Retry-After: 86400"), "it answered 429"),
    "down, for long": (says(503, "Retry-After: 9999999999"), "it answered 503"),
    "a redirect": (says(307, "Location: http://127.0.0.1:1/"), "it answered 307, and redirects are not followed"),
    "a redirect to a file": (
        says(302, "Location: file:///etc/passwd"),
        "it answered 302, and redirects are not followed",
    ),
    "not modified": (says(304), "it answered 304, and redirects are not followed"),
    "no HTTP": (answers(b"SSH-2.0-OpenSSH\r\n\r\n"), "no connection, or it was lost"),
    "it hangs up": (hangs_up, "no connection, or it was lost"),
    "it says nothing": (says_nothing, "no answer within"),
    "a head without an end": (answers(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200), "no connection, or it was lost"),
}


@pytest.mark.parametrize(("behave", "trouble"), BAD.values(), ids=BAD)
def test_a_bad_collector_costs_its_batch(
    fake: FakeCollector, monkeypatch: pytest.MonkeyPatch, behave: fake_collector.Behaviour, trouble: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    fake.behave = behave
    collector = Collector(fake.url)
    said = collector.export([span()])
    assert said is not None
    assert said.startswith(trouble)
    fake.behave = answers(fake_collector.OK)
    assert collector.export([span()]) is None  # as soon as it is good again
    collector.close()


@pytest.mark.parametrize("behave", [never_ends, drips])
def test_the_body_of_an_answer_is_not_waited_for(
    fake: FakeCollector, monkeypatch: pytest.MonkeyPatch, behave: fake_collector.Behaviour
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    fake.behave = behave
    collector = Collector(fake.url)
    began = time.monotonic()
    assert collector.export([span()]) is None
    assert time.monotonic() - began < 30  # it would go on for ever
    collector.close()


def test_nobody_is_there() -> None:
    with fake_collector.collector() as gone:
        url = gone.url
    collector = Collector(url)
    began = time.monotonic()
    collector.close()  # it does not wait for a better time, then
    assert collector.export([span()]) is not None
    assert time.monotonic() - began < 5


def test_while_the_network_is_waited_for_the_interpreter_is_not_needed(fake: FakeCollector) -> None:
    at_work: list[str] = []

    @contextmanager
    def working() -> Iterator[None]:
        at_work.append("begins")
        yield
        at_work.append("ends")

    def note(connection: object, over: object) -> None:
        at_work.append("asked")
        answers(fake_collector.OK)(connection, over)  # type: ignore[arg-type]

    fake.behave = note
    collector = Collector(fake.url, working)
    assert collector.export([span()]) is None
    assert collector.export([span()]) is None
    collector.close()
    assert at_work == ["begins", "ends", "asked"] * 2
