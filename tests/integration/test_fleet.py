"""The fleet page: every instance in one shape, what each says, and who does not answer."""

import json
import re
from typing import Any

import msgspec
import pytest
import trio
from click.testing import CliRunner, Result
from lab import Lab, open_lab, until
from lab_service import RawService

from frames.fixed import encode_refused
from frames.frame import CancelReason, FrameType, Method, RefusedReason
from penstock import Call, Service
from proxy.cli.main import command
from proxy.fanout import fleet

SAID = {"ready": True, "reasons": [], "in_flight": 2, "concurrency": 8, "uptime_s": 1.5, "cpu_s": 0.5, "rss_bytes": 9}
WITH_STATUS: dict[str, Any] = {"features": ("status",)}


def billing() -> Service:
    service = Service("billing", version="1.4.0")

    @service.get("/invoices")
    def read(call: Call) -> str:
        return "mine"

    return service


async def page(lab: Lab, query: str = "") -> Any:
    answer = await lab.admin(f"/fleet{query}")
    assert (answer.status, answer.headers[b"content-type"]) == (200, b"application/json")
    return answer.json()


async def say(service: RawService, said: Any = SAID, status: int = 200) -> None:
    """Answer the question that comes next."""
    asked = await service.asked()
    assert (asked.endpoint, asked.method, asked.target) == (65_535, Method.GET, b"/status.json")
    body = said if isinstance(said, bytes) else msgspec.json.encode(said)
    await service.respond(asked, status, body=body)


async def test_the_shape_of_the_page() -> None:
    async with open_lab() as lab:
        await lab.serve(billing(), instance="billing-1")
        document = await page(lab)
        assert list(document) == ["version", "complete", "at", "gateway", "summary", "instances"]
        assert (document["version"], document["complete"]) == (1, True)
        gateway = document["gateway"]
        assert (gateway["instance"], gateway["ready"], gateway["reasons"]) == ("gw-1", True, [])
        assert document["summary"] == {
            "instances": 1,
            "ready": 1,
            "healthy": 1,
            "degraded": 0,
            "unhealthy": 0,
            "draining": 0,
        }
        (instance,) = document["instances"]
        metrics, leg = instance.pop("metrics"), instance.pop("leg")
        assert instance == {
            "service": "billing",
            "instance": "billing-1",
            "version": "1.4.0",
            "region": "local",
            "health": "healthy",
            "why": "",
            "ready": True,
            "reasons": [],
        }
        assert list(metrics) == [
            *("in_flight", "latency_us", "load_percent", "unsent_bytes", "connected_s"),
            *("concurrency", "uptime_s", "cpu_s", "rss_bytes"),
        ]
        assert metrics["rss_bytes"] > 1_000_000
        assert (leg["ok"], leg["reason"]) == (True, None)


async def run(lab: Lab, *arguments: str) -> Result:
    """Run the command as if in a terminal, beside the gateway that it asks."""
    environment = {"PENSTOCK_ADMIN_LISTEN": "{}:{}".format(*lab.addresses.admin)}
    return await trio.to_thread.run_sync(lambda: CliRunner().invoke(command, ["fleet", *arguments], env=environment))


async def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "KEPT_S", 0.0)
    service = billing()
    problems: list[str | None] = [None]
    service.ready(lambda: problems[0])
    async with open_lab() as lab:
        nobody = await run(lab)
        assert (nobody.exit_code, nobody.stdout) == (0, "there are no instances now\n")
        await lab.serve(service, instance="billing-1")
        good = await run(lab)
        head, line, summary = (re.split(r"  +", each) for each in good.stdout.splitlines())
        assert head == [
            "INSTANCE",
            "VERSION",
            "HEALTH",
            "READY",
            "ANSWER",
            "IN FLIGHT",
            "LATENCY",
            "UP",
            "CPU",
            *head[9:],
        ]
        assert line[:4] == ["billing/billing-1", "1.4.0", "healthy", "yes"]
        assert (good.exit_code, summary) == (0, ["1 of 1 are ready"])
        await lab.raw(instance="raw-1")
        problems[0] = "The ledger cannot be reached."
        bad = await run(lab)
        lines = bad.stdout.splitlines()
        assert lines[1].endswith("The ledger cannot be reached.")
        assert lines[2].endswith("service_feature_unsupported")
        assert (bad.exit_code, lines[3]) == (1, "0 of 2 are ready")
        assert json.loads((await run(lab, "--service", "raw", "--output", "json")).stdout)["summary"]["instances"] == 1


