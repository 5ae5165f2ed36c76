"""Traces through a whole gateway: which go to a collector, as what spans, and whose parents they are."""

from collections.abc import Iterator

import fake_collector
import pytest
import trio
from fake_collector import FakeCollector, attributes_of, says, says_nothing
from lab import Lab, environment, open_lab, until
from lab_client import request
from lab_service import Asked, RawService
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from frames.frame import FieldId
from proxy.config import load_gateway

TRACE_ID, CLIENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = (f"traceparent: 00-{TRACE_ID}-{CLIENT_SPAN}-{flags}" for flags in ("01", "00"))


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCollector]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    with fake_collector.collector() as made:
        yield made


def settings(collector: FakeCollector, **more: str) -> dict[str, str]:
    return {"traces_export": "otlp", "traces_endpoint": collector.url, "traces_sampled": "0%", **more}


async def spans(collector: FakeCollector, count: int) -> list[Span]:
    """Wait for as many; that of the request comes first."""
    await until(lambda: len(collector.spans) >= count)
    return collector.spans


async def asked_of(lab: Lab, raw: RawService, *fields: str, status: int = 200) -> Asked:
    """One request that the service answers."""
    client = await lab.client()
    await client.send(request("GET", "/things/7?key=geheim", *fields))
    asked = await raw.asked()
    await raw.respond(asked, status)
    assert (await client.answer()).status == status
    return asked


def trace_of(asked: Asked) -> bytes:
    trace = asked.context(FieldId.TRACE)
    assert trace is not None
    return trace


