"""Questions of all sizes, cancelled at any moment, over a stream cut anywhere: each has its own answer or none."""

import random
from typing import Any

import pytest
import trio

from frames.limits import DATA_BYTES_MAX
from proxy.control.channel import Channel, ChannelBroken
from proxy.control.client import WorkerGone, WorkerLink, WorkerRefusal
from proxy.control.server import CommandRefused, serve_control

SIZES = (0, 1, 100, DATA_BYTES_MAX - 1, DATA_BYTES_MAX, DATA_BYTES_MAX + 1, 300_000)


class Worker:
    """Commands that answer late, wrongly or never, and count what they are at."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.at_work = 0

    async def work(self, body: Any) -> Any:
        self.at_work += 1
        try:
            for _ in range(self._rng.randrange(5)):
                await trio.lowlevel.checkpoint()
            if body["how"] == "hang":
                await trio.sleep_forever()
            if body["how"] == "refuse":
                raise CommandRefused(409, f"no {body['number']}")
            return {"number": body["number"], "filling": b"x" * body["answer_bytes"]}
        finally:
            self.at_work -= 1


@pytest.mark.parametrize("seed", range(8))
async def test_each_question_has_its_own_answer_or_none(seed: int) -> None:
    rng = random.Random(seed)
    worker = Worker(rng)
    near, far = trio.socket.socketpair()
    link = WorkerLink(trio.SocketStream(near))
    outcomes: dict[str, int] = {}

    async def ask(number: int) -> None:
        how = rng.choice(["answer", "answer", "answer", "refuse", "hang"])
        answer_bytes = rng.choice(SIZES)
        body = {"number": number, "how": how, "answer_bytes": answer_bytes, "filling": b"y" * rng.choice(SIZES)}
        outcome = "cancelled"
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel_later, scope, how == "hang" or rng.random() < 0.3)
            try:
                found = await link.ask("work", body)
                assert (found["number"], len(found["filling"]), how) == (number, answer_bytes, "answer")
                outcome = "answered"
            except WorkerRefusal as refusal:
                outcome = "refused" if (refusal.detail, how) == (f"no {number}", "refuse") else "refused wrongly"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    async def cancel_later(scope: trio.CancelScope, wanted: bool) -> None:
        if wanted:
            for _ in range(rng.randrange(60)):
                await trio.lowlevel.checkpoint()
            scope.cancel()

    async with trio.open_nursery() as carrying:
        carrying.start_soon(serve_control, trio.SocketStream(far), {"work": worker.work})
        carrying.start_soon(link.run)
        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(ask, number)
                for _ in range(rng.randrange(3)):
                    await trio.lowlevel.checkpoint()
        assert (await link.ask("work", {"number": -1, "how": "answer", "answer_bytes": 0}))["number"] == -1
        assert sum(outcomes.values()) == 300
        assert set(outcomes) == {"answered", "refused", "cancelled"}
        assert link.is_idle
        while worker.at_work:  # noqa: ASYNC110 - what was cancelled ends within a few steps
            await trio.lowlevel.checkpoint()
        carrying.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(40))
async def test_a_stream_that_is_cut_or_harmed_anywhere_ends_both_sides_and_nobody_waits(seed: int) -> None:
    """Between the two ends stands one that passes bytes on in pieces, and does harm at a random place."""
    rng = random.Random(seed)
    sockets = [trio.SocketStream(each) for _ in range(2) for each in trio.socket.socketpair()]
    link = WorkerLink(sockets[0])
    ended: list[str] = []

    async def echo(body: Any) -> Any:
        return body

    async def pass_on(source: trio.SocketStream, target: trio.SocketStream, harm_at: int, harm: str) -> None:
        passed = 0
        try:
            while received := bytes(await source.receive_some(rng.randrange(1, 5_000))):
                if passed + len(received) > harm_at:
                    at = max(0, harm_at - passed)
                    if harm == "cut":
                        await target.send_all(received[:at])
                        break
                    flipped = received[at] ^ (1 << rng.randrange(8)) if at < len(received) else 0
                    received = received[:at] + bytes([flipped]) + received[at + 1 :]
                    harm_at = 1 << 60
                passed += len(received)
                await target.send_all(received)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        await target.aclose()
        await source.aclose()

    async def ask(number: int) -> None:
        body = {"number": number, "filling": b"x" * rng.randrange(3_000)}
        try:
            while True:
                await link.ask("echo", body, timeout_s=0.2)
        except (WorkerGone, WorkerRefusal) as error:
            ended.append(str(error))

    harm_at = [rng.randrange(60_000), rng.randrange(60_000)]
    harm = [rng.choice(["cut", "flip"]), "cut"]
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pass_on, sockets[1], sockets[2], harm_at[0], harm[0])
            nursery.start_soon(pass_on, sockets[2], sockets[1], harm_at[1], harm[1])
            nursery.start_soon(serve_control, sockets[3], {"echo": echo})
            nursery.start_soon(link.run)
            for number in range(5):
                nursery.start_soon(ask, number)
    assert len(ended) == 5
    assert link.is_gone


async def read_all(channel: Channel) -> None:
    while await channel.receive():
        pass


@pytest.mark.parametrize("seed", range(30))
async def test_bytes_of_chance_are_no_messages(seed: int) -> None:
    rng = random.Random(seed)
    near, far = trio.testing.memory_stream_pair()
    await far.send_all(rng.randbytes(rng.randrange(16, 2_000)))
    await far.send_eof()
    with pytest.raises(ChannelBroken, match=r"no frame|no place"):
        await read_all(Channel(near))