async def test_a_process_that_is_not_ready_says_why() -> None:
    service = billing()
    problems: list[str | None] = ["The ledger cannot be reached.", None]

    @service.ready
    def ledger() -> str | None:
        return problems[0]

    @service.ready
    def other() -> str | None:
        raise RuntimeError("secret")

    async with open_lab() as lab:
        await lab.serve(service, instance="billing-1")
        (instance,) = (await page(lab))["instances"]
        assert (instance["ready"], instance["leg"]["ok"], instance["health"]) == (False, True, "healthy")
        assert instance["reasons"] == ["The ledger cannot be reached.", "The check other failed."]


async def test_partial_results_are_marked_by_leg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "LEG_MS", 50)
    async with open_lab() as lab:
        good = await lab.raw(instance="a-good", **WITH_STATUS)
        hung = await lab.raw(instance="b-hung", **WITH_STATUS)
        await lab.raw(instance="c-old")
        bad = await lab.raw(instance="d-bad", **WITH_STATUS)
        error = await lab.raw(instance="e-error", **WITH_STATUS)
        refuses = await lab.raw(instance="f-refuses", **WITH_STATUS)
        lost = await lab.raw(instance="g-lost", **WITH_STATUS)
        found: list[Any] = []

        async def look() -> None:
            found.append(await page(lab))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await say(good)
            await say(bad, {"ready": "yes"})
            await say(error, {}, 500)
            asked = await refuses.asked()
            await refuses.send(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED), exchange=asked.exchange)
            await lost.asked()
            await lost.aclose()
            late = await hung.asked()
            assert await hung.cancelled() == (late.exchange, CancelReason.DEADLINE)
        (document,) = found
        told = {
            each["instance"]: (each["ready"], each["leg"]["ok"], each["leg"]["reason"])
            for each in document["instances"]
        }
        assert told == {
            "a-good": (True, True, None),
            "b-hung": (None, False, "fanout_leg_timeout"),
            "c-old": (None, False, "service_feature_unsupported"),
            "d-bad": (None, False, "bad_response"),
            "e-error": (None, False, "bad_response"),
            "f-refuses": (None, False, "service_overloaded"),
            "g-lost": (None, False, "service_lost"),
        }
        assert (document["complete"], document["summary"]["ready"], document["summary"]["instances"]) == (False, 1, 7)
        known = [list(each["metrics"])[:2] for each in document["instances"]]
        assert known == [["in_flight", "latency_us"]] * 7


async def test_many_who_look_ask_once_and_see_the_same() -> None:
    async with open_lab() as lab:
        service = await lab.raw(instance="raw-1", **WITH_STATUS)
        found: list[Any] = []

        async def look() -> None:
            found.append(await page(lab))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(look)
            await say(service)
        assert found == [found[0]] * 5
        assert lab.count("begun") == 1


async def test_one_service_alone_and_none() -> None:
    async with open_lab() as lab:
        service = await lab.raw(instance="raw-1", **WITH_STATUS)
        assert (await page(lab, "?service=other"))["instances"] == []
        async with trio.open_nursery() as nursery:

            async def look() -> None:
                assert [each["service"] for each in (await page(lab, "?service=raw"))["instances"]] == ["raw"]

            nursery.start_soon(look)
            await say(service)


async def test_no_more_are_asked_at_once_than_sixteen() -> None:
    async with open_lab() as lab:
        raws = [await lab.raw(instance=f"raw-{number:02}", **WITH_STATUS) for number in range(18)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(page, lab)
            asker = lab.gateway.own.asker
            await until(lambda: asker.under_way == 16)
            for raw in raws:
                await say(raw)
                assert asker.under_way <= 16


async def test_who_looks_and_leaves_takes_back_what_was_asked() -> None:
    async with open_lab() as lab:
        service = await lab.raw(instance="raw-1", **WITH_STATUS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lab.gateway.overview.fleet, "")
            asked = await service.asked()
            nursery.cancel_scope.cancel()
        assert await service.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)
        assert lab.gateway.own.asker.under_way == 0
        await lab.census()
