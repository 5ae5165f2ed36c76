"""Spans go to a collector, whatever it is like: each kind of bad one costs spans, and no more.

Both ways to it are held to the same: that of the gateway, and that of services, which have the SDK make spans.
"""

import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import fake_collector
import pytest
import trustme
from fake_collector import FakeCollector, answers, drips, hangs_up, never_ends, says, says_nothing
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from penstock.tracing import encoding as otlp
from penstock.tracing.collector import Collector, make_resource
from penstock.tracing.environment import collector_place
from penstock.tracing.sending import Sender


@pytest.fixture
def fake() -> Iterator[FakeCollector]:
    with fake_collector.collector() as made:
        yield made


class Way(Protocol):
    """How spans go there."""

    def export(self, *numbers: int) -> str | None:
        """Send spans with these ids."""

    def close(self) -> None:
        """Let go."""


class ByHand:
    """As the gateway does it."""

    def __init__(self, url: str = "") -> None:
        self._sender = Sender(collector_place(os.environ, url))

    def export(self, *numbers: int) -> str | None:
        made = (
            otlp.span(otlp.ids(number.to_bytes(16), number.to_bytes(8), b""), otlp.head(b"GET /", otlp.SERVER))
            for number in numbers
        )
        return self._sender.export(otlp.request({"service.name": "shop"}, "test", "1", made))

    def close(self) -> None:
        self._sender.close()


class BySdk:
    """As services do it."""

    def __init__(self, url: str = "") -> None:
        self._collector = Collector(url)

    def export(self, *numbers: int) -> str | None:
        return self._collector.export([span(number) for number in numbers])

    def close(self) -> None:
        self._collector.close()


@pytest.fixture(params=[ByHand, BySdk])
def way(request: pytest.FixtureRequest) -> Callable[..., Way]:
    made: Callable[..., Way] = request.param
    return made


def span(number: int = 1) -> ReadableSpan:
    context = SpanContext(number, number, is_remote=False, trace_flags=TraceFlags(1))
    resource = make_resource("shop", "1.2.3", "shop-1")
    return ReadableSpan("GET /", context, resource=resource, start_time=1, end_time=2)


def test_spans_are_taken(fake: FakeCollector, way: Callable[..., Way]) -> None:
    collector = way(fake.url)
    assert collector.export(1, 2) is None
    assert collector.export(3) is None
    collector.close()
    assert [int.from_bytes(each.trace_id) for each in fake.spans] == [1, 2, 3]
    assert fake.heads[0].startswith("POST /v1/traces HTTP/1.1")


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_the_standard_variables_count(
    fake: FakeCollector, way: Callable[..., Way], monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{fake.port}/otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=k-1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
    collector = way()
    assert collector.export(1) is None
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
    "no HTTP": (answers(b"SSH-2.0-OpenSSH\r\n\r\n"), ("no connection, or it was lost", "what it answers is no HTTP")),
    "it hangs up": (hangs_up, "no connection, or it was lost"),
    "it says nothing": (says_nothing, "no answer within"),
    "a head without an end": (
        answers(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200),
        ("no connection, or it was lost", "what it answers is no HTTP"),
    ),
}


@pytest.mark.parametrize(("behave", "trouble"), BAD.values(), ids=BAD)
def test_a_bad_collector_costs_its_batch(
    fake: FakeCollector,
    way: Callable[..., Way],
    monkeypatch: pytest.MonkeyPatch,
    behave: fake_collector.Behaviour,
    trouble: str | tuple[str, ...],
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    fake.behave = behave
    collector = way(fake.url)
    said = collector.export(1)
    assert said is not None
    assert said.startswith(trouble)
    fake.behave = answers(fake_collector.OK)
    assert any(collector.export(1) is None for _ in range(3))  # as soon as it is good again
    collector.close()


@pytest.mark.parametrize("behave", [never_ends, drips])
def test_the_body_of_an_answer_is_not_waited_for(
    fake: FakeCollector, way: Callable[..., Way], monkeypatch: pytest.MonkeyPatch, behave: fake_collector.Behaviour
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    fake.behave = behave
    collector = way(fake.url)
    began = time.monotonic()
    assert collector.export(1) is None
    assert time.monotonic() - began < 30  # it would go on for ever
    collector.close()


def test_nobody_is_there(way: Callable[..., Way]) -> None:
    with fake_collector.collector() as gone:
        url = gone.url
    collector = way(url)
    began = time.monotonic()
    collector.close()  # it does not wait for a better time, then
    assert collector.export(1) is not None
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


def test_a_collector_by_tls(
    fake: FakeCollector, way: Callable[..., Way], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    fake.context = context
    url = fake.url.replace("http:", "https:")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    stranger = way(url)
    assert stranger.export(1) == "its certificate or its TLS is not what it should be"
    stranger.close()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "ca.pem"))
    collector = way(url)
    assert collector.export(1) is None
    collector.close()
    assert len(fake.spans) == 1