async def test_a_sampled_request_is_told_with_its_attempt(collector: FakeCollector) -> None:
    async with open_lab(**settings(collector)) as lab:
        raw = await lab.raw("GET /things/{thing}")
        asked = await asked_of(lab, raw, SAMPLED, "tracestate: a=1", "X-Tenant-Id: acme")
        of_request, of_attempt = await spans(collector, 2)
    assert of_request.trace_id.hex() == of_attempt.trace_id.hex() == TRACE_ID
    assert of_request.parent_span_id.hex() == CLIENT_SPAN
    assert of_attempt.parent_span_id == of_request.span_id
    assert trace_of(asked) == bytes.fromhex(TRACE_ID) + of_attempt.span_id + b"\x01"  # the service's parent
    assert asked.context(FieldId.TRACESTATE) == b"a=1"
    assert (of_request.kind, of_attempt.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert of_request.name == "GET /things/{thing}"
    said = attributes_of(of_request.attributes)
    assert (said["http.request.method"], said["http.response.status_code"]) == ("GET", 200)
    assert (said["url.path"], said["url.query"], said["http.route"]) == ("/things/7", "key=*", "/things/{thing}")
    assert said["penstock.tenant"] == "acme"
    assert attributes_of(of_attempt.attributes)["penstock.instance"] == "raw-1"
    assert of_request.start_time_unix_nano <= of_attempt.start_time_unix_nano
    assert of_attempt.end_time_unix_nano <= of_request.end_time_unix_nano
    assert collector.resource["service.name"] == "penstock"
    assert collector.resource["service.instance.id"] == "gw-1"


async def test_a_trace_that_is_not_sampled_goes_through_with_a_span_of_ours(collector: FakeCollector) -> None:
    async with open_lab(**settings(collector)) as lab:
        raw = await lab.raw("GET /things/{thing}")
        trace = trace_of(await asked_of(lab, raw, NOT_SAMPLED))
        await asked_of(lab, raw, SAMPLED)
        await spans(collector, 2)
    assert trace[:16].hex() == TRACE_ID
    assert trace[16:24].hex() != CLIENT_SPAN
    assert trace[24] == 0
    assert len(collector.spans) == 2  # of the other one


async def test_without_export_a_trace_goes_through_as_it_came() -> None:
    async with open_lab() as lab:
        raw = await lab.raw("GET /things/{thing}")
        assert trace_of(await asked_of(lab, raw, SAMPLED)) == bytes.fromhex(TRACE_ID + CLIENT_SPAN + "01")
        assert trace_of(await asked_of(lab, raw))[24] == 0


async def test_of_the_traces_that_begin_here_a_part_is_sampled(collector: FakeCollector) -> None:
    async with open_lab(**settings(collector, traces_sampled="50%")) as lab:
        raw = await lab.raw("GET /things/{thing}")
        drawn = [trace_of(await asked_of(lab, raw))[24] for _ in range(100)]
        await spans(collector, 2 * sum(drawn))
    assert set(drawn) == {0, 1}
    assert 20 < sum(drawn) < 80
    assert len(collector.spans) == 2 * sum(drawn)
    assert not any(span.parent_span_id for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)


@pytest.mark.parametrize(("sampler", "argument", "part"), [("always_on", "", 1), ("parentbased_traceidratio", "0", 0)])
async def test_the_standard_variables_say_which_part(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch, sampler: str, argument: str, part: int
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    async with open_lab(**settings(collector, traces_sampled="")) as lab:
        raw = await lab.raw("GET /things/{thing}")
        assert trace_of(await asked_of(lab, raw))[24] == part


async def test_switched_off_by_the_standard_variable(collector: FakeCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    async with open_lab(**settings(collector)) as lab:
        raw = await lab.raw("GET /things/{thing}")
        assert trace_of(await asked_of(lab, raw, SAMPLED)) == bytes.fromhex(TRACE_ID + CLIENT_SPAN + "01")
        assert lab.gateway.recording.counts == {}


async def test_what_fails_is_an_error(collector: FakeCollector) -> None:
    async with open_lab(**settings(collector)) as lab:
        raw, client = await lab.raw("GET /things/{thing}"), await lab.client()
        await client.send(request("GET", "/things/7", SAMPLED))
        await raw.asked()
        await raw.aclose()
        assert (await client.answer()).status == 502
        assert (await client.ask("GET", "/nowhere", SAMPLED)).status == 404
        lost, attempt, nowhere = await spans(collector, 3)
    assert (lost.status.code, attempt.status.code) == (Status.STATUS_CODE_ERROR, Status.STATUS_CODE_ERROR)
    assert attributes_of(lost.attributes)["error.type"] == "service_lost"
    assert attributes_of(attempt.attributes)["error.type"] == "lost"
    assert nowhere.status.code == Status.STATUS_CODE_UNSET
    assert (nowhere.name, attributes_of(nowhere.attributes)["penstock.reason"]) == ("GET", "no_route")


async def test_what_was_asked_last_is_sent_at_the_end(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    async with open_lab(**settings(collector)) as lab:
        client = await lab.client()
        for _ in range(100):
            await client.ask("GET", "/nowhere", SAMPLED)
        assert collector.spans == []
        await client.aclose()
        await lab.gateway.drain(1.0)
        assert len(collector.spans) == 100


@pytest.mark.parametrize("behave", [says_nothing, says(500), says(503, "Retry-After: 3600"), fake_collector.never_ends])
async def test_a_bad_collector_hurts_no_request(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch, behave: fake_collector.Behaviour
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    collector.behave = behave
    async with open_lab(**settings(collector)) as lab:
        client = await lab.client()
        with trio.fail_after(30):
            for _ in range(500):
                assert (await client.ask("GET", "/nowhere", SAMPLED)).status == 404
        await until(lambda: sum(lab.gateway.recording.counts["traces"]) == 500)
        counts = lab.gateway.recording.counts["traces"]
        page = (await lab.admin("/metrics")).body.decode()
    assert counts.waiting <= 10
    assert 'output="traces"' in page


async def test_nobody_is_there(caplog: pytest.LogCaptureFixture) -> None:
    with fake_collector.collector() as gone:
        pass
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        async with open_lab(**settings(gone)) as lab:
            client = await lab.client()
            assert (await client.ask("GET", "/nowhere", SAMPLED)).status == 404
            await until(lambda: lab.gateway.recording.counts["traces"].failed == 1 and bool(caplog.records))
            await client.aclose()
    assert "the collector did not take them: no connection" in caplog.text


async def test_export_is_switched_by_a_reload(collector: FakeCollector) -> None:
    async with open_lab() as lab:
        raw = await lab.raw("GET /things/{thing}")
        await asked_of(lab, raw, SAMPLED)
        await lab.gateway.change(load_gateway(environment(**settings(collector))).settings)
        await asked_of(lab, raw, SAMPLED)
        await spans(collector, 2)
        await lab.gateway.change(load_gateway(environment()).settings)
        trace = trace_of(await asked_of(lab, raw, SAMPLED))
        counts = lab.gateway.recording.counts["traces"]
    assert trace == bytes.fromhex(TRACE_ID + CLIENT_SPAN + "01")
    assert len(collector.spans) == 2
    assert counts.written == 1
