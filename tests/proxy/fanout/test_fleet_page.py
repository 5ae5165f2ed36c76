"""The page of all instances: what is made of what they say, and that whoever leaves takes everything back."""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from frames.fields import encode_response
from frames.frame import CancelReason
from proxy.errors import FANOUT_LEG_TIMEOUT, NO_INSTANCE
from proxy.fanout.asking import Asker
from proxy.fanout.fleet import AT_ONCE, KEPT_S, REASON_CHARACTERS_MAX, REASONS_MAX, Fleet, Known, document, question
from proxy.fanout.results import LegResult
from proxy.policy.limits import BytesInFlight
from proxy.request.gathered import Whole
from proxy.request.originated import Done, Outgoing, Place
from proxy.request.stage import Answer

GATEWAY = {"instance": "gw-1", "ready": True}


def known(name: str = "a-1", health: str = "healthy", what: Any = None) -> Known:
    row = {"service": "a", "instance": name, "health": health}
    return Known(row, {"in_flight": 1}, what or question(1, 65_535, 0))


def said(status: int = 200, **members: Any) -> LegResult:
    body = msgspec.json.encode({"ready": True, **members})
    return LegResult(status=status, payload=encode_response(status, (), body), body_bytes=len(body), ms=1.26)


def one(result: LegResult) -> dict[str, Any]:
    page = document([known()], [result], GATEWAY, 7.12345)
    (instance,) = page["instances"]
    assert page["complete"] is instance["leg"]["ok"]
    return instance  # type: ignore[no-any-return]


def test_what_an_instance_says_stands_beside_what_is_known_of_it() -> None:
    instance = one(said(ready=False, reasons=["no ledger"], concurrency=8, uptime_s=1.5, other="ignored"))
    assert (instance["ready"], instance["reasons"]) == (False, ["no ledger"])
    assert instance["metrics"] == {
        "in_flight": 1,
        "concurrency": 8,
        "uptime_s": 1.5,
        "cpu_s": None,
        "rss_bytes": None,
    }
    assert instance["leg"] == {"ok": True, "reason": None, "ms": 1.3}


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (LegResult(reason=FANOUT_LEG_TIMEOUT), "fanout_leg_timeout"),
        (LegResult(reason=NO_INSTANCE), "no_instance"),
        (said(500), "bad_response"),
        (said(204), "bad_response"),
        (said(ready="yes"), "bad_response"),
        (said(reasons="none"), "bad_response"),
        (said(uptime_s="long"), "bad_response"),
        (LegResult(status=200, payload=encode_response(200, (), b"{"), body_bytes=1), "bad_response"),
    ],
)
def test_who_says_nothing_that_can_be_read_is_marked(result: LegResult, reason: str) -> None:
    instance = one(result)
    assert (instance["ready"], instance["reasons"], instance["metrics"]) == (None, [], {"in_flight": 1})
    assert (instance["leg"]["ok"], instance["leg"]["reason"]) == (False, reason)


def test_what_an_instance_says_is_bounded() -> None:
    reasons = one(said(ready=False, reasons=["x" * 10_000] * 100))["reasons"]
    assert (len(reasons), len(reasons[0])) == (REASONS_MAX, REASON_CHARACTERS_MAX)


def test_the_summary_counts_all_healths() -> None:
    page = document([known(), known("a-2", "draining")], [said(), said(ready=False)], GATEWAY, 7.12345)
    assert page["summary"] == {
        "instances": 2,
        "ready": 1,
        "healthy": 1,
        "degraded": 0,
        "unhealthy": 0,
        "draining": 1,
    }
    assert (page["at"], page["gateway"], page["version"]) == (7.123, GATEWAY, 1)


class Sender:
    def __init__(self) -> None:
        self.sent: dict[int, Done] = {}
        self.cancelled: list[CancelReason] = []
        self.asked = 0

    def send(self, place: Place, outgoing: Outgoing, done: Done, /) -> int | Answer:
        self.asked += 1
        self.sent[self.asked] = done
        return self.asked

    def give_up(self, exchange: int, reason: CancelReason, /) -> None:
        del self.sent[exchange]
        self.cancelled.append(reason)

    def answer_all(self) -> None:
        body = b'{"ready": true}'
        for exchange in list(self.sent):
            self.sent.pop(exchange)(Whole(200, encode_response(200, (), body), len(body)))


def make(sender: Sender, count: int) -> tuple[Fleet, BytesInFlight]:
    budget = BytesInFlight(1_000_000)
    asker = Asker(sender, budget, trio.current_time)
    instances = [known(f"a-{number}") for number in range(count)]
    fleet = Fleet(asker, instances=lambda service: instances, gateway=lambda: GATEWAY, flush=lambda: None)
    return fleet, budget


async def test_it_is_asked_once_a_second(autojump_clock: MockClock) -> None:
    sender = Sender()
    fleet, _ = make(sender, 3)
    for passes_s in (0.0, KEPT_S / 2, KEPT_S):
        await trio.sleep(passes_s)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fleet.page)
            nursery.start_soon(fleet.page)
            await trio.testing.wait_all_tasks_blocked()
            sender.answer_all()
    assert sender.asked == 6


async def test_cancelled_wherever_it_waits_it_takes_everything_back() -> None:
    for steps in range(6):
        sender = Sender()
        fleet, budget = make(sender, AT_ONCE + 2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fleet.page)
            nursery.start_soon(fleet.page)
            for step in range(steps):
                await trio.lowlevel.checkpoint()
                if step == 2 and sender.sent:
                    sender.sent.pop(min(sender.sent))(Answer(NO_INSTANCE))
            nursery.cancel_scope.cancel()
        assert (sender.sent, budget.held, fleet._kept) == ({}, 0, {})
        assert set(sender.cancelled) <= {CancelReason.CLIENT_GONE}
        with trio.fail_after(10):  # and the next one who looks is served
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fleet.page)
                await trio.testing.wait_all_tasks_blocked()
                sender.answer_all()
                sender.answer_all()


async def test_nobody_to_ask() -> None:
    fleet, _ = make(Sender(), 0)
    page = msgspec.json.decode(await fleet.page())
    assert (page["complete"], page["instances"]) == (True, [])
