"""Which instance gets a request, through a whole gateway: by each policy, and as explain tells it."""

from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest
import trio
from lab import Lab, open_lab, until

from penstock import Call, Service

PATH = "/things/7"
RULE = "[{service: things, balance: %s}]"


def make_service(name: str) -> Service:
    service = Service("things", version="1.0.0", access="public")

    async def answer(call: Call, thing: str) -> dict[str, Any]:
        return {"instance": name}

    service.get("/things/{thing}")(answer)
    return service


async def serve(lab: Lab, count: int) -> list[trio.CancelScope]:
    scopes = [await lab.serve(make_service(f"t{number}"), instance=f"t{number}") for number in range(count)]
    await until(lambda: len(lab.gateway.registry.instances) == count)
    return scopes


async def asked(lab: Lab, times: int, *lines: str, path: str = PATH) -> list[str]:
    client = await lab.client()
    answers = [await client.get(path, *lines) for _ in range(times)]
    assert {answer.status for answer in answers} == {200}
    return [answer.json()["instance"] for answer in answers]


async def explained(lab: Lab, *lines: str, path: str = PATH) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    page = await lab.admin(f"/explain?{urlencode({'target': path, 'header': lines}, doseq=True)}")
    told = page.json()
    lines_told = [
        (line["text"], line["origin"]) for step in told["steps"] if step["name"] == "instance" for line in step["lines"]
    ]
    return lines_told, told


async def test_by_turns() -> None:
    async with open_lab(rules=RULE % "{policy: round_robin}", balancing_slow_start="0s") as lab:
        await serve(lab, 3)
        found = await asked(lab, 12)
        assert found == found[:3] * 4
        assert set(found) == {"t0", "t1", "t2"}
        ((text, origin), *rest), _ = await explained(lab)
        assert text.endswith(", of 3 candidates: one after the other")
        assert (origin, rest) == ("rule PENSTOCK_RULES[0]", [])
        assert await asked(lab, 1) == found[:1], "an explanation takes nobody's turn"


async def test_weights() -> None:
    balance = "{policy: round_robin, weights: {t0: 3, t2: 0}}"
    async with open_lab(rules=RULE % balance, balancing_slow_start="0s") as lab:
        await serve(lab, 3)
        assert Counter(await asked(lab, 40)) == {"t0": 30, "t1": 10}
        lines, _ = await explained(lab)
        assert lines[1] == ("weights t0 3, t2 0", "rule PENSTOCK_RULES[0]")


@pytest.mark.parametrize("settings", [{}, {"balancing_policy": "least_loaded"}])
async def test_by_load(settings: dict[str, str]) -> None:
    async with open_lab(balancing_slow_start="0s", **settings) as lab:
        await serve(lab, 3)
        assert set(await asked(lab, 60)) == {"t0", "t1", "t2"}
        ((text, origin),), told = await explained(lab)
        how = "the one with the fewest requests in flight" if settings else "two at random, the less loaded of them"
        assert how in text
        assert origin.startswith("balancing.policy")
        assert {row["instance"]: row["share"] for row in told["instances"]} == {"t0": 1.0, "t1": 1.0, "t2": 1.0}
        assert all(row["load_percent"] is not None for row in told["instances"])


async def test_by_a_key_of_the_path_and_who_takes_over() -> None:
    async with open_lab(rules=RULE % "{policy: consistent_hash, by: parameter thing}") as lab:
        scopes = await serve(lab, 3)
        before = {}
        for number in range(24):
            (before[number],) = set(await asked(lab, 3, path=f"/things/{number}"))
        assert set(before.values()) == {"t0", "t1", "t2"}
        lines, _ = await explained(lab, path="/things/9")
        assert lines[0][0] == f"{before[9]}, of 3 candidates: by consistent hashing by parameter thing"
        assert lines[1][0] == f"9 belongs to {before[9]}, which has room: 0 in flight, room for 1"
        scopes[1].cancel()
        await until(lambda: len(lab.gateway.registry.instances) == 2)
        for number, instance in before.items():
            (after,) = set(await asked(lab, 2, path=f"/things/{number}"))
            assert after == instance or instance == "t1"


async def test_without_the_key_it_is_by_load_and_counted() -> None:
    async with open_lab(rules=RULE % "{policy: consistent_hash, by: header x-user}") as lab:
        await serve(lab, 2)
        assert len(set(await asked(lab, 5, "x-user: acme"))) == 1
        assert set(await asked(lab, 40)) == {"t0", "t1"}
        lines, _ = await explained(lab)
        assert lines[1][0] == "there is no key by header x-user, so two at random"
        metrics = (await lab.admin("/metrics")).body.decode()
        assert "penstock_balance_keyless_total 40" in metrics


async def test_who_has_come_begins_with_a_part_of_its_share() -> None:
    async with open_lab(balancing_slow_start="1h") as lab:
        await serve(lab, 1)
        lab.gateway.registry.instances[0].connected_at -= 7200
        await lab.serve(make_service("t1"), instance="t1")
        await until(lambda: len(lab.gateway.registry.instances) == 2)
        found = Counter(await asked(lab, 400))
        assert 5 < found["t1"] < 90, "a tenth of its share"
        lines, told = await explained(lab)
        assert lines[1] == (
            "for a while, of a fair share: t1 10%: new, or back from a breaker",
            "balancing.slow_start",
        )
        assert {row["instance"]: row["share"] for row in told["instances"]} == {"t0": 1.0, "t1": 0.1}
        metrics = (await lab.admin("/metrics")).body.decode()
        assert "penstock_instances_starting 1" in metrics
