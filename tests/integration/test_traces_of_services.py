"""Services join in: one trace from the client through the gateway, a handler, its call, and the handler of that."""

from collections.abc import Iterator

import fake_collector
import pytest
import trio
from fake_collector import FakeCollector, attributes_of
from lab import Lab, open_lab, until
from lab_client import request
from opentelemetry import trace as otel
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from penstock import BadRequest, Call, Response, Service, asgi
from penstock.asgi.messages import Receive, Scope, Send
from penstock.settings import SettingsError
from penstock.settings.service import load_service

TRACE_ID, CLIENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = (f"traceparent: 00-{TRACE_ID}-{CLIENT_SPAN}-{flags}" for flags in ("01", "00"))

shop = Service("shop", version="1.2.3", access="public")
stock = Service("stock", version="2.0.0", access="public")


@shop.get("/front/{number}")
async def front(call: Call, number: str) -> object:
    reply = await call.ask("stock", "GET", f"/back/{number}?key=geheim")
    return {"back": reply.check().json(), "current": current()}


@stock.get("/back/{number}")
def back(call: Call, number: str) -> object:
    return {"current": current(), "state": call.tracestate}


@shop.get("/alone")
async def alone(call: Call) -> object:
    try:
        return {"status": (await call.ask("nobody", "GET", "/")).status}
    except Exception as error:
        return {"error": type(error).__name__}


@shop.get("/answers/{kind}")
def answers(call: Call, kind: str) -> object:
    if kind == "mistake":
        raise BadRequest("no_such_kind")
    if kind == "failure":
        raise ZeroDivisionError
    return {"none": None, "tuple": (201, {}), "response": Response({}, status=202), "dict": {}}[kind]


@shop.get("/slow", deadline_ms=50)
async def slow(call: Call) -> object:
    await trio.sleep_forever()


@shop.get("/streamed", streams=True)
async def streamed(call: Call) -> None:
    async with call.respond() as response:
        await response.send(current().encode())


def current() -> str:
    """The span that whatever makes spans in a handler would take as parent."""
    span = otel.get_current_span().get_span_context()
    return f"{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCollector]:
    with fake_collector.collector() as made:
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", made.url)
        yield made


CALLS = "[{from: shop, to: stock}, {from: shop, to: nobody}]"
ON = {"traces_export": "otlp", "traces_sampled": "0%", "services_calls": CALLS}


async def named(collector: FakeCollector, *names: str) -> list[Span]:
    """Wait for the spans of these names, and return them in that order."""
    await until(lambda: {span.name for span in collector.spans} >= set(names))
    found = {span.name: span for span in collector.spans}
    return [found[name] for name in names]


async def ask(lab: Lab, path: str, *fields: str) -> bytes:
    client = await lab.client()
    return (await client.ask("GET", path, *fields)).body


async def test_one_trace_from_the_client_to_the_last_handler(collector: FakeCollector) -> None:
    async with open_lab(**ON) as lab:
        await lab.serve(shop, service_traces="otlp", instance="shop-1")
        await lab.serve(stock, service_traces="otlp")
        body = await ask(lab, "/front/7", SAMPLED, "tracestate: a=1", "X-Tenant-Id: acme")
        await until(lambda: len(collector.spans) >= 5)
    spans = {(span.name, span.kind): span for span in collector.spans}
    assert len(collector.spans) == 5
    edge = spans["GET /front/{number}", Span.SPAN_KIND_CLIENT]
    handler = next(each for each in collector.spans if each.parent_span_id == edge.span_id)
    call = spans["GET stock", Span.SPAN_KIND_CLIENT]
    callee = spans["GET /back/{number}", Span.SPAN_KIND_SERVER]
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE_ID}
    assert (handler.name, handler.kind) == ("GET /front/{number}", Span.SPAN_KIND_SERVER)
    assert (call.parent_span_id, callee.parent_span_id) == (handler.span_id, call.span_id)
    assert f"{TRACE_ID}-{handler.span_id.hex()}-01".encode() in body
    assert f"{TRACE_ID}-{callee.span_id.hex()}-01".encode() in body
    assert b'"state":"a=1"' in body
    said = attributes_of(handler.attributes)
    assert (said["http.request.method"], said["http.route"], said["http.response.status_code"]) == (
        "GET",
        "/front/{number}",
        200,
    )
    assert (said["url.path"], said["penstock.tenant"]) == ("/front/7", "acme")
    asked = attributes_of(call.attributes)
    assert (asked["server.address"], asked["url.path"], asked["http.response.status_code"]) == ("stock", "/back/7", 200)
    resources = [
        attributes_of(each.resource.attributes) for every in collector.requests for each in every.resource_spans
    ]
    assert {each["service.name"] for each in resources} == {"penstock", "shop", "stock"}
    assert "shop-1" in {each["service.instance.id"] for each in resources}


