"""Async handlers on kept tasks: deadlines, cancellation at every point, errors beside cancellation, isolation."""

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from frames.fields import encode_request
from frames.frame import Method
from penstock import Call, Problem, Service
from penstock.calls import FRAME_END
from penstock.workers import Workers

Handler = Callable[[Call], Awaitable[Any]]


class Pool:
    """A pool, one endpoint, and what was answered: exchange, status, body."""

    def __init__(self, nursery: trio.Nursery, handler: Handler, concurrency: int = 8) -> None:
        service = Service("s", version="1.0.0")
        service.get("/")(handler)
        self.endpoint = service.endpoints[0]
        self.answers: list[tuple[int, int]] = []
        self.bodies: dict[int, bytes] = {}
        self.unsent = 0
        self.workers = Workers(nursery, concurrency, self)

    def answer(self, call: Call, payload: bytes) -> None:
        exchange = call.key[1]
        assert exchange not in self.bodies, "answered twice"
        self.answers.append((exchange, int.from_bytes(payload[:2])))
        self.bodies[exchange] = payload
        self.unsent += 1

    def flush(self) -> None:
        self.unsent = 0

    flush_soon = flush

    def take(self, exchange: int, remaining_ms: int = 10_000, connection: int = 1) -> bool:
        payload = encode_request(remaining_ms, 0, Method.GET, b"/")
        event = (exchange, connection, 11, 0, 1 | 1 << 8 | FRAME_END, 0, len(payload), remaining_ms, 12, 1, 0)
        taken = self.workers.take(Call(event, payload, self.endpoint, trio.current_time(), trio.current_time))
        if self.workers.waiting:
            self.workers.wake(1)
        return taken


async def test_handlers_that_do_not_wait_share_one_worker(nursery: trio.Nursery) -> None:
    tasks = set()

    async def handler(call: Call) -> int:
        tasks.add(trio.lowlevel.current_task())
        return call.key[1]

    pool = Pool(nursery, handler, 100)
    for exchange in range(1, 51):
        assert pool.take(exchange)
    await pool.workers.wait_idle()
    assert pool.answers == [(exchange, 200) for exchange in range(1, 51)]
    assert len(tasks) == 1
    await wait_all_tasks_blocked()
    assert pool.unsent == 0


async def test_an_answer_does_not_wait_for_the_handler_behind_it(nursery: trio.Nursery) -> None:
    async def handler(call: Call) -> None:
        if call.key[1] == 2:
            await trio.sleep_forever()

    pool = Pool(nursery, handler)
    pool.take(1)
    pool.take(2)
    await wait_all_tasks_blocked()
    assert pool.answers == [(1, 204)]
    assert pool.unsent == 0


async def test_handlers_that_wait_do_not_wait_behind_each_other(nursery: trio.Nursery) -> None:
    barrier = 20
    here = 0
    all_here = trio.Event()

    async def handler(_: Call) -> None:
        nonlocal here
        here += 1
        if here == barrier:
            all_here.set()
        await all_here.wait()

    pool = Pool(nursery, handler, barrier)
    for exchange in range(barrier):
        pool.take(exchange)
    with trio.fail_after(5):
        await pool.workers.wait_idle()
    assert len(pool.answers) == barrier


async def test_over_the_bound_nothing_is_taken(nursery: trio.Nursery) -> None:
    go_on = trio.Event()

    async def handler(_: Call) -> None:
        await go_on.wait()

    pool = Pool(nursery, handler, 2)
    assert [pool.take(exchange) for exchange in (1, 2, 3)] == [True, True, False]
    assert pool.workers.in_flight == 2
    go_on.set()
    await pool.workers.wait_idle()
    assert pool.take(4)
    await pool.workers.wait_idle()
    assert {exchange for exchange, _ in pool.answers} == {1, 2, 4}


