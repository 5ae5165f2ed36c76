"""Sending again through a whole gateway: what is, how often and how soon, and that each client has one answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_client import Client, request
from lab_service import Asked, RawService, streaming
from test_dialled_pool import open_pool

from frames.codec import encode_goaway, encode_refused
from frames.frame import CancelReason, FieldId, FrameType, GoawayReason, RefusedReason
from frames.greeting import EndpointOffer
from penstock import Call, Service
from proxy.attempts.judging import Why
from proxy.attempts.retrying import Retrying
from proxy.config import load_gateway
from proxy.request.failure import FailureKind

NO_BUDGET = {"retries_budget": "0%", "retries_budget_floor": "0"}
AT_ONCE = "{at-once: {backoff: 0ms, backoff_max: 0ms, attempts: 3}}"
QUICK = {"retries_profiles": AT_ONCE, "rules": "[{retries: at-once}]"}


def retrying(lab: Lab) -> Retrying:
    found = lab.gateway.lane.attempts()
    assert isinstance(found, Retrying)
    return found


def sent(lab: Lab) -> dict[FailureKind, int]:
    return dict(retrying(lab).sent)


def given_up(lab: Lab) -> dict[Why, int]:
    return dict(retrying(lab).given_up)


@asynccontextmanager
async def two(*offers: str, **settings: str) -> AsyncIterator[tuple[Lab, RawService, RawService, Client]]:
    """A gateway with two instances of a service, and a client."""
    async with open_lab(**settings) as lab:
        one, other = await lab.raw(*offers), await lab.raw(*offers, instance="raw-2")
        yield lab, one, other, await lab.client()


class Either:
    """Takes requests from two instances, whichever they come to."""

    def __init__(self, *services: RawService) -> None:
        self.services = services
        self._asked: list[tuple[RawService, Asked]] = []

    async def asked(self) -> tuple[RawService, Asked]:
        found: list[tuple[RawService, Asked]] = []

        async def take(service: RawService, scope: trio.CancelScope) -> None:
            found.append((service, await service.asked()))
            scope.cancel()

        async with trio.open_nursery() as nursery:
            for service in self.services:
                nursery.start_soon(take, service, nursery.cancel_scope)
        (only,) = found
        return only


async def refuse(service: RawService, asked: Asked, reason: int = RefusedReason.OVERLOADED, after_ms: int = 0) -> None:
    await service.send(FrameType.REFUSED, encode_refused(reason, after_ms), exchange=asked.exchange)


# ---- what is sent again ----


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_get_that_an_instance_fails_goes_to_another_one(status: int) -> None:
    async with two("GET /things") as (lab, one, other, client):
        await client.send(request("GET", "/things?a=1", "X-Own: mine", "X-Tenant-Id: acme"))
        failing, first = await Either(one, other).asked()
        await failing.respond(first, status, body=b"broken")
        healthy = other if failing is one else one
        second = await healthy.asked()
        assert (first.attempt, second.attempt) == (1, 2)
        assert first.exchange != second.exchange  # each attempt has an id of its own
        assert (second.target, second.headers, second.fields) == (first.target, first.headers, first.fields)
        assert second.remaining_ms <= first.remaining_ms
        await healthy.respond(second, body=b"well")
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"well")
        assert sent(lab) == {FailureKind.ANSWERED: 1}
        assert len(retrying(lab)) == 0
        assert lab.reasons == {}


async def test_an_answer_that_is_no_failure_is_final(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    for status in (200, 404, 409, 429, 500, 501):
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), status, body=b"%d" % status)
        answer = await client.answer()
        assert (answer.status, answer.body) == (status, b"%d" % status)
    assert sent(lab) == {}


async def test_after_three_attempts_the_last_answer_is_passed_on_as_it_is() -> None:
    async with open_lab(**QUICK) as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things"))
        for attempt in (1, 2, 3):
            asked = await service.asked()
            assert asked.attempt == attempt
            fields = [(FieldId.NAMED, b"x-attempt", b"%d" % attempt)]
            await service.respond(asked, 503, fields, b"%d" % attempt)
        answer = await client.answer()
        assert (answer.status, answer.headers[b"x-attempt"], answer.body) == (503, b"3", b"3")
        assert sent(lab) == {FailureKind.ANSWERED: 2}
        assert lab.reasons == {}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_what_only_asks_is_sent_again_when_its_service_is_lost(method: str) -> None:
    async with two(f"{method} /things") as (lab, one, other, client):
        await client.send(request(method, "/things"))
        lost, _ = await Either(one, other).asked()
        await lost.aclose()
        stays = other if lost is one else one
        await stays.respond(await stays.asked())
        assert (await client.answer(method)).status == 200
        assert sent(lab) == {FailureKind.LOST: 1}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_what_may_have_been_done_is_not_done_twice(method: str) -> None:
    async with two(f"{method} /things") as (lab, one, other, client):
        await client.send(request(method, "/things", body=b"{}"))
        lost, _ = await Either(one, other).asked()
        await lost.aclose()
        answer = await client.answer()
        assert (answer.status, answer.reason) == (502, "service_lost")
        stays = other if lost is one else one
        await client.send(request(method, "/things", body=b"next"))
        asked = await stays.asked()
        assert (asked.attempt, asked.body) == (1, b"next")
        await stays.respond(asked, 503, body=b"no")
        assert (await client.answer()).body == b"no"
        assert sent(lab) == {}


@pytest.mark.parametrize("reason", [RefusedReason.OVERLOADED, RefusedReason.DRAINING, RefusedReason.UNKNOWN_ENDPOINT])
async def test_what_was_not_started_goes_elsewhere_whatever_its_method(reason: RefusedReason) -> None:
    async with two("POST /things") as (lab, one, other, client):
        await client.send(request("POST", "/things", body=b"once"))
        refusing, first = await Either(one, other).asked()
        await refuse(refusing, first, reason)
        takes = other if refusing is one else one
        second = await takes.asked()
        assert (second.attempt, second.body) == (2, b"once")
        await takes.respond(second, 201)
        assert (await client.answer()).status == 201
        assert sent(lab) == {FailureKind.REFUSED: 1}


@pytest.mark.parametrize("is_declared", [False, True])
async def test_a_key_lets_a_post_be_sent_again_where_its_endpoint_declares_idempotence(is_declared: bool) -> None:
    endpoint = EndpointOffer(id=1, method="POST", path="/things", idempotent=is_declared)
    async with open_lab(**QUICK) as lab:
        service, client = await lab.raw(endpoints=(endpoint,)), await lab.client()
        await client.send(request("POST", "/things", 'Idempotency-Key: "a"', body=b"1"))
        await service.respond(await service.asked(), 503)
        if is_declared:
            again = await service.asked()
            assert (again.attempt, again.body) == (2, b"1")
            assert (b"idempotency-key", b'"a"') in again.headers
            await service.respond(again)
        assert (await client.answer()).status == (200 if is_declared else 503)
        await client.send(request("POST", "/things", body=b"2"))  # without a key
        await service.respond(await service.asked(), 503)
        assert (await client.answer()).status == 503


async def test_the_version_that_was_chosen_is_chosen_again() -> None:
    async with open_lab(**QUICK) as lab:
        old = [await lab.raw("GET /things", instance=f"old-{number}", version="1.0.0") for number in (1, 2)]
        await lab.raw("GET /things", instance="new", version="2.0.0")
        client = await lab.client()
        await client.send(request("GET", "/things", "X-Service-Version: 1.0.0"))
        failing, first = await Either(*old).asked()
        await failing.respond(first, 503)
        (well,) = [one for one in old if one is not failing]
        await well.respond(await well.asked(), body=b"old")
        assert (await client.answer()).body == b"old"


async def test_a_body_that_was_gathered_is_kept_too() -> None:
    async with two("POST /things") as (lab, one, other, client):
        chunks = b"4\r\nonce\r\n0\r\n\r\n"
        await client.send(b"POST /things HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        refusing, first = await Either(one, other).asked()
        await refuse(refusing, first)
        takes = other if refusing is one else one
        second = await takes.asked()
        assert (first.attempt, second.attempt, second.body) == (1, 2, b"once")
        await takes.respond(second, 201)
        assert (await client.answer()).status == 201
        assert sent(lab) == {FailureKind.REFUSED: 1}


# ---- what is not ----


async def test_a_profile_of_a_rule_switches_it_off() -> None:
    async with open_lab(rules="[{path: /things, retries: none}]") as lab:
        service, client = await lab.raw("GET /things", "GET /others"), await lab.client()
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), 503, body=b"no")
        assert (await client.answer()).body == b"no"
        await client.send(request("GET", "/others"))
        await service.respond(await service.asked(), 503)
        assert (await service.asked()).attempt == 2
        assert given_up(lab) == {}
        await client.aclose()


async def test_a_budget_that_is_used_up_lets_the_answer_pass() -> None:
    async with open_lab(**NO_BUDGET) as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), 503, body=b"no")
        assert (await client.answer()).body == b"no"
        await client.send(request("GET", "/things"))
        await refuse(service, await service.asked())
        answer = await client.answer()
        assert (answer.reason, answer.json()["detail"]) == (
            "service_overloaded",
            "It was not sent again: too many requests of this service are.",
        )
        assert given_up(lab) == {Why.BUDGET: 2}


async def test_what_is_too_long_to_be_kept_is_not_sent_again_and_says_so() -> None:
    async with open_lab(retries_buffer_bytes="1KiB") as lab:
        service, client = await lab.raw("POST /things"), await lab.client()
        await client.send(request("POST", "/things", body=b"x" * 400))
        await refuse(service, await service.asked())
        await service.respond(await service.asked())
        assert (await client.answer()).status == 200
        await client.send(request("POST", "/things", body=b"x" * 1_100))
        await refuse(service, await service.asked())
        answer = await client.answer()
        assert (answer.reason, answer.json()["detail"]) == (
            "service_overloaded",
            "It was not sent again: it is longer than what is kept for that.",
        )
        assert given_up(lab) == {Why.BUFFER: 1}


async def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    async with open_lab() as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things", "X-Request-Timeout-Ms: 3000"))
        await service.respond(await service.asked(), 503, [(FieldId.NAMED, b"retry-after", b"3")], b"later")
        answer = await client.answer()
        assert (answer.status, answer.body, answer.headers[b"retry-after"]) == (503, b"later", b"3")
        await client.send(request("GET", "/things", "X-Request-Timeout-Ms: 3000"))
        await refuse(service, await service.asked(), after_ms=3_000)
        answer = await client.answer()
        assert (answer.reason, answer.headers[b"retry-after"]) == ("service_overloaded", b"3")
        assert answer.json()["detail"] == "It was not sent again: the wait would be longer than its deadline."
        assert given_up(lab) == {Why.DEADLINE: 2}
        assert len(retrying(lab)) == 0


async def test_a_service_that_asks_to_wait_is_asked_again_when_it_said(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things"))
    await service.respond(await service.asked(), 503, [(FieldId.NAMED, b"retry-after", b"2")])
    await until(lambda: len(retrying(lab).waiting) == 1)
    await lab.pass_time(1_900)
    assert len(retrying(lab).waiting) == 1
    await lab.pass_time(200)
    again = await service.asked()
    assert again.attempt == 2
    assert again.remaining_ms < 8_000
    await service.respond(again, body=b"now")
    assert (await client.answer()).body == b"now"


# ---- time ----


async def test_an_attempt_that_takes_too_long_gives_way_to_another() -> None:
    profile = "{quick: {attempt_timeout: 3s}}"
    async with two("GET /things", retries_profiles=profile, rules="[{retries: quick}]") as (lab, one, other, client):
        await client.send(request("GET", "/things"))
        slow, first = await Either(one, other).asked()
        await lab.pass_time(3_001)
        assert await slow.cancelled() == (first.exchange, CancelReason.DEADLINE)
        well = other if slow is one else one
        second = await well.asked()
        await slow.respond(first, body=b"late")  # it is for nobody any more
        await well.respond(second, body=b"in time")
        assert (await client.answer()).body == b"in time"
        assert sent(lab) == {FailureKind.SLOW: 1}


async def test_an_attempt_that_takes_too_long_goes_on_where_there_may_be_no_other() -> None:
    settings = {"retries_profiles": "{quick: {attempt_timeout: 300ms}}", "rules": "[{retries: quick}]", **NO_BUDGET}
    async with open_lab(**settings) as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things"))
        asked = await service.asked()
        await lab.pass_time(301)
        await until(lambda: given_up(lab) == {Why.BUDGET: 1})
        await lab.pass_time(5_000)
        await service.respond(asked, body=b"slow, but there")
        assert (await client.answer()).body == b"slow, but there"
        await client.send(request("GET", "/things"))
        asked = await service.asked()
        await lab.pass_time(301)
        await lab.pass_time(9_700)
        assert (await client.answer()).reason == "deadline"
        assert await service.cancelled() == (asked.exchange, CancelReason.DEADLINE)


async def test_a_deadline_is_one_for_all_attempts() -> None:
    async with open_lab(**QUICK) as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things", "X-Request-Timeout-Ms: 5000"))
        first = await service.asked()
        await lab.pass_time(3_000)
        await service.respond(first, 503)
        second = await service.asked()
        assert first.remaining_ms - second.remaining_ms >= 3_000
        await lab.pass_time(2_000)
        assert (await client.answer()).reason == "deadline"
        assert await service.cancelled() == (second.exchange, CancelReason.DEADLINE)
        assert len(retrying(lab)) == 0


# ---- ends while it waits ----


async def begin_waiting(lab: Lab) -> tuple[RawService, Client]:
    """A client whose request waits for a second to be sent again."""
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things"))
    fields = [(FieldId.NAMED, b"retry-after", b"1")]
    await service.respond(await service.asked(), 503, fields, b"later")
    await until(lambda: len(retrying(lab).waiting) == 1)
    assert lab.gateway.bytes_in_flight.held > 0
    return service, client


async def test_a_client_that_leaves_while_it_waits_is_forgotten(lab: Lab) -> None:
    _, client = await begin_waiting(lab)
    await client.aclose()
    await until(lambda: len(retrying(lab)) == 0)
    assert lab.reasons == {"client_gone": 1}


async def test_what_waits_when_nobody_is_left_has_the_answer_that_there_was(lab: Lab) -> None:
    service, client = await begin_waiting(lab)
    await service.aclose()
    await until(lambda: lab.health == {})
    for _ in range(4):  # it looks again and again for somebody, as often as it may
        await lab.pass_time(1_100)
    answer = await client.answer()
    assert (answer.status, answer.body) == (503, b"later")
    assert len(retrying(lab)) == 0


async def test_what_waits_when_the_time_to_drain_is_over_is_answered(lab: Lab) -> None:
    _, client = await begin_waiting(lab)
    await lab.gateway.drain(0.05)
    assert (await client.answer()).reason == "draining"
    assert len(retrying(lab)) == 0


async def test_goaway_while_it_waits_leaves_it_to_who_comes(lab: Lab) -> None:
    service, client = await begin_waiting(lab)
    newcomer = await lab.raw("GET /things", instance="raw-2")
    await service.send(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1_000))
    await until(lambda: lab.health["raw-1"] == "draining")
    await lab.pass_time(1_100)
    await newcomer.respond(await newcomer.asked(), body=b"new")
    assert (await client.answer()).body == b"new"


# ---- storms ----


async def test_all_instances_fail_and_little_more_is_sent_than_came() -> None:
    """The figure is that of the whole benchmark, for fewer requests: the floor is left out, which is for few."""
    calls = 0
    service = Service("failing", version="1.0.0")

    @service.get("/things")
    def things(call: Call) -> tuple[int, str]:
        nonlocal calls
        calls += 1
        return 503, "no"

    async with open_lab(retries_budget_floor="0", **QUICK) as lab:
        await lab.serve(service, instance="one")
        clients = [await lab.client() for _ in range(20)]

        async def ask(client: Client) -> None:
            for _ in range(50):
                assert (await client.get("/things")).status == 503

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(ask, client)
        assert 1_000 < calls <= 1_250
        assert given_up(lab)[Why.BUDGET] > 0


class Closing:
    """An instance that closes its connection just as a request comes, and comes back at once."""

    def __init__(self, lab: Lab, name: str, *, reads: bool) -> None:
        self.lab = lab
        self.name = name
        self.reads = reads
        self.asked: list[bytes] = []
        self.is_closing = True
        self.service: RawService | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        while True:
            self.service = service = await self.lab.stranger()
            await service.join("GET /things", "POST /things", instance=self.name)
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            if self.is_closing and not self.reads:
                if not service.has_frames:
                    await trio.lowlevel.wait_readable(service.stream.socket)
                await service.aclose()
                continue
            while True:
                asked = await service.asked()
                self.asked.append(asked.body)
                if self.is_closing:
                    await service.aclose()
                    break
                await service.respond(asked, body=asked.body)


@pytest.mark.parametrize("reads", [False, True], ids=["closed unread", "closed when read"])
async def test_a_connection_that_closes_as_it_is_used_fails_no_get_and_doubles_no_post(reads: bool) -> None:
    async with open_lab(retries_budget_floor="100000", services_hello_rate="1000/s") as lab:
        closing, stays = Closing(lab, "closing", reads=reads), Closing(lab, "stays", reads=True)
        stays.is_closing = False
        async with trio.open_nursery() as nursery:
            await nursery.start(closing.run)
            await nursery.start(stays.run)
            client = await lab.client()
            outcomes: list[int] = []
            for number in range(100):
                assert (await client.get("/things")).status == 200
                outcomes.append((await client.ask("POST", "/things", body=b"%d" % number)).status)
            posts = [body for body in (*closing.asked, *stays.asked) if body]
            assert len(posts) == len(set(posts)), "a POST was carried out twice"
            assert set(outcomes) <= {200, 502}
            assert sent(lab)[FailureKind.LOST] > 0
            nursery.cancel_scope.cancel()


# ---- gateways in a row ----


async def test_what_another_gateway_sends_again_is_not_sent_again_here() -> None:
    async with open_lab(**QUICK) as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things", "x-penstock-attempt: 1"))
        asked = await service.asked()
        assert b"x-penstock-attempt" not in dict(asked.headers)
        await service.respond(asked, 503, body=b"no")
        assert (await client.answer()).body == b"no"
        assert given_up(lab) == {Why.NESTED: 1}
        await client.send(request("GET", "/things"))  # the exchange has the same place as the one before
        await service.respond(await service.asked(), 503)
        assert (await service.asked()).attempt == 2
        await client.aclose()


# ---- streams ----


async def test_a_rule_says_how_long_a_stream_of_its_may_be_silent() -> None:
    """Also of one whose answer turned out to stream, of which nothing was kept but where it went."""
    async with open_lab(rules="[{path: /things, stream_idle_timeout: 50ms}]") as lab:
        service, client = await lab.raw(**streaming("GET /things")), await lab.client()
        for lines in ((), ("Connection: x-odd", "X-Odd: 1")):
            await client.send(request("GET", "/things", *lines))
            asked = await service.asked()
            await service.respond(asked, flags=0)
            assert await service.cancelled() == (asked.exchange, CancelReason.DEADLINE)
            client = await lab.client()
        assert lab.reasons == {"stream_idle": 2}


async def test_a_stream_that_was_begun_is_not_sent_again() -> None:
    async with open_lab(**QUICK) as lab:
        service, client = await lab.raw(**streaming("GET /things")), await lab.client()
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), 503)  # nothing was begun: it is whole
        second = await service.asked()
        assert second.attempt == 2
        await service.respond(second, flags=0)
        await service.data(second, b"begun")
        await until(lambda: len(retrying(lab)) == 0)
        await service.aclose()
        with pytest.raises((trio.BrokenResourceError, h11.RemoteProtocolError)):  # the body is cut
            await client.answer()
        assert lab.reasons == {"response_aborted": 1}


# ---- what is told ----


async def test_the_metrics_tell_what_was_sent_again_and_which_limit_forbade_it() -> None:
    async with open_lab(retries_budget="100%", retries_budget_floor="0") as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), 503)
        assert (await lab.admin("/metrics")).body.count(b"penstock_kept_requests 1") == 1
        await service.respond(await service.asked(), 503)
        assert (await client.answer()).status == 503
        lines = (await lab.admin("/metrics")).body.decode().splitlines()
        assert 'penstock_retries_total{after="answered"} 1' in lines
        assert 'penstock_retries_total{after="lost"} 0' in lines
        assert 'penstock_retries_limited_total{limit="budget"} 1' in lines
        assert "penstock_retries_waiting 0" in lines
        assert "penstock_kept_requests 0" in lines
        assert any(line.startswith('penstock_retry_budget_left{service="raw"} 0.') for line in lines)


async def test_other_settings_hold_from_the_next_request_on() -> None:
    async with open_lab(**NO_BUDGET) as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), 503)
        assert (await client.answer()).status == 503
        changed = environment(lab.addresses, retries_budget="100%", **QUICK)
        await lab.gateway.change(load_gateway(changed).settings)
        await client.send(request("GET", "/things"))
        for _ in range(2):
            await service.respond(await service.asked(), 503)
        await service.respond(await service.asked())
        assert (await client.answer()).status == 200
        await lab.gateway.change(load_gateway(environment(lab.addresses, rules="[{retries: none}]")).settings)
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), 503)
        assert (await client.answer()).status == 503


async def test_a_dialled_service_that_closes_as_it_is_used_is_dialled_again_and_asked() -> None:
    """It has one connection, and no other instance: the request waits until the pool has dialled again."""
    async with open_pool(retries_budget_floor="1000") as pool:
        (place,) = pool.places

        async def serve() -> None:
            while True:
                service = await place.accept()
                await service.respond(await service.asked(), body=b"well")
                await service.asked()
                await service.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            pool.dial(place)
            await until(lambda: pool.lab.health == {"raw-1": "healthy"})
            client = await pool.lab.client()
            for _ in range(3):  # whoever goes on like that is dialled later and later
                assert (await client.get("/things")).body == b"well"
            assert sent(pool.lab) == {FailureKind.LOST: 2}
            nursery.cancel_scope.cancel()
