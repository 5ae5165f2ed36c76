"""Settings that are read again while traffic flows: what counts at once, what is refused, and that nobody notices."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from free_port import free_port
from lab import Lab, environment, open_lab, until
from lab_client import request
from lab_service import make_hello
from lab_streams import chunked

from frames.frame import FaultCode, FrameType
from frames.greeting import encode_hello
from penstock import Call, Service
from penstock.settings.service import load_service
from penstock.streaming import StreamCall
from proxy.config import load_gateway
from proxy.config.reload import Reloader
from proxy.process.running import Sources, make_reloader

service = Service("billing", version="1.4.0", access="public")


@service.get("/invoices/{number}")
def invoice(call: Call, number: str) -> object:
    return {"number": number}


@service.post("/invoices")
def create(call: Call) -> object:
    return {}


@service.get("/slow")
async def slow(call: Call) -> object:
    await trio.sleep_forever()


class Running:
    """A lab whose gateway follows a file."""

    def __init__(self, lab: Lab, reloader: Reloader, path: Path) -> None:
        self.lab = lab
        self.reloader = reloader
        self.path = path

    async def write(self, text: str) -> bool:
        """Whether it was applied."""
        self.path.write_text(text)
        return (await self.reloader.reload("a test")).applied


@asynccontextmanager
async def running(tmp_path: Path, text: str = "", **service_settings: str) -> AsyncIterator[Running]:
    path = tmp_path / "penstock.yaml"
    path.write_text(text)
    variables = environment()
    async with open_lab() as lab:
        loaded = load_gateway(variables, path=path)
        sources = Sources(loaded, lambda: load_gateway(variables, path=path), path)
        reloader = make_reloader(sources, lab.gateway)
        if text:
            await lab.gateway.change(loaded.settings)
        await lab.serve(service, **service_settings)
        yield Running(lab, reloader, path)


async def test_rules_count_from_the_next_request_on(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        client = await one.lab.client()
        assert (await client.get("/invoices/1")).status == 200
        assert await one.write("rules: [{path: /invoices, access: authenticated}]")
        answer = await client.get("/invoices/1")
        assert (answer.status, answer.reason) == (401, "unauthenticated")
        assert await one.write("rules: [{path: /invoices, rate_limits: [1/h]}]")
        assert (await client.get("/invoices/1")).status == 200
        assert (await client.get("/invoices/1")).reason == "rate_limited"
        assert await one.write("")
        assert (await client.get("/invoices/1")).status == 200


async def test_what_is_wrong_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path, "rules: [{path: /invoices, access: authenticated}]") as one:
        client = await one.lab.client()
        revision = one.lab.gateway.lane.snapshot.revision
        assert not await one.write("rules: [{path: /invoices, acess: public}]")
        assert (await client.get("/invoices/1")).status == 401
        assert one.lab.gateway.lane.snapshot.revision == revision
        assert f"{one.path}:1" in caplog.text
        assert "did you mean access?" in caplog.text


async def test_a_request_keeps_what_it_began_with_and_no_connection_is_dropped(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        client, idle = await one.lab.client(), await one.lab.client()
        assert (await idle.get("/invoices/1")).status == 200
        await client.send(request("GET", "/slow", "X-Request-Timeout-Ms: 300"))
        await until(lambda: sum(one.lab.gateway.wire.in_flight) == 1)
        assert await one.write("rules: [{access: authenticated}]")
        assert (await client.answer()).reason == "deadline"
        assert (await idle.get("/invoices/1")).status == 401
        assert one.lab.count("edge_closed") == 0


async def test_a_request_that_waits_for_its_body_is_held_to_what_holds_then(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        client = await one.lab.client()
        await client.send(b"POST /invoices HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n")
        await until(lambda: one.lab.gateway.tasks.in_progress == 1)
        assert await one.write("rules: [{access: authenticated}]")
        await client.send(b"0\r\n\r\n")
        assert (await client.answer()).reason == "unauthenticated"


async def test_hosts_versions_slash_and_deadlines(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        client = await one.lab.client()
        assert await one.write("routes: {hosts: {other.test: [billing]}}")
        assert (await client.get("/invoices/1")).reason == "misdirected"
        client = await one.lab.client()
        assert await one.write("routes: {trailing_slash: redirect}\nversions: {header: x-v}")
        answer = await client.get("/invoices/1/?a=b")
        assert (answer.status, answer.headers[b"location"]) == (308, b"/invoices/1?a=b")
        assert (await client.get("/invoices/1", "X-V: 2.0.0")).reason == "version_unknown"
        assert await one.write("edge: {deadline: 20ms}")
        assert (await client.get("/slow")).reason == "deadline"


async def test_a_service_that_has_lost_its_right_is_sent_away(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        raw = await one.lab.raw("GET /things")
        assert await one.write("services: {allow: {billing: [/]}}")
        await raw.fault()
        assert {instance.service for instance in one.lab.gateway.registry.instances} == {"billing"}


async def test_services_that_are_dialled_follow_the_settings(tmp_path: Path) -> None:
    elsewhere = Service("elsewhere", version="1.0.0", access="public")
    elsewhere.get("/elsewhere")(lambda call: "here")

    @elsewhere.post("/elsewhere", streams=True)
    async def count(call: StreamCall) -> object:
        return {"bytes": sum([len(part) async for part in call.stream()])}

    address = f"127.0.0.1:{free_port()}"
    async with running(tmp_path) as one:
        variables = {"PENSTOCK_GATEWAYS": "none", "PENSTOCK_SERVICE_LISTEN": address}
        one.lab.nursery.start_soon(elsewhere.serve, load_service(variables).settings)
        client = await one.lab.client()
        assert (await client.get("/elsewhere")).status == 404
        assert await one.write(f"services: {{dial: [{address}]}}")
        await until(lambda: len(one.lab.health) == 2)
        assert (await client.get("/elsewhere")).body == b"here"
        await client.send(chunked("POST", "/elsewhere", b"x" * 300_000))
        assert (await client.answer()).json() == {"bytes": 300_000}
        assert await one.write("")
        assert "draining" in one.lab.health.values()
        assert (await client.get("/elsewhere")).reason == "no_instance"


async def test_how_often_hello_may_come_follows_the_settings(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        raw = await one.lab.raw("GET /things")
        assert await one.write("services: {hello_rate: 6/m}")
        await raw.send(FrameType.HELLO, encode_hello(make_hello("GET /things", "GET /others", first_id=10)))
        assert await raw.fault() is FaultCode.LIMIT_EXCEEDED


async def test_ten_thousand_routes_while_requests_are_answered(tmp_path: Path) -> None:
    async with open_lab(routes_max="20000") as lab:
        await lab.serve(service)
        for number in range(10):
            offers = [f"GET /{number}/{route}/{{id}}" for route in range(1_000)]
            await lab.raw(*offers, service=f"many-{number}", instance=f"m-{number}")
        client = await lab.client()
        config = lab.gateway.configured.config
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lab.gateway.change, config)
            answered = 0
            while nursery.child_tasks:
                assert (await client.get("/invoices/1")).status == 200
                answered += 1
        assert answered > 5
        assert len(lab.gateway.lane.snapshot.routes) == 10_003


async def test_another_token_counts_for_services_that_come_and_harms_none_that_are_there(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        client = await one.lab.client()
        for text in ("services: {token: first}", "services: {token: second}", "services: {token: second}\nrules: []"):
            assert await one.write(text)
            assert (await client.get("/invoices/1")).status == 200
        for token, is_let_in in (("first", False), (None, False), ("second", True)):
            stranger = await one.lab.stranger()
            await stranger.send(FrameType.HELLO, encode_hello(make_hello("GET /others", token=token)))
            if is_let_in:
                await stranger.expect(FrameType.WELCOME)
            else:
                assert await stranger.fault() is FaultCode.UNAUTHENTICATED
        assert (await client.get("/invoices/1")).status == 200
