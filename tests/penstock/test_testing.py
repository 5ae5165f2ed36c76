from typing import Any

import pytest
import trio
from trio.testing import MockClock

from frames.frame import RefusedReason
from penstock import Call, Service, testing
from penstock.testing_request import find_endpoint

service = Service("s", version="1.0.0")


@service.get("/echo/{part}")
def echo(call: Call, part: str) -> Any:
    trace = call.trace.trace_id if call.trace else None
    return {
        "part": part,
        "tenant": call.tenant,
        "headers": dict(call.headers),
        "left": call.remaining_ms,
        "trace": trace,
    }


@service.get("/echo/fixed")
def fixed(call: Call) -> str:
    return "fixed"


@service.post("/body")
async def body(call: Call) -> bytes:
    await trio.lowlevel.checkpoint()
    return call.body


@service.get("/sleeps")
async def sleeps(call: Call) -> None:
    await trio.sleep(60)


def test_a_plain_handler_without_trio() -> None:
    response = testing.call_nowait(service, "get", "/echo/x?y=1", tenant="acme", headers={"X-Y": "z"}, deadline_ms=500)
    answer = response.json()
    assert (response.status, answer["part"], answer["tenant"]) == (200, "x", "acme")
    assert answer["headers"] == {"x-y": "z"}
    assert 0 < answer["left"] <= 500
    assert len(answer["trace"]) == 32


async def test_both_kinds_of_handler_in_trio() -> None:
    assert (await testing.call(service, "GET", "/echo/x")).json()["part"] == "x"
    assert (await testing.call(service, "POST", "/body", body=b"raw")).body == b"raw"
    assert (await testing.call(service, "POST", "/body", json=[1])).text == "[1]"


def test_literal_segments_go_before_parameters() -> None:
    assert testing.call_nowait(service, "GET", "/echo/fixed").text == "fixed"


def test_an_async_handler_needs_trio() -> None:
    with pytest.raises(TypeError, match=r"await testing\.call"):
        testing.call_nowait(service, "POST", "/body")


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/nowhere"), ("DELETE", "/body"), ("GET", "/echo/"), ("GET", "/echo/a/b")]
)
def test_no_endpoint_says_what_there_is(method: str, target: str) -> None:
    with pytest.raises(testing.NoEndpoint, match=r"POST /body"):
        testing.call_nowait(service, method, target)


async def test_the_deadline_is_on_trios_clock(autojump_clock: MockClock) -> None:
    assert (await testing.call(service, "GET", "/sleeps", deadline_ms=1000)).status == 504
    assert (await testing.call(service, "GET", "/sleeps", deadline_ms=61_000)).status == 204
    assert trio.current_time() > 60


def test_who_asks() -> None:
    def whoami(call: Call) -> Any:
        return [call.tenant, call.principal, call.claims, call.client_address, call.scheme]

    service = Service("s", version="1.0.0")
    service.get("/me")(whoami)
    assert testing.call_nowait(service, "GET", "/me").json() == [None, None, {}, "127.0.0.1", "http"]
    known = testing.call_nowait(
        service,
        "GET",
        "/me",
        tenant="acme",
        principal="zoë",
        claims={"scope": ["invoices:read"]},
        client_address="192.0.2.1",
        scheme="https",
    )
    assert known.json() == ["acme", "zoë", {"scope": ["invoices:read"]}, "192.0.2.1", "https"]
    with pytest.raises(TypeError, match="principal"):
        testing.call_nowait(service, "GET", "/me", claims={"scope": []})


def test_wildcards_come_last() -> None:
    service = Service("s", version="1.0.0")
    for path in ("/f/{rest...}", "/f/{name}", "/f/a"):
        service.get(path)(lambda call, path=path, **parts: f"{path} {parts}")
    for target, path in [("/f/a", "/f/a"), ("/f/b", "/f/{name}"), ("/f/b/c", "/f/{rest...}"), ("/f/", "/f/{rest...}")]:
        assert find_endpoint(service, "GET", target).path == path


def test_no_time_left() -> None:
    assert testing.call_nowait(service, "GET", "/echo/x", deadline_ms=0).status == 504


def test_refused_names_its_reason() -> None:
    refused = testing.Refused(RefusedReason.OVERLOADED)
    assert refused.reason is RefusedReason.OVERLOADED
    assert "overloaded" in str(refused)
