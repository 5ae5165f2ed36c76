"""Routes that ask several, through a whole gateway: what legs are sent, what the client gets, who is told to stop."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_client import Client, HttpAnswer
from lab_service import RawService, make_hello

from frames.endpoint import EndpointOffer
from frames.fixed import encode_refused
from frames.frame import CancelReason, FaultCode, FieldId, FrameType, RefusedReason
from frames.greeting import encode_hello
from penstock.settings import SettingsError
from proxy.config import load_gateway

JSON = [(FieldId.NAMED, b"content-type", b"application/json")]
TWO = "legs: [{service: billing, path: '/due/{user}'}, {service: orders, path: '/recent'}]"


def fanout(more: str = "", legs: str = TWO, path: str = "/dashboard/{user}") -> str:
    return "[{" + f"name: dashboard, path: '{path}', {legs}" + (f", {more}" if more else "") + "}]"


@asynccontextmanager
async def two(more: str = "", **settings: str) -> AsyncIterator[tuple[Lab, RawService, RawService]]:
    """A gateway, and the two services of the dashboard."""
    async with open_lab(fanouts=fanout(more), **settings) as lab:
        billing = await lab.raw("GET /due/{user}", "POST /due/{user}", service="billing", instance="billing-1")
        orders = await lab.raw("GET /recent", "POST /recent", service="orders", instance="orders-1")
        yield lab, billing, orders


class Waiting:
    """A client whose answer is still to come."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.answer: HttpAnswer | None = None
        self.came = trio.Event()

    async def __call__(self) -> HttpAnswer:
        with trio.fail_after(5):
            await self.came.wait()
        assert self.answer is not None
        return self.answer

    async def document(self, status: int = 200) -> Any:
        answer = await self()
        assert answer.status == status, answer
        return json.loads(answer.body)


async def ask(lab: Lab, target: str = "/dashboard/u7", *lines: str, method: str = "GET", body: bytes = b"") -> Waiting:
    waiting = Waiting(await lab.client())

    async def run() -> None:
        waiting.answer = await waiting.client.ask(method, target, *lines, body=body)
        waiting.came.set()

    lab.nursery.start_soon(run)
    return waiting


def legs(document: Any) -> list[tuple[str, bool, int | None, str | None]]:
    return [(leg["name"], leg["ok"], leg["status"], leg["reason"]) for leg in document["legs"]]


async def test_each_leg_is_asked_and_the_document_tells_of_both() -> None:
    async with two() as (lab, billing, orders):
        waiting = await ask(
            lab, "/dashboard/u7?since=3", "x-tenant-id: acme", "x-request-id: r-1", "accept-encoding: gzip"
        )
        one, other = await billing.asked(), await orders.asked()
        assert (one.target, other.target) == (b"/due/u7?since=3", b"/recent?since=3")
        for asked in (one, other):
            assert asked.context(FieldId.TENANT) == b"acme"
            assert asked.context(FieldId.REQUEST_ID) == b"r-1"
            assert 0 < asked.remaining_ms <= 1_000
            assert b"accept-encoding" not in dict(asked.headers)
        traces = [(asked.context(FieldId.TRACE) or b"")[:16] for asked in (one, other)]
        assert traces[0] == traces[1] != b""
        await orders.respond(other, fields=JSON, body=b'["x"]')
        await billing.respond(one, fields=JSON, body=b'{"due": 3}')
        document = await waiting.document()
        assert (document["version"], document["complete"]) == (1, True)
        assert legs(document) == [("billing", True, 200, None), ("orders", True, 200, None)]
        assert [leg["body"] for leg in document["legs"]] == [{"due": 3}, ["x"]]


async def test_a_leg_that_fails_is_marked_and_the_others_are_there() -> None:
    async with two() as (lab, billing, orders):
        waiting = await ask(lab)
        await orders.respond(await orders.asked(), 404, JSON, b'{"no": 1}')
        await billing.respond(await billing.asked(), fields=JSON, body=b"3")
        document = await waiting.document()
        assert document["complete"] is False
        assert legs(document) == [("billing", True, 200, None), ("orders", False, 404, None)]
        assert document["legs"][1]["body"] == {"no": 1}


