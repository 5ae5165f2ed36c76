"""Idempotency-Key through a whole gateway: each answer, who gets it, and what survives."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trio
import trio.lowlevel
from lab import Lab, environment, open_lab, until
from lab_client import Client, HttpAnswer
from lab_service import Asked, RawService

from frames.endpoint import EndpointOffer
from frames.fixed import encode_refused
from frames.frame import CancelReason, FieldId, FrameType, RefusedReason
from penstock.settings import SettingsError
from proxy.answers.ledger import Ledger
from proxy.config import load_gateway
from proxy.gateway.app import Gateway

RULE: dict[str, Any] = {"path": "/payments", "idempotency": {}}
KEY = 'Idempotency-Key: "8e03978e-40d5-43e8-bc93-6894a57f9324"'
CHUNKED = b"POST /payments HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n" + KEY.encode() + b"\r\n\r\n"


@asynccontextmanager
async def open_keys(
    rule: dict[str, Any] | None = None, offers: dict[str, Any] | None = None, **settings: str
) -> AsyncIterator[tuple[Lab, RawService]]:
    async with open_lab(rules=json.dumps([rule or RULE]), **settings) as lab:
        yield lab, await lab.raw("POST /payments", "GET /payments", "POST /payments/{id}", **(offers or {}))


def ledger(lab: Lab) -> Ledger:
    return lab.gateway.answering.repeating.ledger


async def pay(client: Client, *lines: str, target: str = "/payments", body: bytes = b"{}") -> HttpAnswer:
    return await client.ask("POST", target, *lines, body=body)


async def paid(
    lab: Lab, service: RawService, *lines: str, status: int = 201, target: str = "/payments", body: bytes = b"{}"
) -> tuple[Asked, HttpAnswer]:
    """Have a request reach the service, which answers."""
    client, answers = await lab.client(), list[HttpAnswer]()

    async def ask() -> None:
        answers.append(await pay(client, *(lines or (KEY,)), target=target, body=body))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        asked = await service.asked()
        await service.respond(asked, status, [(FieldId.NAMED, b"location", b"/payments/1")], b"paid")
    await client.aclose()
    assert b"idempotent-replayed" not in answers[0].headers
    return asked, answers[0]


async def test_the_first_answer_is_given_again_and_marked() -> None:
    async with open_keys() as (lab, service):
        asked, _ = await paid(lab, service)
        assert (b"idempotency-key", KEY.partition(": ")[2].encode()) in asked.headers
        client = await lab.client()
        for key in (KEY, KEY.replace('"', "")):  # bare, it is the same key
            again = await pay(client, key)
            assert (again.status, again.body, again.headers[b"location"]) == (201, b"paid", b"/payments/1")
            assert again.headers[b"idempotent-replayed"] == b"true"
        assert lab.gateway.answering.repeating.figures.replayed == 2


async def test_what_came_by_another_lane_is_the_same_answer() -> None:
    async with open_keys() as (lab, service):
        await paid(lab, service)
        client = await lab.client()
        await client.send(CHUNKED + b"2\r\n{}\r\n0\r\n\r\n")
        again = await client.answer("POST")
        assert (again.status, again.body) == (201, b"paid")
        assert again.headers[b"idempotent-replayed"] == b"true"


async def test_one_that_a_task_has_carried_is_kept_too() -> None:
    async with open_keys() as (lab, service):
        client = await lab.client()
        await client.send(CHUNKED)
        await until(lambda: ledger(lab).in_flight == 1)
        assert (await pay(await lab.client(), KEY)).reason == "idempotency_in_flight"
        await client.send(b"2\r\n{}\r\n0\r\n\r\n")
        asked = await service.asked()
        assert asked.body == b"{}"
        await service.respond(asked, 201, [], b"paid")
        assert (await client.answer("POST")).status == 201
        assert (await pay(await lab.client(), KEY)).body == b"paid"


async def test_one_whose_body_never_came_leaves_the_key_free() -> None:
    async with open_keys() as (lab, service):
        client = await lab.client()
        await client.send(CHUNKED)
        await until(lambda: ledger(lab).in_flight == 1)
        await client.aclose()
        await until(lambda: len(ledger(lab)) == 0)
        await paid(lab, service)


async def test_while_it_is_in_flight_it_is_not_sent_again() -> None:
    async with open_keys() as (lab, service):
        first, second = await lab.client(), await lab.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pay, first, KEY)
            asked = await service.asked()
            refused = await pay(second, KEY)
            assert (refused.status, refused.reason) == (409, "idempotency_in_flight")
            assert refused.headers[b"retry-after"] == b"1"
            await service.respond(asked, 201)
        assert lab.reasons == {"idempotency_in_flight": 1}


@pytest.mark.parametrize(
    ("target", "body", "line"),
    [
        ("/payments", b"[]", "X-A: a"),
        ("/payments?a=1", b"{}", "X-A: a"),
        ("/payments", b"{}", "Content-Type: text/plain"),
    ],
)
async def test_a_key_is_for_one_request(target: str, body: bytes, line: str) -> None:
    async with open_keys() as (lab, service):
        await paid(lab, service)
        refused = await pay(await lab.client(), KEY, line, target=target, body=body)
        assert (refused.status, refused.reason) == (422, "idempotency_mismatch")


async def test_a_key_is_of_its_route_and_of_who_asks() -> None:
    async with open_keys() as (lab, service):
        await paid(lab, service)
        await paid(lab, service, KEY, target="/payments/1")
        await paid(lab, service, KEY, "x-tenant-id: acme")
        await paid(lab, service, KEY, "x-tenant-id: other")
        await paid(lab, service, KEY, "Authorization: Basic YTpi")
        assert len(ledger(lab)) == 5


@pytest.mark.parametrize(
    "value", ['"', '""', '"a', "a, b", '"a", "b"', '"a";b=1', "", "a b", '"' + "a" * 256 + '"', '"\\n"']
)
async def test_a_malformed_key_is_refused(value: str) -> None:
    async with open_keys() as (lab, _):
        refused = await pay(await lab.client(), f"Idempotency-Key: {value}")
        assert (refused.status, refused.reason) == (400, "idempotency_key_invalid")


async def test_a_missing_key_is_refused_where_it_is_required() -> None:
    async with open_keys({"path": "/payments", "idempotency": {"required": True}}) as (lab, service):
        refused = await pay(await lab.client())
        assert (refused.status, refused.reason) == (400, "idempotency_key_missing")
        async with trio.open_nursery() as nursery:
            nursery.start_soon((await lab.client()).get, "/payments")
            await service.respond(await service.asked())
        await paid(lab, service)


async def test_without_a_key_nothing_is_kept() -> None:
    async with open_keys() as (lab, service):
        await paid(lab, service, "X-A: b")
        await paid(lab, service, "X-A: b")
        assert len(ledger(lab)) == 0


@pytest.mark.parametrize(("status", "keys"), [(200, 1), (400, 1), (500, 1), (429, 0), (503, 0), (425, 0)])
async def test_what_a_service_says_is_for_later_leaves_the_key_free(status: int, keys: int) -> None:
    async with open_keys() as (lab, service):
        await paid(lab, service, status=status)
        assert len(ledger(lab)) == keys


async def test_what_no_service_has_begun_leaves_the_key_free() -> None:
    async with open_keys({**RULE, "retries": "none"}) as (lab, service):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pay, await lab.client(), KEY)
            asked = await service.asked()
            refused = encode_refused(RefusedReason.DRAINING, 0)
            await service.send(FrameType.REFUSED, refused, exchange=asked.exchange)
        assert len(ledger(lab)) == 0
        await paid(lab, service)


async def test_what_nobody_knows_is_not_sent_again() -> None:
    async with open_keys() as (lab, service):
        client, other = await lab.client(), await lab.raw("POST /payments", instance="raw-2")
        await client.send(
            b"POST /payments HTTP/1.1\r\nHost: edge\r\nContent-Length: 0\r\n" + KEY.encode() + b"\r\n\r\n"
        )
        scopes = {service: trio.CancelScope(), other: trio.CancelScope()}

        async def lose(one: RawService) -> None:
            with scopes[one] as scope:
                await one.asked()
            if not scope.cancelled_caught:
                for each in scopes.values():
                    each.cancel()
                await one.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lose, service)
            nursery.start_soon(lose, other)
        assert (await client.answer("POST")).status == 502
        again = await pay(client, KEY, body=b"")
        assert (again.status, again.reason) == (409, "idempotency_unknown")


async def test_one_whose_client_leaves_goes_on_and_its_answer_is_there() -> None:
    async with open_keys() as (lab, service):
        client = await lab.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_pay_and_leave, client)
            asked = await service.asked()
            await client.aclose()
        await until(lambda: lab.reasons == {"client_gone": 1})
        refused = await pay(await lab.client(), KEY)
        assert refused.reason == "idempotency_in_flight"
        await service.respond(asked, 201, [], b"paid")
        await until(lambda: ledger(lab).in_flight == 0)
        again = await pay(await lab.client(), KEY)
        assert (again.status, again.body) == (201, b"paid")


async def test_one_whose_client_has_left_is_lost_at_its_deadline() -> None:
    async with open_keys(edge_deadline="5s") as (lab, service):
        client = await lab.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_pay_and_leave, client)
            asked = await service.asked()
            await client.aclose()
        await until(lambda: lab.reasons == {"client_gone": 1})
        await lab.pass_time(6_000)
        exchange, reason = await service.cancelled()
        assert (exchange, reason) == (asked.exchange, CancelReason.DEADLINE)
        assert (await pay(await lab.client(), KEY)).reason == "idempotency_unknown"


async def test_one_whose_client_has_left_is_not_held_to_the_time_of_an_attempt() -> None:
    profiles = {"slow": {"attempts": 2, "attempt_timeout": "1s"}}
    async with open_keys({**RULE, "retries": "slow"}, retries_profiles=json.dumps(profiles)) as (lab, service):
        client = await lab.client()
        await _pay_and_leave(client)
        asked = await service.asked()
        await client.aclose()
        await until(lambda: lab.reasons == {"client_gone": 1})
        await lab.pass_time(2_000)
        assert ledger(lab).in_flight == 1
        await service.respond(asked, 201, [], b"paid")
        await until(lambda: ledger(lab).in_flight == 0)
        assert (await pay(await lab.client(), KEY)).body == b"paid"


async def test_what_has_outlived_its_client_is_waited_for_before_the_gateway_ends() -> None:
    async with open_keys() as (lab, service):
        client = await lab.client()
        await _pay_and_leave(client)
        asked = await service.asked()
        await client.aclose()
        await until(lambda: lab.reasons == {"client_gone": 1})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lab.gateway.drain, 5.0)
            await trio.sleep(0.05)
            await service.respond(asked, 201, [], b"paid")
            await until(lambda: ledger(lab).in_flight == 0)
        assert lab.gateway.answering.repeating.figures.kept == 1


async def _pay_and_leave(client: Client) -> None:
    head = b"POST /payments HTTP/1.1\r\nHost: edge\r\nContent-Length: 2\r\n"
    await client.send(head + KEY.encode() + b"\r\n\r\n{}")


async def test_an_answer_runs_out() -> None:
    async with open_keys({"path": "/payments", "idempotency": {"ttl": "1h"}}) as (lab, service):
        await paid(lab, service)
        repeating = lab.gateway.answering.repeating
        now = repeating._now_ms()
        repeating._now_ms = lambda: now + 3_600_001
        await paid(lab, service)
        assert len(ledger(lab)) == 1


async def test_where_there_is_no_room_the_oldest_goes() -> None:
    async with open_keys(idempotency_entries="1") as (lab, service):
        await paid(lab, service, "Idempotency-Key: a")
        await paid(lab, service, "Idempotency-Key: b")
        assert ledger(lab).evicted == 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pay, await lab.client(), "Idempotency-Key: c")
            asked = await service.asked()
            refused = await pay(await lab.client(), "Idempotency-Key: d")
            assert (refused.status, refused.reason) == (503, "idempotency_full")
            await service.respond(asked, 201)


# ---- in a file ----


def in_file(path: Path) -> dict[str, Any]:
    return {"idempotency_store": "sqlite", "idempotency_file": str(path)}


async def test_an_answer_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "keys.db"
    async with open_keys(**in_file(file)) as (lab, service):
        await paid(lab, service)
    async with open_keys(**in_file(file)) as (lab, service):
        again = await pay(await lab.client(), KEY)
        assert (again.status, again.body, again.headers[b"location"]) == (201, b"paid", b"/payments/1")
        assert again.headers[b"idempotent-replayed"] == b"true"
        other = await pay(await lab.client(), KEY, body=b"[]")
        assert other.reason == "idempotency_mismatch"


async def test_what_was_in_flight_when_it_ended_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "keys.db"
    async with open_keys(**in_file(file)) as (lab, service):
        client = await lab.client()
        await _pay_and_leave(client)
        await service.asked()
        lab.scope.cancel()
        await trio.lowlevel.checkpoint()
    async with open_keys(**in_file(file)) as (lab, _):
        assert (await pay(await lab.client(), KEY)).reason == "idempotency_unknown"


async def test_an_answer_in_the_file_is_given_to_who_is_carried_by_a_task(tmp_path: Path) -> None:
    async with open_keys(**in_file(tmp_path / "keys.db")) as (lab, service):
        await paid(lab, service)
        (record,) = ledger(lab)._records.values()
        await until(lambda: record.payload is None)
        client = await lab.client()
        await client.send(CHUNKED + b"2\r\n{}\r\n0\r\n\r\n")
        assert (await client.answer("POST")).body == b"paid"


async def test_while_the_file_cannot_be_written_new_keys_are_refused(tmp_path: Path) -> None:
    async with open_keys(**in_file(tmp_path / "keys.db")) as (lab, service):
        store: Any = lab.gateway.answering.repeating.store
        store._writer.execute("DROP TABLE answers")
        await paid(lab, service)
        await until(lambda: store.is_failing)
        refused = await pay(await lab.client(), "Idempotency-Key: b")
        assert (refused.status, refused.reason) == (503, "idempotency_unavailable")
        assert (await pay(await lab.client(), KEY)).body == b"paid"  # which is still in memory
        store._prepare(store._writer)
        await until(lambda: not store.is_failing)
        await paid(lab, service, "Idempotency-Key: b")


async def test_while_the_file_cannot_be_written_new_keys_may_go_on(tmp_path: Path) -> None:
    async with open_keys(**in_file(tmp_path / "keys.db"), idempotency_on_store_failure="open") as (lab, service):
        store: Any = lab.gateway.answering.repeating.store
        store._writer.execute("DROP TABLE answers")
        await paid(lab, service)
        await until(lambda: store.is_failing)
        await paid(lab, service, "Idempotency-Key: b")
        assert (await pay(await lab.client(), "Idempotency-Key: b")).body == b"paid"


async def test_an_answer_that_cannot_be_read_is_not_made_again(tmp_path: Path) -> None:
    async with open_keys(**in_file(tmp_path / "keys.db")) as (lab, service):
        store: Any = lab.gateway.answering.repeating.store
        await paid(lab, service)
        (record,) = ledger(lab)._records.values()
        await until(lambda: record.payload is None)
        store._writer.execute("DELETE FROM answers")
        store._writer.commit()
        refused = await pay(await lab.client(), KEY)
        assert (refused.status, refused.reason) == (503, "idempotency_unavailable")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b"no database" * 100), "cannot be used as a database"),
        (lambda path: path.mkdir(), "cannot be used as a database"),
    ],
)
async def test_a_file_that_cannot_be_used_is_told_at_the_start(tmp_path: Path, make: Any, why: str) -> None:
    path = tmp_path / "keys.db"
    make(path)
    with pytest.raises(SettingsError, match=why):
        make_gateway(path)


def make_gateway(path: Path) -> None:
    config = load_gateway(environment(rules=json.dumps([RULE]), **in_file(path))).settings
    Gateway(config, "gw-2")


async def test_two_gateways_do_not_share_a_file(tmp_path: Path) -> None:
    async with open_keys(**in_file(tmp_path / "keys.db")):
        with pytest.raises(SettingsError, match="another gateway uses"):
            make_gateway(tmp_path / "keys.db")


# ---- what is told of it ----


async def test_metrics_and_explanations() -> None:
    async with open_keys({"path": "/payments", "idempotency": {"ttl": "1h"}}) as (lab, service):
        await paid(lab, service)
        await pay(await lab.client(), KEY)
        metrics = (await lab.admin("/metrics")).body.decode()
        for line in (
            "penstock_idempotency_keys 1",
            'penstock_idempotency_requests_total{outcome="replayed"} 1',
            'penstock_idempotency_requests_total{outcome="kept"} 1',
        ):
            assert f"{line}\n" in metrics, line
        for lines, words in (([], "1h; this one has no key"), ([KEY], "1h; the first request with this key goes on")):
            query = urlencode({"method": "POST", "target": "/payments", "header": lines}, doseq=True)
            told = (await lab.admin(f"/explain?{query}")).json()
            (line,) = [
                each["text"] for step in told["steps"] if step["name"] == "idempotency" for each in step["lines"]
            ]
            assert line.startswith(words)
        query = urlencode({"method": "POST", "target": "/payments", "header": "Idempotency-Key: a b"})
        assert (await lab.admin(f"/explain?{query}")).json()["reason"] == "idempotency_key_invalid"
        assert lab.gateway.answering.repeating.figures.begun == 1


async def test_a_key_lets_a_request_be_sent_again_where_the_endpoint_declares_idempotence() -> None:
    endpoints = (EndpointOffer(id=1, method="POST", path="/payments", idempotent=True),)
    async with open_keys(offers={"endpoints": endpoints}) as (lab, service):
        client, answers = await lab.client(), list[HttpAnswer]()

        async def ask() -> None:
            answers.append(await pay(client, KEY))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await service.respond(await service.asked(), 503)
            again = await service.asked()
            assert (again.attempt, ledger(lab).in_flight) == (2, 1)
            await service.respond(again, 201, [], b"paid")
        assert (answers[0].status, ledger(lab).in_flight) == (201, 0)
        assert (await pay(await lab.client(), KEY)).body == b"paid"
