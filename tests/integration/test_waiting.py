"""A stage that must wait: the request is carried on by a task, and then as if nothing had been."""

from collections.abc import AsyncIterator

import pytest
import trio
from lab import Lab, open_lab, until
from lab_client import request

from penstock import Call, Service
from proxy.errors import FORBIDDEN
from proxy.policy.deadline import set_deadline
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer, Await, Reply, Result


class Gate:
    """In place of the deadline's stage: asks to wait where x-wait is sent, and refuses where x-refuse is."""

    def __init__(self) -> None:
        self.opened = trio.Event()
        self.waiting = 0
        self.left = 0
        self.is_broken = False
        self.waits_more = 0

    async def wait(self) -> None:
        self.waiting += 1
        try:
            await self.opened.wait()
        finally:
            self.left += 1
        if self.is_broken:
            raise LookupError("s3cret")

    def stage(self, exchange: Exchange) -> Result:
        field = exchange.fields.named_field
        if field(exchange.id, b"x-wait") and not self.opened.is_set():
            return Await(self.wait)
        if self.left < self.waits_more or field(exchange.id, b"x-never"):
            return Await(self.wait)
        if field(exchange.id, b"x-reply"):
            return Reply(204, ((b"x-said", b"enough"),))
        if field(exchange.id, b"x-refuse"):
            return Answer(FORBIDDEN, exchange.fields.client_address(exchange.id))
        return set_deadline(exchange)


service = Service("things", version="1.0.0")


@service.get("/things/{name}")
async def get_thing(call: Call, name: str) -> object:
    return {"name": name, "tenant": call.tenant}


@service.post("/things")
async def post_thing(call: Call) -> object:
    return {"body": call.body.decode()}


@service.post("/streams", streams=True)
async def post_stream(call: Call) -> object:
    return {"parts": [part.decode() async for part in call.stream()]}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr("proxy.gateway.pipeline.set_deadline", gate.stage)
    return gate


@pytest.fixture
async def lab(gate: Gate) -> AsyncIterator[Lab]:
    async with open_lab(edge_deadline="5s") as lab:
        await lab.serve(service)
        yield lab


async def held_back(gate: Gate, count: int = 1) -> None:
    """Wait until that many requests wait; let them go."""
    await until(lambda: gate.waiting == count)
    gate.opened.set()


async def test_a_request_waits_and_the_next_one_follows(lab: Lab, gate: Gate) -> None:
    client = await lab.client()
    first = request("GET", "/things/a", "X-Wait: 1", "X-Tenant-Id: acme")
    await client.send(first + request("GET", "/things/b"))
    await held_back(gate)
    assert (await client.answer()).json() == {"name": "a", "tenant": "acme"}
    assert (await client.answer()).json() == {"name": "b", "tenant": None}
    assert (await client.get("/things/c", "X-Wait: 1")).json()["name"] == "c"


async def test_others_do_not_wait(lab: Lab, gate: Gate) -> None:
    client, other = await lab.client(), await lab.client()
    await client.send(request("GET", "/things/a", "X-Wait: 1"))
    await until(lambda: gate.waiting == 1)
    assert (await other.get("/things/b")).status == 200
    gate.opened.set()
    assert (await client.answer()).status == 200


async def test_a_body_that_came_with_its_head(lab: Lab, gate: Gate) -> None:
    client = await lab.client()
    await client.send(request("POST", "/things", "X-Wait: 1", body=b"whole"))
    await held_back(gate)
    assert (await client.answer()).json() == {"body": "whole"}


@pytest.mark.parametrize("target", ["/things", "/streams"])
async def test_a_body_that_comes_later(lab: Lab, gate: Gate, target: str) -> None:
    client = await lab.client()
    head = f"POST {target} HTTP/1.1\r\nHost: edge\r\nX-Wait: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    await client.send(head.encode() + b"4\r\nwait\r\n")
    await held_back(gate)
    await client.send(b"2\r\ned\r\n0\r\n\r\n" + request("GET", "/things/b"))
    assert "".join((await client.answer()).json().popitem()[1]) == "waited"
    assert (await client.answer()).json()["name"] == "b"


async def test_a_plain_request_to_an_endpoint_that_streams(lab: Lab, gate: Gate) -> None:
    client = await lab.client()
    await client.send(request("POST", "/streams", "X-Wait: 1", body=b"whole"))
    await held_back(gate)
    assert (await client.answer()).json() == {"parts": ["whole"]}


async def test_a_stage_that_refuses_after_it_has_waited(lab: Lab, gate: Gate) -> None:
    client = await lab.client()
    await client.send(request("GET", "/things/a", "X-Wait: 1", "X-Refuse: 1"))
    await held_back(gate)
    answer = await client.answer()
    assert (answer.status, answer.reason, answer.json()["detail"]) == (403, "forbidden", "127.0.0.1")
    assert (await client.get("/things/b")).status == 200


async def test_a_stage_that_waits_again(lab: Lab, gate: Gate) -> None:
    gate.waits_more = 2
    client = await lab.client()
    await client.send(request("GET", "/things/a", "X-Wait: 1"))
    await held_back(gate)
    assert (await client.answer()).status == 200
    assert gate.left == 2


async def test_a_stage_that_never_has_enough(lab: Lab, gate: Gate) -> None:
    client = await lab.client()
    gate.opened.set()
    answer = await client.get("/things/a", "X-Never: 1")
    assert (answer.status, answer.reason, gate.left) == (500, "internal", 3)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_reply_after_it_has_waited(lab: Lab, gate: Gate, method: str) -> None:
    client = await lab.client()
    await client.send(request(method, "/things/a", "X-Wait: 1", "X-Reply: 1") + request("GET", "/things/b"))
    await held_back(gate)
    answer = await client.answer(method)
    assert (answer.status, answer.headers[b"x-said"], answer.body) == (204, b"enough", b"")
    assert (await client.answer()).json()["name"] == "b"


async def test_who_leaves_meanwhile_leaves_nothing(lab: Lab, gate: Gate) -> None:
    client = await lab.client()
    await client.send(request("GET", "/things/a", "X-Wait: 1"))
    await until(lambda: gate.waiting == 1)
    await client.aclose()
    await until(lambda: gate.left == 1)
    await lab.census()
    assert lab.reasons == {"client_gone": 1}


async def test_the_deadline_holds_meanwhile(gate: Gate) -> None:
    async with open_lab(edge_deadline="30ms") as lab:
        await lab.serve(service)
        client = await lab.client()
        answer = await client.get("/things/a", "X-Wait: 1")
        assert (answer.status, answer.reason) == (504, "deadline")
        assert gate.left == 1


async def test_what_fails_meanwhile_is_a_fault_of_ours(lab: Lab, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    gate.is_broken = True
    client = await lab.client()
    await client.send(request("GET", "/things/a", "X-Wait: 1"))
    await held_back(gate)
    await lab.census()
    assert lab.reasons == {"internal": 1}
    assert (await (await lab.client()).get("/things/b")).status == 200


async def test_a_service_that_left_meanwhile(gate: Gate) -> None:
    async with open_lab() as lab:
        scope = await lab.serve(service)
        client = await lab.client()
        await client.send(request("GET", "/things/a", "X-Wait: 1"))
        await until(lambda: gate.waiting == 1)
        scope.cancel()
        await until(lambda: not lab.health)
        gate.opened.set()
        assert (await client.answer()).status == 404