async def test_a_leg_has_its_own_time_and_is_cancelled_when_it_is_over() -> None:
    async with two("leg_timeout: 3s") as (lab, billing, orders):
        waiting = await ask(lab)
        late = await orders.asked()
        assert 0 < late.remaining_ms <= 3_000
        await billing.respond(await billing.asked(), body=b"3")
        await until(lambda: lab.gateway.own.asker.results == {"good": 1})
        await lab.pass_time(3_001)
        assert legs(await waiting.document()) == [
            ("billing", True, 200, None),
            ("orders", False, None, "fanout_leg_timeout"),
        ]
        assert await orders.cancelled() == (late.exchange, CancelReason.DEADLINE)
        assert lab.gateway.own.asker.results == {"good": 1, "fanout_leg_timeout": 1}


async def test_a_service_that_is_lost_or_refuses_is_marked_with_its_reason() -> None:
    async with two() as (lab, billing, orders):
        waiting = await ask(lab)
        refused = await billing.asked()
        await billing.send(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED), exchange=refused.exchange)
        await orders.asked()
        await orders.aclose()
        assert (await waiting()).reason == "fanout_failed"
        assert lab.gateway.own.asker.results == {"service_overloaded": 1, "service_lost": 1}
        assert lab.reasons == {"fanout_failed": 1}


async def test_a_service_that_is_not_there_is_a_leg_that_has_failed() -> None:
    async with open_lab(fanouts=fanout()) as lab:
        orders = await lab.raw("GET /recent", service="orders", instance="orders-1")
        waiting = await ask(lab)
        await orders.respond(await orders.asked())
        assert legs(await waiting.document()) == [("billing", False, None, "no_instance"), ("orders", True, 200, None)]


async def test_a_path_that_the_service_does_not_have_is_a_leg_that_has_failed() -> None:
    async with open_lab(fanouts=fanout()) as lab:
        await lab.raw("GET /other", service="billing", instance="billing-1")
        orders = await lab.raw("GET /recent", service="orders", instance="orders-1")
        waiting = await ask(lab)
        await orders.respond(await orders.asked())
        assert legs(await waiting.document())[0] == ("billing", False, None, "no_route")


async def test_the_first_failure_cancels_its_siblings_on_the_wire_where_asked() -> None:
    async with two("combine: all, cancel_on_failure: true") as (lab, billing, orders):
        waiting = await ask(lab)
        left = await orders.asked()
        await billing.respond(await billing.asked(), 500)
        answer = await waiting()
        assert answer.reason == "fanout_failed"
        assert answer.json()["detail"] == "0 of 2 that are needed: billing 500, orders fanout_leg_stopped."
        assert await orders.cancelled() == (left.exchange, CancelReason.HEDGE_LOST)


async def test_without_that_every_leg_is_waited_for() -> None:
    async with two("combine: all") as (lab, billing, orders):
        waiting = await ask(lab)
        await billing.respond(await billing.asked(), 500)
        left = await orders.asked()
        assert not waiting.came.is_set()
        await orders.respond(left)
        assert (await waiting()).json()["detail"] == "1 of 2 that are needed: billing 500."


async def test_the_first_good_answer_is_passed_on_as_it_came_and_the_others_are_cancelled() -> None:
    async with two("combine: first") as (lab, billing, orders):
        waiting = await ask(lab)
        slow = await billing.asked()
        fields = [(FieldId.NAMED, b"content-type", b"text/plain"), (FieldId.NAMED, b"x-from", b"orders")]
        await orders.respond(await orders.asked(), 203, fields, b"mine")
        answer = await waiting()
        assert (answer.status, answer.body, answer.headers[b"x-from"]) == (203, b"mine", b"orders")
        assert await billing.cancelled() == (slow.exchange, CancelReason.HEDGE_LOST)


REPLICAS = "legs: [{service: raw, instances: all}]"


@asynccontextmanager
async def replicas(
    count: int, more: str = "", legs: str = REPLICAS, **settings: str
) -> AsyncIterator[tuple[Lab, list[RawService]]]:
    """A gateway, and that many instances of one service, which has the path itself."""
    async with open_lab(fanouts=fanout(more, legs, "/things"), **settings) as lab:
        yield lab, [await lab.raw("GET /things", "POST /things", instance=f"raw-{number}") for number in range(count)]