async def test_a_trace_that_is_not_sampled_makes_no_spans_and_goes_on(collector: FakeCollector) -> None:
    async with open_lab(services_calls=CALLS) as lab:
        await lab.serve(shop, service_traces="otlp")
        await lab.serve(stock, service_traces="otlp")
        body = await ask(lab, "/front/7", NOT_SAMPLED)
    assert body.count(TRACE_ID.encode()) == 2
    assert body.count(b'-00"') == 2
    assert collector.spans == []


async def test_without_the_setting_a_service_makes_none(collector: FakeCollector) -> None:
    async with open_lab(services_calls=CALLS) as lab:
        await lab.serve(shop)
        await lab.serve(stock)
        assert b"0" * 32 in await ask(lab, "/front/7", SAMPLED)
    assert collector.spans == []


async def test_switched_off_by_the_standard_variable(collector: FakeCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    async with open_lab() as lab:
        await lab.serve(shop, service_traces="otlp")
        await ask(lab, "/answers/dict", SAMPLED)
    assert collector.spans == []


@pytest.mark.parametrize(
    ("kind", "status", "is_error"),
    [
        ("dict", 200, False),
        ("none", 204, False),
        ("tuple", 201, False),
        ("response", 202, False),
        ("mistake", 400, False),
        ("failure", 500, True),
    ],
)
async def test_how_a_handler_ended(collector: FakeCollector, kind: str, status: int, is_error: bool) -> None:
    async with open_lab() as lab:
        await lab.serve(shop, service_traces="otlp")
        client = await lab.client()
        await client.send(request("GET", f"/answers/{kind}", SAMPLED))
        assert (await client.answer()).status == status
        (span,) = await named(collector, "GET /answers/{kind}")
    assert attributes_of(span.attributes)["http.response.status_code"] == status
    assert span.status.code == (Status.STATUS_CODE_ERROR if is_error else Status.STATUS_CODE_UNSET)
    assert attributes_of(span.attributes).get("error.type") == ("ZeroDivisionError" if is_error else None)


async def test_a_handler_that_is_cut_off(collector: FakeCollector) -> None:
    async with open_lab() as lab:
        await lab.serve(shop, service_traces="otlp")
        await ask(lab, "/slow", SAMPLED)
        (span,) = await named(collector, "GET /slow")
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes_of(span.attributes)["error.type"] == "cancelled"


async def test_a_handler_that_streams(collector: FakeCollector) -> None:
    async with open_lab() as lab:
        await lab.serve(shop, service_traces="otlp")
        body = await ask(lab, "/streamed", SAMPLED)
        (span,) = await named(collector, "GET /streamed")
    assert body.decode() == f"{TRACE_ID}-{span.span_id.hex()}-01"


async def test_an_application_is_told_the_span_that_it_runs_under(collector: FakeCollector) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        told = dict(scope["headers"])[b"traceparent"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": told})

    async with open_lab() as lab:
        served = asgi.service(app, name="app", version="1.0.0", access="public", lifespan="off")
        await lab.serve(served, service_traces="otlp")
        sampled = await ask(lab, "/anything", SAMPLED)
        assert await ask(lab, "/anything", NOT_SAMPLED) == NOT_SAMPLED.removeprefix("traceparent: ").encode()
        await until(lambda: len(collector.spans) >= 1)
    (span,) = collector.spans
    assert sampled.decode() == f"00-{TRACE_ID}-{span.span_id.hex()}-01"


async def test_a_call_that_nobody_takes(collector: FakeCollector) -> None:
    async with open_lab(**ON) as lab:
        await lab.serve(shop, service_traces="otlp")
        await ask(lab, "/alone", SAMPLED)
        handler, call = await named(collector, "GET /alone", "GET nobody")
    assert call.status.code == Status.STATUS_CODE_ERROR
    assert handler.status.code == Status.STATUS_CODE_UNSET


async def test_what_was_made_last_is_sent_before_the_end(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    async with open_lab() as lab:
        settings = load_service(
            {
                "PENSTOCK_GATEWAYS": "tcp://{}:{}".format(*lab.addresses.services),
                "PENSTOCK_SERVICE_TRACES": "otlp",
            }
        ).settings
        stop = trio.Event()
        async with trio.open_nursery() as nursery:

            async def serve(task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128 - serve does
                await shop.serve(settings, stop=stop, task_status=task_status)

            await nursery.start(serve)
            await ask(lab, "/answers/dict", SAMPLED)
            assert collector.spans == []
            stop.set()
    assert [span.name for span in collector.spans] == ["GET /answers/{kind}"]


def test_the_setting_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="none or otlp"):
        load_service({"PENSTOCK_SERVICE_TRACES": "jaeger"})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'penstock\[otel\]'"):
        load_service({"PENSTOCK_SERVICE_TRACES": "otlp"})
