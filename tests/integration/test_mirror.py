"""Copies of requests to another version: what they are, and that whatever becomes of them is nothing to the client."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from lab import Lab, open_lab, until
from lab_service import Asked, RawService, streaming

from frames.fixed import encode_cancel, encode_refused
from frames.frame import END, CancelReason, FieldId, FrameType, RefusedReason

RULES = "[{name: m, service: raw, versions: {default: 1.0.0}, mirror: {version: 2.0.0, percent: 100, in_flight: 2}}]"
OFFERS = ("GET /things/{id}", "POST /things")


@asynccontextmanager
async def mirrored(rules: str = RULES, **settings: str) -> AsyncIterator[tuple[Lab, RawService]]:
    """A gateway with the version that is asked; the one that gets the copies is not there yet."""
    async with open_lab(rules=rules, **settings) as lab:
        yield lab, await lab.raw(*OFFERS, instance="one")


async def second(lab: Lab, *offers: str, **more: object) -> RawService:
    return await lab.raw(*(offers or OFFERS), instance="two", version="2.0.0", **more)


async def served(lab: Lab, primary: RawService, target: str = "/things/7", *lines: str) -> Asked:
    """Ask once; it is answered, whatever becomes of the copy."""
    client = await lab.client()
    async with trio.open_nursery() as nursery:

        async def get() -> None:
            answer = await client.get(target, *lines)
            assert (answer.status, answer.body) == (200, b"mine")

        nursery.start_soon(get)
        asked = await primary.asked()
        await primary.respond(asked, body=b"mine")
    await client.aclose()
    return asked


def counts(lab: Lab) -> tuple[int, int, int]:
    mirror = lab.gateway.own.mirror
    return mirror.sent, mirror.dropped, mirror.failed


async def test_a_copy_is_the_request_with_a_mark() -> None:
    async with mirrored() as (lab, primary):
        copies = await second(lab)
        client = await lab.client()
        lines = ("x-tenant-id: acme", "x-request-id: r-1", "x-correlation-id: c-1", "x-penstock-mirror: 9", "x-a: b")
        trace = ("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: client.ask("POST", "/things?a=b", *lines, *trace, body=b"body"))
            asked = await primary.asked()
            copy = await copies.asked()
            assert (copy.method, copy.target, copy.body, copy.flags) == (asked.method, asked.target, b"body", END)
            assert copy.headers == [*asked.headers, (b"x-penstock-mirror", b"1")]
            assert (b"x-penstock-mirror", b"9") not in asked.headers
            for field in FieldId:
                if field is not FieldId.NAMED:
                    assert copy.context(field) == asked.context(field), field
            assert 0 < copy.remaining_ms <= asked.remaining_ms + 1
            await copies.respond(copy, 200, body=b"not mine")
            await primary.respond(asked, body=b"mine")
        await until(lambda: len(lab.gateway.own.mirror) == 0)
        assert counts(lab) == (1, 0, 0)
        statuses = {page["path"]: page for page in (await lab.admin("/routes")).json()["routes"]}
        assert statuses.keys() == {"/things/{id}", "/things"}
        assert sum(map(sum, map(lab.gateway.wire.route_statuses, range(2)))) == 1  # copies are no requests of the route


async def test_an_identity_goes_with_the_copy() -> None:
    keys = f"[{{principal: robot, hash: 'sha256:{hashlib.sha256(b'k' * 40).hexdigest()}', claims: {{a: b}}}}]"
    async with mirrored(identity_api_keys=keys) as (lab, primary):
        copies = await second(lab)
        asked = await served(lab, primary, "/things/7", f"x-api-key: {'k' * 40}")
        copy = await copies.asked()
        assert copy.context(FieldId.PRINCIPAL) == asked.context(FieldId.PRINCIPAL) == b"robot"
        assert copy.context(FieldId.CLAIMS) == asked.context(FieldId.CLAIMS)
        assert b"x-api-key" not in dict(copy.headers)
        await copies.respond(copy)


async def refuse(copies: RawService, copy: Asked) -> None:
    await copies.send(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED, 0), exchange=copy.exchange)


async def fail(copies: RawService, copy: Asked) -> None:
    await copies.respond(copy, 500)


async def go(copies: RawService, copy: Asked) -> None:
    await copies.aclose()


async def give_up(copies: RawService, copy: Asked) -> None:
    await copies.respond(copy, flags=0)
    await copies.send(FrameType.CANCEL, encode_cancel(CancelReason.ABORTED), exchange=copy.exchange)


async def break_rules(copies: RawService, copy: Asked) -> None:
    await copies.data(copy, b"before its head")


@pytest.mark.parametrize("act", [refuse, fail, go, give_up, break_rules])
async def test_a_copy_that_goes_wrong(act: Callable[[RawService, Asked], Awaitable[None]]) -> None:
    async with mirrored() as (lab, primary):
        copies = await second(lab, **streaming("GET /things/{id}"))
        await served(lab, primary)
        await act(copies, await copies.asked())
        await until(lambda: counts(lab) == (1, 0, 1))
        await served(lab, primary)
        await copies.aclose()
        assert lab.reasons == {}


async def test_copies_that_hang_use_up_their_own_budget_only() -> None:
    async with mirrored() as (lab, primary):
        copies = await second(lab)
        for _ in range(5):
            await served(lab, primary)
        assert counts(lab) == (2, 3, 0)
        one, other = await copies.asked(), await copies.asked()
        await copies.respond(one)
        await until(lambda: len(lab.gateway.own.mirror) == 1)
        await served(lab, primary)
        assert counts(lab) == (3, 3, 0)
        await copies.respond(other)
        await copies.respond(await copies.asked())
        await until(lambda: len(lab.gateway.own.mirror) == 0)


async def test_a_copy_ends_at_its_deadline() -> None:
    async with mirrored() as (lab, primary):
        copies = await second(lab)
        await served(lab, primary, "/things/7", "x-request-timeout-ms: 5000")
        copy = await copies.asked()
        await lab.pass_time(5_001)
        assert await copies.cancelled() == (copy.exchange, CancelReason.DEADLINE)
        assert counts(lab) == (1, 0, 1)
        assert lab.reasons == {}


async def test_an_answer_to_a_copy_is_read_and_thrown_away() -> None:
    async with mirrored() as (lab, primary):
        copies = await second(lab, **streaming("GET /things/{id}"))
        await served(lab, primary)
        copy = await copies.asked()
        await copies.respond(copy, flags=0)
        for _ in range(40):  # far more than a call's answer may have
            await copies.data(copy, bytes(65_536))
            await copies.expect(FrameType.CREDIT)
        assert lab.gateway.bytes_in_flight.held == 0
        await copies.data(copy, b"", END)
        await until(lambda: len(lab.gateway.own.mirror) == 0)
        assert counts(lab) == (1, 0, 0)


async def test_who_does_not_read_gets_no_more_copies() -> None:
    rules = RULES.replace("in_flight: 2", "in_flight: 1000")
    async with mirrored(rules) as (lab, primary):
        copies = await second(lab)
        client = await lab.client()
        body = bytes(60_000)
        for _ in range(400):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: client.ask("POST", "/things", body=body))
                await primary.respond(await primary.asked())
            if lab.gateway.own.mirror.dropped > 5:
                break
        assert lab.gateway.own.mirror.dropped > 5
        assert max(lab.gateway.wire.unsent) < 300_000
        await copies.aclose()
        await until(lambda: len(lab.gateway.own.mirror) == 0)


async def test_nobody_is_there_to_get_copies() -> None:
    async with mirrored() as (lab, primary):
        await served(lab, primary)
        copies = await second(lab)
        await served(lab, primary)
        await copies.respond(await copies.asked())
        await copies.aclose()
        await until(lambda: len(lab.gateway.registry.instances) == 1)
        await served(lab, primary)
        await until(lambda: len(lab.gateway.own.mirror) == 0)
        assert counts(lab) == (1, 0, 0)


async def test_streams_are_not_copied() -> None:
    async with mirrored() as (lab, primary):
        await second(lab)
        client = await lab.client()
        async with trio.open_nursery() as nursery:
            chunked = b"POST /things HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
            nursery.start_soon(client.send, chunked)
            await primary.respond(await primary.asked())
            assert (await client.answer("POST")).status == 200
        assert "mirror" not in vars(lab.gateway.own)


async def test_without_a_rule_nothing_is_made() -> None:
    async with open_lab() as lab:
        primary = await lab.raw(*OFFERS)
        await served(lab, primary)
        assert {"mirror", "relay", "originated"}.isdisjoint(vars(lab.gateway.own))


async def test_a_fault_of_ours_is_nothing_to_the_client(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(exchange: object) -> None:
        raise LookupError("a bug")

    async with mirrored() as (lab, primary):
        monkeypatch.setattr(lab.gateway.own.mirror, "copy", fail)
        await served(lab, primary)
        assert lab.reasons == {}
        assert "a stage failed" in caplog.text