async def test_a_quorum_of_instances() -> None:
    async with replicas(3, "combine: quorum, quorum: 2") as (lab, raws):
        waiting = await ask(lab, "/things")
        asked = [await raw.asked() for raw in raws]
        await raws[2].respond(asked[2], fields=JSON, body=b"2")
        await raws[0].respond(asked[0], fields=JSON, body=b"0")
        document = await waiting.document()
        told = [(leg["instance"], leg["ok"], leg["reason"]) for leg in document["legs"]]
        assert told == [("raw-0", True, None), ("raw-1", False, "fanout_leg_stopped"), ("raw-2", True, None)]
        assert await raws[1].cancelled() == (asked[1].exchange, CancelReason.HEDGE_LOST)


async def test_some_of_the_instances_and_those_that_are_missing() -> None:
    async with replicas(2, "combine: merge", "legs: [{service: raw, instances: 3}]") as (lab, raws):
        waiting = await ask(lab, "/things")
        for raw in raws:
            await raw.respond(await raw.asked())
        told = [(leg["instance"], leg["reason"]) for leg in (await waiting.document())["legs"]]
        assert told == [("raw-0", None), ("raw-1", None), ("", "no_instance")]


async def test_more_instances_than_the_width_are_refused_before_anybody_is_asked() -> None:
    async with replicas(3, "width: 2") as (lab, _):
        answer = await (await ask(lab, "/things"))()
        assert answer.reason == "fanout_too_wide"
        assert answer.json()["detail"] == "3 would be asked, and at most 2 may be."
        assert lab.reasons == {"fanout_too_wide": 1}
        assert lab.count("begun") == 0


async def test_only_so_many_legs_are_under_way() -> None:
    async with replicas(3, "at_once: 1") as (lab, raws):
        waiting = await ask(lab, "/things")
        for raw in raws:
            asked = await raw.asked()
            assert lab.gateway.own.asker.under_way == 1
            await raw.respond(asked)
        assert (await waiting.document())["complete"] is True


async def test_only_so_many_requests_are_under_way() -> None:
    async with two("in_flight: 1") as (lab, billing, orders):
        first = await ask(lab)
        asked = [await billing.asked(), await orders.asked()]
        refused = await (await ask(lab))()
        assert (refused.reason, refused.headers[b"retry-after"]) == ("fanout_full", b"1")
        assert lab.reasons == {"fanout_full": 1}
        await billing.respond(asked[0])
        await orders.respond(asked[1])
        await first.document()


async def test_the_bytes_of_all_answers() -> None:
    async with two("bytes: 1KiB") as (lab, billing, orders):
        waiting = await ask(lab)
        await billing.respond(await billing.asked(), body=bytes(1_000))
        await until(lambda: lab.gateway.own.asker.results["good"] == 1)
        await orders.respond(await orders.asked(), body=bytes(25))
        assert legs(await waiting.document())[1] == ("orders", False, None, "fanout_too_large")
        assert lab.gateway.own.asker.results == {"good": 1, "fanout_too_large": 1}


async def test_a_client_that_leaves_cancels_every_leg() -> None:
    async with two() as (lab, billing, orders):
        client = await lab.client()
        await client.send(b"GET /dashboard/u7 HTTP/1.1\r\nHost: edge\r\n\r\n")
        one, other = await billing.asked(), await orders.asked()
        await client.aclose()
        assert await billing.cancelled() == (one.exchange, CancelReason.CLIENT_GONE)
        assert await orders.cancelled() == (other.exchange, CancelReason.CLIENT_GONE)
        assert lab.reasons == {"client_gone": 1}


async def test_at_the_deadline_what_is_there_is_given_and_the_others_are_cancelled() -> None:
    async with two("leg_timeout: 10s") as (lab, billing, orders):
        waiting = await ask(lab, "/dashboard/u7", "x-request-timeout-ms: 5000")
        late = await orders.asked()
        await billing.respond(await billing.asked(), fields=JSON, body=b"3")
        await until(lambda: lab.gateway.own.asker.results == {"good": 1})
        await lab.pass_time(5_001)
        assert legs(await waiting.document()) == [("billing", True, 200, None), ("orders", False, None, "deadline")]
        assert await orders.cancelled() == (late.exchange, CancelReason.DEADLINE)


async def test_at_the_deadline_too_little_is_504() -> None:
    async with two("combine: all, leg_timeout: 10s") as (lab, billing, orders):
        waiting = await ask(lab, "/dashboard/u7", "x-request-timeout-ms: 5000")
        await billing.respond(await billing.asked())
        late = await orders.asked()
        await lab.pass_time(5_001)
        answer = await waiting()
        assert (answer.status, answer.reason) in {(504, "deadline"), (502, "fanout_failed")}
        assert await orders.cancelled() == (late.exchange, CancelReason.DEADLINE)