async def test_the_deadline_is_the_callers(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    seen: list[float] = []

    async def handler(_: Call) -> None:
        seen.append(trio.current_effective_deadline() - trio.current_time())
        await trio.sleep_forever()

    pool = Pool(nursery, handler)
    before = trio.current_time()
    pool.take(1, remaining_ms=5000)
    await pool.workers.wait_idle()
    assert pool.answers == [(1, 504)]
    assert 5 <= trio.current_time() - before <= 5.02
    assert 5 <= seen[0] <= 5.01


async def test_an_old_deadline_does_not_touch_the_next_call(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    async def handler(call: Call) -> None:
        await trio.sleep(3 if call.key[1] == 2 else 0)

    pool = Pool(nursery, handler)
    pool.take(1, remaining_ms=1000)
    await pool.workers.wait_idle()
    await trio.sleep(0.5)
    pool.take(2, remaining_ms=10_000)  # beyond the first one's deadline
    await pool.workers.wait_idle()
    await trio.sleep(20)  # the deadline comes while the worker is parked
    pool.take(3, remaining_ms=1000)
    await pool.workers.wait_idle()
    assert pool.answers == [(1, 204), (2, 204), (3, 204)]


async def test_a_deadline_that_comes_while_the_worker_is_woken(nursery: trio.Nursery, mock_clock: MockClock) -> None:
    async def handler(_: Call) -> None:
        await trio.lowlevel.checkpoint()

    pool = Pool(nursery, handler)
    pool.take(1, remaining_ms=1000)
    await pool.workers.wait_idle()
    mock_clock.jump(2)
    pool.take(2, remaining_ms=1000)  # woken before Trio has seen that the old deadline is over
    await pool.workers.wait_idle()
    assert pool.answers == [(1, 204), (2, 204)]


@pytest.mark.parametrize("passes", range(4))
async def test_cancel_at_every_point_leaves_the_pool_whole(nursery: trio.Nursery, passes: int) -> None:
    async def handler(_: Call) -> None:
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()

    pool = Pool(nursery, handler, 1)
    pool.take(1)
    for _ in range(passes):
        await trio.lowlevel.checkpoint()
    pool.workers.cancel(1, 1)
    answered_before = len(pool.answers)
    await pool.workers.wait_idle()
    await wait_all_tasks_blocked()
    assert len(pool.answers) == answered_before
    assert pool.workers.in_flight == 0
    for exchange in (2, 3):
        assert pool.take(exchange)
        await pool.workers.wait_idle()
    assert pool.answers[answered_before:] == [(2, 204), (3, 204)]


async def test_cancel_of_a_connection(nursery: trio.Nursery) -> None:
    ended: list[int] = []

    async def handler(call: Call) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(call.key[1])

    pool = Pool(nursery, handler)
    pool.take(1, connection=1)
    pool.take(2, connection=2)
    await wait_all_tasks_blocked()
    pool.take(3, connection=1)  # not begun
    pool.workers.cancel_connection(1)
    await wait_all_tasks_blocked()
    assert ended == [1]
    assert pool.workers.in_flight == 1


async def test_a_handler_may_clean_up_and_answer_although_cancelled_by_its_deadline(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def handler(_: Call) -> str:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)
        return "late"

    pool = Pool(nursery, handler)
    pool.take(1, remaining_ms=1000)
    await pool.workers.wait_idle()
    pool.take(2, remaining_ms=5000)
    await pool.workers.wait_idle()
    assert pool.answers == [(1, 200), (2, 200)]


async def test_an_error_beside_cancellation_is_a_500(
    nursery: trio.Nursery, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise RuntimeError("while cleaning up")

    async def handler(_: Call) -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(fails_when_cancelled)
            inner.start_soon(trio.sleep_forever)

    pool = Pool(nursery, handler)
    pool.take(1, remaining_ms=1000)
    await pool.workers.wait_idle()
    assert pool.answers == [(1, 500)]
    assert "while cleaning up" in caplog.text
    pool.take(2, remaining_ms=1000)
    await pool.workers.wait_idle()
    assert len(pool.answers) == 2


async def test_a_handlers_own_cancel_scope_is_its_own(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    async def handler(_: Call) -> str:
        with trio.move_on_after(1):
            await trio.sleep_forever()
        await trio.sleep(1)
        return "went on"

    pool = Pool(nursery, handler)
    pool.take(1)
    await pool.workers.wait_idle()
    assert pool.answers == [(1, 200)]


async def test_a_group_is_a_500_and_a_lone_problem_in_it_is_answered(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    async def conflict() -> None:
        raise Problem(409, "taken")

    async def fail() -> None:
        raise ValueError("boom")

    async def handler(call: Call) -> None:
        async with trio.open_nursery() as inner:  # noqa: ASYNC112 - for the group that it raises
            inner.start_soon(conflict if call.key[1] == 1 else fail)

    pool = Pool(nursery, handler)
    pool.take(1)
    pool.take(2)
    await pool.workers.wait_idle()
    assert sorted(pool.answers) == [(1, 409), (2, 500)]
    assert "boom" in caplog.text


async def test_no_call_sees_the_context_of_another(nursery: trio.Nursery) -> None:
    variable = contextvars.ContextVar("variable", default=0)
    seen: list[int] = []

    async def handler(call: Call) -> None:
        seen.append(variable.get())
        variable.set(call.key[1])
        await trio.lowlevel.checkpoint()
        assert variable.get() == call.key[1]
        assert await trio.to_thread.run_sync(variable.get) == call.key[1]

    pool = Pool(nursery, handler)
    for exchange in (1, 2, 3):
        pool.take(exchange)
    await pool.workers.wait_idle()
    assert seen == [0, 0, 0]
    assert [status for _, status in pool.answers] == [204] * 3


async def test_expire_all_answers_what_runs_and_what_waits(nursery: trio.Nursery) -> None:
    async def handler(_: Call) -> None:
        await trio.sleep_forever()

    pool = Pool(nursery, handler)
    pool.take(1)
    await wait_all_tasks_blocked()
    pool.take(2)
    pool.workers.expire_all()
    await pool.workers.wait_idle()
    assert sorted(pool.answers) == [(1, 503), (2, 503)]
    assert b'"shutdown"' in pool.bodies[1]


async def test_cancelling_the_nursery_ends_every_worker() -> None:
    async def handler(call: Call) -> None:
        if call.key[1] > 3:
            await trio.sleep_forever()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            pool = Pool(nursery, handler)
            for exchange in range(1, 7):
                pool.take(exchange)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert [exchange for exchange, _ in pool.answers] == [1, 2, 3]
