"""Services that call each other, in a test of one of them."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from penstock import Call, CallDeadline, CallLost, Reply, Service, testing

billing = Service("billing", version="1.0.0")
inventory = Service("inventory", version="1.0.0")
OTHERS = {"inventory": inventory, "billing": billing}


@billing.get("/price/{sku}")
async def price(call: Call, sku: str) -> Any:
    reply = await call.ask("inventory", "POST", f"/stock/{sku}?x=1", json={"want": 2}, headers={"X-Why": "y"})
    return reply.status, reply.json()


@billing.get("/slow")
async def slow(call: Call) -> Any:
    with pytest.raises(CallDeadline):
        await billing.call("inventory", "GET", "/sleeps", deadline_ms=500)
    return trio.current_time()


@billing.get("/cut")
async def cut(call: Call) -> None:
    with pytest.raises(CallLost):
        await call.ask("inventory", "GET", "/cut")


@billing.get("/unknown/{service}")
async def unknown(call: Call, service: str) -> Any:
    return (await call.ask(service, "GET", "/nowhere")).check()


@inventory.post("/stock/{sku}")
def stock(call: Call, sku: str) -> Any:
    return {
        "sku": sku,
        "sent": call.json(),
        "query": call.query["x"],
        "why": call.headers["x-why"],
        "who": [call.principal, call.tenant, call.correlation_id],
        "left": call.remaining_ms,
    }


@inventory.get("/sleeps")
async def sleeps(call: Call) -> None:
    await trio.sleep(60)


@inventory.get("/cut", streams=True)
async def cuts(call: Call) -> Any:
    yield "begun"
    raise RuntimeError("gone")


@inventory.get("/back")
async def back(call: Call) -> Any:
    reply: Reply = await call.ask("billing", "GET", "/price/7")
    return reply.json()["sku"]


async def test_a_call_and_its_context() -> None:
    response = await testing.call(
        billing, "GET", "/price/7", others=OTHERS, tenant="acme", principal="zoe", correlation_id="c-1", deadline_ms=800
    )
    answer = response.json()
    assert (answer["sku"], answer["sent"], answer["query"], answer["why"]) == ("7", {"want": 2}, "1", "y")
    assert answer["who"] == ["service:billing", "acme", "c-1"]
    assert 0 < answer["left"] <= 800


async def test_the_others_call_each_other() -> None:
    assert (await testing.call(inventory, "GET", "/back", others=OTHERS)).text == "7"


async def test_a_deadline(autojump_clock: MockClock) -> None:
    begin = trio.current_time()
    assert (await testing.call(billing, "GET", "/slow", others=OTHERS)).json() - begin == pytest.approx(0.5)


async def test_an_answer_that_is_cut_off() -> None:
    assert (await testing.call(billing, "GET", "/cut", others=OTHERS)).status == 204


@pytest.mark.parametrize(("name", "reason"), [("inventory", "no_route"), ("nobody", "no_service")])
async def test_what_is_not_there(name: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    response = await testing.call(billing, "GET", f"/unknown/{name}", others=OTHERS)
    assert (response.status, response.json()["reason"]) == (502, "call_failed")
    assert f"answered 404 '{reason}'" in caplog.text


async def test_others_are_of_one_call() -> None:
    await testing.call(billing, "GET", "/price/7", others=OTHERS)
    assert (await testing.call(billing, "GET", "/price/7")).status == 503


async def test_without_others_it_says_what_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    assert (await testing.call(billing, "GET", "/price/7")).json()["reason"] == "call_unreachable"
    assert "in a test, say who is there by others=" in caplog.text