async def test_a_post_goes_to_each_leg_with_its_body() -> None:
    async with two("method: POST") as (lab, billing, orders):
        waiting = await ask(lab, method="POST", body=b"body")
        for raw in (billing, orders):
            asked = await raw.asked()
            assert (asked.method.name, asked.body) == ("POST", b"body")
            await raw.respond(asked, 201)
        assert (await waiting.document())["complete"] is True


async def test_a_body_that_is_not_there_with_its_head_is_refused() -> None:
    async with two("method: POST") as (lab, *_):
        client = await lab.client()
        await client.send(b"POST /dashboard/u7 HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.reason) == (413, "fanout_body")


async def test_head_is_answered_without_the_document_and_with_its_length() -> None:
    async with two() as (lab, billing, orders):
        lengths = []
        for method in ("GET", "HEAD"):
            waiting = await ask(lab, method=method)
            for raw in (billing, orders):
                asked = await raw.asked()
                assert asked.method.name == "GET"
                await raw.respond(asked)
            answer = await waiting()
            assert bool(answer.body) == (method == "GET")
            lengths.append(answer.headers[b"content-length"])
        assert len(set(map(len, lengths))) == 1


async def test_nobody_sees_by_it_what_he_may_not_ask() -> None:
    async with open_lab(fanouts=fanout("combine: all")) as lab:
        billing = await lab.raw("GET /due/{user}", service="billing", instance="billing-1")
        orders = await lab.stranger()
        await orders.join(service="orders", instance="orders-1", endpoints=CLOSED)
        waiting = await ask(lab)
        await billing.respond(await billing.asked())
        answer = await waiting()
        assert (answer.status, answer.reason) == (401, "unauthenticated")
        assert answer.headers[b"www-authenticate"].startswith(b"Bearer")


CLOSED = (EndpointOffer(id=1, method="GET", path="/recent", access="authenticated"),)


async def test_who_asks_for_the_same_waits_for_the_same_answer_and_soon_after_gets_it_again() -> None:
    async with two("cache: 10s") as (lab, billing, orders):
        first, second = await ask(lab), await ask(lab)
        one, other = await billing.asked(), await orders.asked()
        await until(lambda: lab.gateway.own.fan_outs.waiting == 2)
        await billing.respond(one, fields=JSON, body=b"3")
        await orders.respond(other)
        assert (await first()).body == (await second()).body
        third, head = await (await ask(lab))(), await (await ask(lab, method="HEAD"))()
        assert third.body == (await first()).body
        assert (head.status, head.body, head.headers[b"content-length"]) == (200, b"", b"%d" % len(third.body))
        assert third.headers[b"x-request-id"] != (await first()).headers[b"x-request-id"]
        assert lab.gateway.own.fan_outs.outcomes == {
            ("dashboard", "shared"): 1,
            ("dashboard", "complete"): 1,
            ("dashboard", "kept"): 2,
        }
        assert lab.count("begun") == 2


@pytest.mark.parametrize("line", ["x-tenant-id: other", "cookie: a=b", "authorization: Bearer x", "x-any: 1"])
async def test_who_asks_otherwise_is_asked_for_by_itself(line: str) -> None:
    async with two("cache: 10s") as (lab, billing, orders):
        for lines in ((), (line,)):
            waiting = await ask(lab, "/dashboard/u7", *lines)
            for raw in (billing, orders):
                await raw.respond(await raw.asked())
            await waiting.document()
        assert lab.count("begun") == 4


async def test_a_failure_is_not_kept() -> None:
    async with two("cache: 10s, combine: all") as (lab, billing, orders):
        for status in (500, 200):
            waiting = await ask(lab)
            await billing.respond(await billing.asked(), status)
            await orders.respond(await orders.asked())
            assert (await waiting()).status == (200 if status == 200 else 502)


async def test_the_first_of_those_who_wait_may_leave() -> None:
    async with two("cache: 1s") as (lab, billing, orders):
        client = await lab.client()
        await client.send(b"GET /dashboard/u7 HTTP/1.1\r\nHost: edge\r\n\r\n")
        one, other = await billing.asked(), await orders.asked()
        second = await ask(lab)
        await until(lambda: lab.gateway.own.fan_outs.waiting == 2)
        await client.aclose()
        await until(lambda: lab.gateway.own.fan_outs.waiting == 1)
        await billing.respond(one)
        await orders.respond(other)
        assert (await second.document())["complete"] is True


async def test_nobody_else_may_register_the_path() -> None:
    async with two() as (lab, *_):
        stranger = await lab.stranger()
        await stranger.send(FrameType.HELLO, encode_hello(make_hello("GET /dashboard/{id}", service="other")))
        assert await stranger.fault() is FaultCode.FORBIDDEN


async def test_the_service_that_owns_the_path_may_have_it_too() -> None:
    async with replicas(2) as (lab, raws):
        waiting = await ask(lab, "/things")
        for raw in raws:
            await raw.respond(await raw.asked())
        assert (await waiting.document())["complete"] is True
        post = await ask(lab, "/things", method="POST")
        answered = trio.Event()

        async def serve(raw: RawService) -> None:
            await raw.respond(await raw.asked(), 204)
            answered.set()

        async with trio.open_nursery() as nursery:
            for raw in raws:
                nursery.start_soon(serve, raw)
            assert (await post()).status == 204
            nursery.cancel_scope.cancel()


async def test_what_is_under_way_when_the_time_to_drain_is_over_is_answered_and_cancelled() -> None:
    async with two() as (lab, billing, orders):
        waiting = await ask(lab)
        one, other = await billing.asked(), await orders.asked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lab.gateway.drain, 0.05)
            answer = await waiting()
            assert answer.reason == "draining"
            assert (await billing.cancelled())[0] == one.exchange
            assert (await orders.cancelled())[0] == other.exchange


