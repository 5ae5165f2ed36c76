"""A line in front of a service that answers, refuses, hangs and comes back, and clients that leave: nothing is left."""

from collections import Counter
from contextlib import suppress
from random import Random

import pytest
import trio
from lab import Lab, open_lab, until
from lab_client import Client, request

from penstock import Call, Response, Service

PATH = "/things"
RULES = "[{service: things, concurrency: {service: 3, route: 2, waiting: 6, wait: 30ms}}]"
REASONS = {
    "line_full",
    "line_too_slow",
    "hopeless",
    "concurrency_full",
    "no_instance",
    "service_lost",
    "deadline",
    "no_route",
    "body_timeout",
}


def service_of(random: Random) -> Service:
    service = Service("things", version="1.0.0")

    async def answer(call: Call) -> Response:
        await trio.sleep(random.choice((0.0, 0.001, 0.01, 0.05)))
        return Response(b"{}", status=random.choice((200, 200, 200, 503)))

    service.get(PATH)(answer)
    service.get("/others")(answer)
    service.post(PATH)(answer)
    return service


async def one_client(lab: Lab, random: Random, told: Counter[str]) -> None:
    for _ in range(12):
        client: Client = await lab.client()
        method, path = random.choice((("GET", PATH), ("GET", "/others"), ("POST", PATH)))
        lines = [f"X-Tenant-Id: t{random.randrange(3)}"]
        if random.random() < 0.2:
            lines.append(f"X-Request-Timeout-Ms: {random.choice((1, 5, 40))}")
        if method == "POST" and random.random() < 0.5:
            await client.send(request(method, path, "Transfer-Encoding: chunked", *lines))
            await trio.sleep(random.random() * 0.02)
            with suppress(trio.BrokenResourceError):
                await client.send(b"1\r\na\r\n0\r\n\r\n")
        else:
            await client.send(request(method, path, *lines, body=b"body" if method == "POST" else b""))
        if random.random() < 0.25:
            await trio.sleep(random.random() * 0.03)
            await client.aclose()
            continue
        answer = await client.answer(method)
        is_ours = answer.headers[b"content-type"] == b"application/problem+json"
        told[answer.reason if is_ours else str(answer.status)] += 1
        await client.aclose()


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_left_whatever_happens(seed: int) -> None:
    random, told = Random(seed), Counter[str]()
    async with open_lab(rules=RULES, drain_timeout="1s") as lab:
        scope = await lab.serve(service_of(random))
        async with trio.open_nursery() as nursery:
            for _ in range(16):
                nursery.start_soon(one_client, lab, random, told)
            await trio.sleep(0.2)
            if seed % 2:
                scope.cancel()
                scope = await lab.serve(service_of(random))
        admission = lab.gateway.admitting.admission
        await until(lambda: not lab.gateway.wire.on_turn)
        await lab.census()
        assert (admission.waiting, len(lab.gateway.parking)) == (0, 0)
        assert told["200"]
        assert told.keys() - {"200", "503"} <= REASONS
        refused = Counter(admission.tallies["things"].refused)
        assert sum(refused.values()) >= sum(told[reason] for reason in ("line_full", "line_too_slow", "hopeless"))
