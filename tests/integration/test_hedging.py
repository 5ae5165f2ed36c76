"""Hedging through a whole gateway: a second attempt where a first one takes long, and one answer for each client."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from lab import Lab, open_lab, until
from lab_client import Client, request
from lab_service import Asked, RawService

from frames.fixed import encode_refused
from frames.frame import CancelReason, FieldId, FrameType, RefusedReason
from proxy.attempts.hedge import SAMPLES_MIN
from proxy.attempts.hedging import Hedged, Hedging

SETTINGS = {
    "retries_profiles": "{quick: {hedge: 50%, backoff: 0ms, backoff_max: 0ms}}",
    "rules": "[{retries: quick}]",
    "retries_budget_floor": "100",
}
OFFERS = ("GET /things", "POST /things")


class Two:
    """A gateway whose route is hedged after a few milliseconds, with two instances of its service."""

    def __init__(self, lab: Lab, raws: tuple[RawService, RawService]) -> None:
        self.lab = lab
        self.raws = raws
        self._second: Asked | None = None

    async def first(self, method: str = "GET", *lines: str) -> tuple[Client, RawService, Asked, RawService]:
        """Ask; return the client, who is asked first and with what, and the other instance."""
        client = await self.lab.client()
        await client.send(request(method, "/things?a=1", *lines, body=b"b" if method == "POST" else b""))
        found: list[tuple[RawService, Asked]] = []

        async def take(service: RawService, scope: trio.CancelScope) -> None:
            asked = await service.asked()
            if asked.attempt == 1:
                found.append((service, asked))
                scope.cancel()
            else:
                self._second = asked  # a busy machine: the second has come before the first was looked at

        async with trio.open_nursery() as nursery:
            for raw in self.raws:
                nursery.start_soon(take, raw, nursery.cancel_scope)
        (slow, first), *_ = found
        return client, slow, first, self.raws[slow is self.raws[0]]

    async def second(self, service: RawService) -> Asked:
        """Return what the other instance is asked."""
        asked, self._second = self._second or await service.asked(), None
        assert asked.attempt == 2
        return asked

    @property
    def outcomes(self) -> dict[Hedged, int]:
        hedging: Hedging | None = getattr(self.lab.gateway.lane.attempts(), "hedging", None)
        return {} if hedging is None else dict(hedging.outcomes)


@asynccontextmanager
async def two(**settings: str) -> AsyncIterator[Two]:
    async with open_lab(**{**SETTINGS, **settings}) as lab:
        raws = (await lab.raw(*OFFERS, instance="raw-1"), await lab.raw(*OFFERS, instance="raw-2"))
        both = Two(lab, raws)
        await learn(lab, raws)
        yield both


async def learn(lab: Lab, raws: tuple[RawService, ...]) -> None:
    """Have enough answered at once, so that it is known what takes long."""
    client = await lab.client()

    async def serve(raw: RawService) -> None:
        while True:
            _, asked = await raw.next()
            if asked is not None:
                await raw.respond(asked)

    async with trio.open_nursery() as nursery:
        for raw in raws:
            nursery.start_soon(serve, raw)
        for _ in range(SAMPLES_MIN + 20):
            assert (await client.get("/things")).status == 200
            _look_at_delays(lab, math.inf)  # not while it learns: on a busy machine one of these would be hedged
        nursery.cancel_scope.cancel()
    _look_at_delays(lab, 0.0)


def _look_at_delays(lab: Lab, due: float) -> None:
    for known in lab.gateway.hedge_delays._routes.values():
        known.delay.due = due


async def test_the_second_attempt_wins_and_the_first_is_cancelled_on_the_wire() -> None:
    async with two() as both:
        client, slow, first, other = await both.first("GET", "x-tenant-id: acme", "x-request-id: r-1", "x-own: mine")
        second = await both.second(other)
        assert (second.target, second.method) == (b"/things?a=1", first.method)
        assert (second.context(FieldId.TENANT), second.context(FieldId.REQUEST_ID)) == (b"acme", b"r-1")
        assert second.headers == first.headers
        assert second.context(FieldId.TRACE) == first.context(FieldId.TRACE)
        await other.respond(second, 203, [(FieldId.NAMED, b"x-from", b"two")], b"mine")
        answer = await client.answer()
        assert (answer.status, answer.body, answer.headers[b"x-from"]) == (203, b"mine", b"two")
        assert answer.headers[b"x-request-id"] == b"r-1"
        assert await slow.cancelled() == (first.exchange, CancelReason.HEDGE_LOST)
        assert both.outcomes == {Hedged.WON: 1}
        assert both.lab.reasons == {}
        metrics = (await both.lab.admin("/metrics")).body
        assert b'penstock_hedges_total{outcome="won"} 1' in metrics
        assert b'penstock_hedges_total{outcome="lost"} 0' in metrics


async def test_it_is_explained() -> None:
    async with two() as both:
        told = (await both.lab.admin("/explain?method=GET&target=/things")).json()
        (step,) = [step for step in told["steps"] if step["name"] == "hedging"]
        assert step["lines"][0]["text"].startswith("a second attempt at another instance")
        assert step["lines"][0]["text"].endswith("at most 50 % of the requests")
        posted = (await both.lab.admin("/explain?method=POST&target=/things")).json()
        assert "hedging" not in [step["name"] for step in posted["steps"]]


async def test_the_first_attempt_wins_and_the_second_is_cancelled_on_the_wire() -> None:
    async with two() as both:
        client, slow, first, other = await both.first()
        second = await both.second(other)
        await slow.respond(first, body=b"first")
        assert (await client.answer()).body == b"first"
        assert await other.cancelled() == (second.exchange, CancelReason.HEDGE_LOST)
        assert both.outcomes == {Hedged.LOST: 1}


async def test_who_takes_longer_than_most_has_not_failed() -> None:
    async with two(breakers_failures="2") as both:
        for _ in range(4):
            client, slow, first, other = await both.first()
            await other.respond(await both.second(other))
            assert await slow.cancelled() == (first.exchange, CancelReason.HEDGE_LOST)
            assert (await client.answer()).status == 200
        assert sum(both.lab.gateway.breaking.figures().failures.values()) == 0
        assert [instance.breaker or instance.breakers for instance in both.lab.gateway.registry.instances] == [{}, {}]


async def test_a_second_attempt_that_fails_is_not_told_of() -> None:
    async with two() as both:
        client, slow, first, other = await both.first()
        await other.respond(await both.second(other), 500)
        await until(lambda: both.outcomes == {Hedged.FAILED: 1})
        await slow.respond(first, body=b"first")
        assert (await client.answer()).body == b"first"


@pytest.mark.parametrize("how", ["status", "refused", "lost"])
async def test_a_first_attempt_that_fails_leaves_it_to_the_second(how: str) -> None:
    async with two() as both:
        client, slow, first, other = await both.first()
        second = await both.second(other)
        if how == "status":
            await slow.respond(first, 503)
        elif how == "refused":
            await slow.send(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED), exchange=first.exchange)
        else:
            await slow.aclose()
        await both.lab.pass_time(1)
        await other.respond(second, body=b"second")
        assert (await client.answer()).body == b"second"
        assert both.outcomes == {Hedged.WON: 1}
        assert both.lab.gateway.bytes_in_flight.held == 0


async def test_where_both_fail_it_is_tried_again_as_without_a_hedge() -> None:
    async with two() as both:
        client, slow, first, other = await both.first()
        second = await both.second(other)
        await slow.respond(first, 503)
        await both.lab.pass_time(1)
        await other.respond(second, 503)
        found: list[RawService] = []

        async def serve(raw: RawService, scope: trio.CancelScope) -> None:
            await raw.respond(await raw.asked(), body=b"third")
            found.append(raw)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            for raw in both.raws:
                nursery.start_soon(serve, raw, nursery.cancel_scope)
            assert (await client.answer()).body == b"third"
        assert both.outcomes == {Hedged.FAILED: 1}


async def test_a_client_that_leaves_takes_both_back() -> None:
    async with two() as both:
        client, slow, first, other = await both.first()
        second = await both.second(other)
        await client.aclose()
        assert await slow.cancelled() == (first.exchange, CancelReason.CLIENT_GONE)
        assert await other.cancelled() == (second.exchange, CancelReason.HEDGE_LOST)


async def test_the_deadline_ends_both() -> None:
    async with two() as both:
        client, slow, first, other = await both.first("GET", "x-request-timeout-ms: 5000")
        second = await both.second(other)
        assert 0 < second.remaining_ms <= 5_000
        await both.lab.pass_time(5_001)
        assert (await client.answer()).reason == "deadline"
        assert await slow.cancelled() == (first.exchange, CancelReason.DEADLINE)
        assert (await other.cancelled())[0] == second.exchange


async def test_what_changes_something_is_never_sent_twice() -> None:
    async with two() as both:
        client, slow, first, other = await both.first("POST")
        with trio.move_on_after(0.1) as waited:
            await other.asked()
        assert waited.cancelled_caught
        await slow.respond(first, body=b"first")
        assert (await client.answer()).body == b"first"


async def test_a_gateway_before_this_one_hedges_itself() -> None:
    async with two() as both:
        client, slow, first, other = await both.first("GET", "x-penstock-attempt: 1")
        with trio.move_on_after(0.1) as waited:
            await other.asked()
        assert waited.cancelled_caught
        await slow.respond(first)
        assert (await client.answer()).status == 200


async def test_the_budget_is_shared_with_retries() -> None:
    async with two(retries_budget="0%", retries_budget_floor="0") as both:
        client, slow, first, _ = await both.first()
        await until(lambda: both.outcomes == {Hedged.NO_BUDGET: 1})
        await slow.respond(first)
        assert (await client.answer()).status == 200


async def test_no_more_are_hedged_than_the_profile_says() -> None:
    profile = "{quick: {hedge: 0.1%, backoff: 0ms, backoff_max: 0ms}}"
    async with two(retries_profiles=profile) as both:
        for number in range(2):
            client, slow, first, other = await both.first()
            if number == 0:
                await other.respond(await both.second(other), body=b"second")
                assert await slow.cancelled() == (first.exchange, CancelReason.HEDGE_LOST)
            else:
                await until(lambda: both.outcomes == {Hedged.WON: 1, Hedged.NO_RATE: 1})
                await slow.respond(first)
            assert (await client.answer()).status == 200


async def test_without_another_instance_there_is_none() -> None:
    async with open_lab(**SETTINGS) as lab:
        raw = await lab.raw(*OFFERS)
        await learn(lab, (raw,))
        client = await lab.client()
        await client.send(request("GET", "/things"))
        asked = await raw.asked()
        await until(lambda: Two(lab, (raw, raw)).outcomes == {Hedged.NO_INSTANCE: 1})
        await raw.respond(asked)
        assert (await client.answer()).status == 200
