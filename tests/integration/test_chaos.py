"""Clients and services that do as they like, all at once: answers are right, and nothing is left."""

import random

import pytest
import trio
from lab import Lab
from lab_client import Client, HttpAnswer, request
from lab_service import Asked, RawService

from frames.codec import encode_goaway, encode_refused
from frames.frame import FrameType, GoawayReason, RefusedReason

STATUSES = {200, 404, 413, 502, 503, 504}


class Chaos:
    """Draws what everybody does next. The same draws for the same seed, in whatever order they come to their turn."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab = lab
        self.draw = random.Random(seed)
        self.answered = 0

    async def client(self, number: int) -> None:
        for turn in range(12):
            client = await self.lab.client()
            names = [f"{number}-{turn}-{part}" for part in range(self.draw.randrange(1, 4))]
            body = bytes(self.draw.choice([0, 10, 20_000, 60_000]))
            data = b"".join(request("POST", f"/things/{name}", body=body) for name in names)
            try:
                if self.draw.random() < 0.3:
                    await client.send(data[: self.draw.randrange(len(data))])
                else:
                    await client.send(data)
                    if self.draw.random() < 0.7:
                        await self.read(client, names)
            except trio.BrokenResourceError:
                pass
            finally:
                await client.aclose()

    async def read(self, client: Client, names: list[str]) -> None:
        for name in names:
            answer: HttpAnswer = await client.answer("POST")
            assert answer.status in STATUSES
            if answer.status == 200:
                assert answer.body.startswith(f"/things/{name} ".encode())
                self.answered += 1
            if answer.headers.get(b"connection") == b"close":
                return

    async def service(self, number: int) -> None:
        while True:
            service = await self.lab.stranger()
            try:
                await service.join("POST /things/{name}", instance=f"raw-{number}")
                for _ in range(self.draw.randrange(5, 40)):
                    await self.answer(service)
                if self.draw.random() < 0.5:
                    await service.send(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 100))
            except (trio.BrokenResourceError, AssertionError):
                pass  # closed by the gateway, for what it did
            finally:
                await service.aclose()

    async def answer(self, service: RawService) -> None:
        _, asked = await service.next()
        if asked is None:
            return  # CANCEL, mostly
        await self.decide(service, asked)

    async def decide(self, service: RawService, asked: Asked) -> None:
        chance = self.draw.random()
        right = asked.target + b" " + bytes(self.draw.choice([0, 100, 300_000]))
        if chance < 0.7:
            await service.respond(asked, body=right)
        elif chance < 0.78:
            await service.send(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED), exchange=asked.exchange)
        elif chance < 0.84:
            await service.respond(asked, body=right)
            await service.respond(asked, body=b"a second answer")
        elif chance < 0.88:
            await service.respond(asked, body=b"a stream", flags=0)
        elif chance < 0.92:
            await service.send(FrameType.RESPONSE, b"\0\xc8\0\0a lie", 1, asked.exchange ^ 1 << 40)
            await service.respond(asked, body=right)
        elif chance < 0.94:
            await service.send_bytes(bytes(self.draw.randrange(1, 40)))
        # else it says nothing at all, until the deadline


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_chaos(lab: Lab, seed: int) -> None:
    chaos = Chaos(lab, seed)

    async def let_time_pass() -> None:
        while True:
            await lab.pass_time(3_000)
            await trio.sleep(0.01)

    async with trio.open_nursery() as services:
        for number in range(3):
            services.start_soon(chaos.service, number)
        services.start_soon(let_time_pass)
        async with trio.open_nursery() as clients:
            for number in range(25):
                clients.start_soon(chaos.client, number)
        services.cancel_scope.cancel()
    assert chaos.answered > 50
    assert "internal" not in lab.reasons