async def test_it_is_explained_and_nobody_is_asked() -> None:
    async with two("combine: quorum, quorum: 2") as (lab, *_):
        told = (await lab.admin("/explain?method=GET&target=/dashboard/u7")).json()
        assert (told["outcome"], told["status"], told["route"]) == ("answered", 200, "GET /dashboard/{user}")
        (step,) = [step for step in told["steps"] if step["name"] == "fan-out"]
        assert [line["text"] for line in step["lines"]] == [
            "billing: one instance of billing is asked /due/{user}",
            "orders: one instance of orders is asked /recent",
            "quorum: 2 good answers needed, 1000 ms for each leg",
        ]
        assert step["lines"][0]["origin"].startswith("PENSTOCK_FANOUTS")
        assert lab.count("begun") == 0


async def test_the_list_of_routes_tells_of_it() -> None:
    async with two() as (lab, *_):
        rows = {row["path"]: row for row in (await lab.admin("/routes")).json()["routes"]}
        assert rows["/dashboard/{user}"]["fanout"] == "dashboard: merge of billing, orders"
        assert rows["/recent"]["fanout"] == ""


async def test_metrics_tell_of_it() -> None:
    async with two("cache: 5s") as (lab, billing, orders):
        before = (await lab.admin("/metrics")).body
        assert b"penstock_fanouts_in_flight 0" in before
        waiting = await ask(lab)
        one, other = await billing.asked(), await orders.asked()
        during = (await lab.admin("/metrics")).body
        assert b"penstock_fanouts_in_flight 1" in during
        assert b"penstock_fanout_legs_in_flight 2" in during
        await billing.respond(one)
        await orders.respond(other, 500)
        await waiting.document()
        after = (await lab.admin("/metrics")).body
        for line in (
            b"penstock_fanouts_in_flight 0",
            b"penstock_fanout_legs_in_flight 0",
            b'penstock_fanout_requests_total{fanout="dashboard",outcome="partial"} 1',
            b'penstock_fanout_legs_total{result="good"} 1',
            b'penstock_fanout_legs_total{result="bad_status"} 1',
        ):
            assert line in after
        assert b"penstock_fanout_kept_bytes 0" not in after


async def test_a_reload_brings_changes_and_takes_away_routes_that_ask_several() -> None:
    async with two("cache: 10s") as (lab, billing, orders):
        await _answered(lab, billing, orders)
        for text, status in (
            (fanout("combine: all"), 200),
            ("", 404),
            (fanout(path="/other/{user}"), 404),
            (fanout(), 200),
        ):
            await lab.gateway.change(load_gateway(environment(lab.addresses, fanouts=text)).settings)
            if status == 404:
                assert (await (await ask(lab))()).status == 404
            else:
                await _answered(lab, billing, orders)
        late = await lab.raw("GET /due/{user}", service="billing", instance="billing-2")
        del late
        assert len(lab.gateway.assembly._indexes._present) == len(lab.gateway.lane.snapshot.routes)


