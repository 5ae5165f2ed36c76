"""A carriage over a client that a script plays and a service whose frames a test makes; the clock jumps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from edge_support import ScriptedClient
from test_answering import Bench, length_of
from trio.testing import MockClock

from frames.codec import encode_response
from frames.frame import END, CancelReason, FrameType
from frames.wire_values import EventKind, HandBack
from penstock.window import Window
from proxy.edge.task.body import Pace, RequestBody
from proxy.edge.task.carriage import Carriage, Ways
from proxy.edge.task.departures import Departures
from proxy.errors import BAD_RESPONSE
from proxy.request.outcomes import OutcomeKind
from proxy.request.stage import Answer

DEADLINE_S, IDLE_S = 10.0, 300.0
NEXT = b"GET /next HTTP/1.1\r\n"


class FakeDepartures:
    """Calls when it is told to."""

    def __init__(self) -> None:
        self._call: Callable[[], None] | None = None
        self.may_end = False

    @contextmanager
    def calling(self, descriptor: int, call: Callable[[], None], *, may_end: bool = False) -> Iterator[None]:
        self._call, self.may_end = call, may_end
        try:
            yield
        finally:
            self._call = None

    def leave(self) -> None:
        assert self._call is not None
        self._call()


class Stand:
    """One exchange of a GET without a body, or of one whose body is to come."""

    def __init__(
        self, client: ScriptedClient, *, length: int | None = 0, closes: bool = False, stream_idle_ms: int = 0
    ) -> None:
        self.client = client
        self.cancels: list[CancelReason] = []
        self.reasons: list[str] = []
        self.failures: list[tuple[int, OutcomeKind, int]] = []
        self.is_draining = False
        self.departures = FakeDepartures()
        bench = self.bench = Bench()
        job: Any = bench.answering._job
        job.deadline_ms = int(DEADLINE_S * 1000)
        job.exchange = SimpleNamespace(offer=SimpleNamespace(gauge=7))
        job.stream_idle_ms = stream_idle_ms
        ways = Ways(
            cancel=self.cancel,
            write_answer=self.write_answer,
            count_reason=lambda _, reason: self.reasons.append(reason.code),
            idle_s=IDLE_S,
            moved=lambda: None,
            departures=cast("Departures", self.departures),
            is_draining=lambda: self.is_draining,
            failed=lambda *what: self.failures.append(what),
        )
        self.body = RequestBody(
            client,
            length=length,
            byte_count_max=1 << 20,
            pace=Pace(1_000, 1_000.0),
            trailer_bytes=1_024,
            trailer_fields=10,
        )
        self.carriage = Carriage(ways, job, client, self.body, closes=closes)
        bench.answering._closes = self.carriage.says_close
        bench.answering._on_fault = lambda what: self.carriage.end(Answer(BAD_RESPONSE))
        self.carriage.attach(bench.stream, bench.answering, Window(1))
        self.carriage.began(0, end=self.body.is_whole)

    def cancel(self, exchange: int, reason: int) -> int:
        self.cancels.append(CancelReason(reason))
        return 0

    def write_answer(self, exchange: int, answer: Answer, closes: bool) -> bytes:
        self.reasons.append(answer.reason.code)
        return f"{answer.reason.status} {'close' if closes else 'keep'}".encode()

    def respond(self, body: bytes = b"", flags: int = END, status: int = 200) -> None:
        payload = encode_response(status, length_of(len(body)) if flags else [], body)
        self.carriage.take(
            (5, 2, EventKind.STREAM, FrameType.RESPONSE, flags, 0, len(payload), status, len(body), 0, 0), payload
        )

    def data(self, data: bytes, flags: int = 0) -> None:
        self.carriage.take((5, 2, EventKind.STREAM, FrameType.DATA, flags, 0, len(data), 0, 0, 0, 0), data)


async def carried(stand: Stand, *later: tuple[float, Callable[[], None]]) -> HandBack:
    """Run the carriage; do what comes later at its time."""
    async with trio.open_nursery() as nursery:

        async def act() -> None:
            for at, do in later:
                await trio.sleep_until(at)
                do()

        nursery.start_soon(act)
        how = await stand.carriage.run()
        nursery.cancel_scope.cancel()
    return how


async def test_an_answer_and_what_came_behind_the_request(autojump_clock: MockClock) -> None:
    stand = Stand(ScriptedClient(held=NEXT))
    assert await carried(stand, (1.0, lambda: stand.respond(b"body"))) is HandBack.KEEP
    assert stand.client.sent == [b"LENGTH 4  keepbody"]
    assert (stand.carriage.rest(), stand.cancels, stand.reasons) == (NEXT, [], [])
    assert stand.client.received_bytes == 0  # nobody has read ahead


@pytest.mark.parametrize("length", [0, 4])
async def test_a_client_that_goes(autojump_clock: MockClock, length: int) -> None:
    stand = Stand(ScriptedClient(), length=length)
    assert await carried(stand, (3.0, lambda: stand.departures.leave())) is HandBack.RESET
    assert trio.current_time() == pytest.approx(3.0)
    assert (stand.cancels, stand.reasons, stand.client.sent) == ([CancelReason.CLIENT_GONE], ["client_gone"], [])


async def test_a_body_that_ends_too_soon(autojump_clock: MockClock) -> None:
    stand = Stand(ScriptedClient((2.0, b"ab"), ends=True), length=4)
    stand.bench.stream.take_credit(100)
    assert await carried(stand) is HandBack.RESET
    assert (stand.cancels, stand.reasons) == ([CancelReason.CLIENT_GONE], ["client_gone"])


async def test_an_answer_that_is_out_is_final() -> None:
    """Whatever happens then in the same pass of the scheduler."""
    stand = Stand(ScriptedClient())
    stand.respond(b"body")
    how = await stand.carriage.run()
    stand.carriage.end(Answer(BAD_RESPONSE))
    assert how is HandBack.KEEP
    assert (stand.cancels, stand.reasons) == ([], [])


# ---- time ----


async def test_the_deadline(autojump_clock: MockClock) -> None:
    stand = Stand(ScriptedClient())
    assert await carried(stand) is HandBack.KEEP
    assert trio.current_time() == pytest.approx(DEADLINE_S)
    assert (stand.cancels, stand.reasons, stand.client.sent) == ([CancelReason.DEADLINE], ["deadline"], [b"504 keep"])
    assert stand.failures == [(7, OutcomeKind.EXPIRED, DEADLINE_S * 1e6)]


async def test_interim_answers_do_not_move_the_deadline(autojump_clock: MockClock) -> None:
    stand = Stand(ScriptedClient())
    await carried(stand, *[(at, lambda: stand.respond(flags=0, status=103)) for at in (4.0, 8.0)])
    assert trio.current_time() == pytest.approx(DEADLINE_S)


async def test_it_begins_when_the_body_has_come(autojump_clock: MockClock) -> None:
    stand = Stand(ScriptedClient((20.0, b"ab"), (40.0, b"cd")), length=4)
    stand.bench.stream.take_credit(100)
    assert await carried(stand) is HandBack.KEEP
    assert trio.current_time() == pytest.approx(60.0 + DEADLINE_S)
    assert stand.reasons == ["deadline"]


async def test_a_body_that_is_not_taken(autojump_clock: MockClock) -> None:
    """Without credit nothing moves: it is silence that counts, since the service has not got it yet."""
    stand = Stand(ScriptedClient(b"abcd"), length=4)
    assert await carried(stand) is HandBack.KEEP
    assert trio.current_time() == pytest.approx(IDLE_S)
    assert stand.client.sent[0].startswith(b"504 ")


async def test_after_the_head_only_silence_counts(autojump_clock: MockClock) -> None:
    stand = Stand(ScriptedClient())
    later = [(1.0 + 290.0 * number, lambda: stand.data(b"x")) for number in range(1, 4)]
    how = await carried(stand, (1.0, lambda: stand.respond(flags=0)), *later)
    assert how is HandBack.RESET
    assert trio.current_time() == pytest.approx(1.0 + 290.0 * 3 + IDLE_S)
    assert (stand.cancels, stand.reasons) == ([CancelReason.DEADLINE], ["stream_idle"])


async def test_a_route_has_a_silence_of_its_own(autojump_clock: MockClock) -> None:
    stand = Stand(ScriptedClient(), stream_idle_ms=2_000)
    assert await carried(stand, (1.0, lambda: stand.respond(flags=0))) is HandBack.RESET
    assert trio.current_time() == pytest.approx(3.0)
    assert stand.reasons == ["stream_idle"]


# ---- closing ----


@pytest.mark.parametrize("closes", [True, False])
async def test_a_connection_that_is_to_close(closes: bool) -> None:
    stand = Stand(ScriptedClient(), closes=closes)
    stand.respond(b"body")
    assert await stand.carriage.run() is (HandBack.LINGER if closes else HandBack.KEEP)
    assert stand.client.sent == [b"LENGTH 4  closebody" if closes else b"LENGTH 4  keepbody"]


async def test_while_draining() -> None:
    stand = Stand(ScriptedClient())
    stand.is_draining = True
    stand.respond(b"body")
    assert await stand.carriage.run() is HandBack.LINGER
    assert stand.client.sent == [b"LENGTH 4  closebody"]


@pytest.mark.parametrize(("has_begun", "how"), [(False, HandBack.LINGER), (True, HandBack.RESET)])
async def test_a_bad_response(autojump_clock: MockClock, has_begun: bool, how: HandBack) -> None:
    stand = Stand(ScriptedClient(), closes=True)
    if has_begun:
        later = [(1.0, lambda: stand.respond(flags=0)), (2.0, lambda: stand.respond())]
    else:
        later = [(2.0, lambda: stand.data(b"x"))]
    assert await carried(stand, *later) is how
    assert stand.cancels == [CancelReason.BAD_RESPONSE]
    assert stand.reasons == ["response_aborted" if has_begun else "bad_response"]
    assert [kind for _, kind, _ in stand.failures] == ([] if has_begun else [OutcomeKind.BAD_RESPONSE])


async def test_the_first_cause_counts() -> None:
    stand = Stand(ScriptedClient())
    stand.carriage.refused(1, 2_001)
    stand.carriage.lost()
    assert await stand.carriage.run() is HandBack.KEEP
    assert stand.reasons == ["service_overloaded"]