async def _answered(lab: Lab, *raws: RawService) -> None:
    waiting = await ask(lab)
    for raw in raws:
        await raw.respond(await raw.asked())
    assert (await waiting()).status == 200


async def test_a_reload_that_takes_a_path_that_is_another_services_is_refused() -> None:
    async with open_lab() as lab:
        await lab.raw("GET /dashboard/{id}", service="web", instance="web-1")
        config = load_gateway(environment(lab.addresses, fanouts=fanout())).settings
        with pytest.raises(SettingsError, match="belongs to"):
            await lab.gateway.change(config)
        assert len(lab.gateway.assembly._indexes._present) == len(lab.gateway.lane.snapshot.routes) == 1


UNUSUAL = [
    (b"GET /dashboard/u7?a=1 HTTP/1.0\r\nHost: edge\r\n\r\n", b"edge"),
    (b"GET http://other:80/dashboard/u7?a=1 HTTP/1.1\r\nHost: other:80\r\n\r\n", b"other:80"),
    (b"GET /x/../dashboard/%757?a=1 HTTP/1.1\r\nHost: edge\r\n\r\n", b"edge"),
]


@pytest.mark.parametrize(("request_bytes", "host"), UNUSUAL)
async def test_a_request_with_an_unusual_head_is_asked_by_a_task(request_bytes: bytes, host: bytes) -> None:
    async with two("cache: 10s", edge_parsing="tolerant") as (lab, billing, orders):
        client = await lab.client()
        await client.send(request_bytes)
        one, other = await billing.asked(), await orders.asked()
        assert (one.target, dict(one.headers)[b"host"]) == (b"/due/u7?a=1", host)
        await billing.respond(one, fields=JSON, body=b"3")
        await orders.respond(other)
        answer = await client.answer()
        assert (answer.status, answer.headers[b"content-type"]) == (200, b"application/json")
        assert legs(answer.json()) == [("billing", True, 200, None), ("orders", True, 200, None)]
        again = await lab.client()
        await again.send(request_bytes)
        assert (await again.answer()).body == answer.body
        assert lab.count("begun") == 2
        assert len(lab.gateway.own.fan_outs) == 0


async def test_a_client_of_a_task_that_leaves_cancels_every_leg() -> None:
    async with two() as (lab, billing, orders):
        client = await lab.client()
        await client.send(UNUSUAL[0][0])
        one, other = await billing.asked(), await orders.asked()
        await client.aclose()
        assert await billing.cancelled() == (one.exchange, CancelReason.CLIENT_GONE)
        assert await orders.cancelled() == (other.exchange, CancelReason.CLIENT_GONE)
        await until(lambda: len(lab.gateway.own.fan_outs) == 0)


async def test_the_deadline_of_a_task() -> None:
    async with two("combine: all, leg_timeout: 10s") as (lab, billing, orders):
        client = await lab.client()
        await client.send(b"GET /dashboard/u7 HTTP/1.0\r\nHost: edge\r\nx-request-timeout-ms: 60\r\n\r\n")
        one, other = await billing.asked(), await orders.asked()
        answer = await client.answer()
        assert (answer.status, answer.reason) in {(504, "deadline"), (502, "fanout_failed")}
        assert (await billing.cancelled())[0] == one.exchange
        assert (await orders.cancelled())[0] == other.exchange


async def test_each_leg_is_chosen_for_by_what_the_client_says() -> None:
    settings = {"versions_header": "x-service-version"}
    async with open_lab(fanouts=fanout(legs="legs: [{service: raw}]", path="/things"), **settings) as lab:
        await lab.raw("GET /things", instance="raw-1", version="1.0.0")
        second = await lab.raw("GET /things", instance="raw-2", version="2.0.0")
        first = await ask(lab, "/things", "x-service-version: 2.0.0")
        await second.respond(await second.asked())
        assert (await first.document())["complete"] is True
        missing = await (await ask(lab, "/things", "x-service-version: 3.0.0"))()
        assert (missing.status, missing.reason) == (404, "version_unknown")
