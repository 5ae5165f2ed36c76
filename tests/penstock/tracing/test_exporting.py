"""What waits to be sent: bounded, counted, and given up in time."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.tracing import exporting
from penstock.tracing.environment import BatchLimits
from penstock.tracing.exporting import SpanExport


class Held:
    """A collector in a thread, which takes a batch when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.trouble: str | None = None
        self.may_go = threading.Event()
        self.may_go.set()
        self.closed = 0

    def export(self, spans: Sequence[Any]) -> str | None:
        self.batches.append(list(spans))
        assert self.may_go.wait(10)
        return self.trouble

    def close(self) -> None:
        self.closed += 1


def made(limits: BatchLimits, collector: Held) -> SpanExport[int]:
    return SpanExport(lambda: collector, lambda items: [f"span {item}" for item in items], limits)


async def until(is_so: Any) -> None:
    with trio.fail_after(10):
        while not is_so():  # noqa: ASYNC110 - what it waits for happens in a thread
            await trio.sleep(0.005)


async def test_what_waits_goes_in_batches() -> None:
    collector = Held()
    export = made(BatchLimits(queue_max=10, batch_max=4, delay_s=0.01), collector)
    for item in range(6):
        export.give(item)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(export.run)
        await until(lambda: export.exported == 6)
        nursery.cancel_scope.cancel()
    assert collector.batches == [[f"span {item}" for item in range(4)], ["span 4", "span 5"]]
    assert (export.exported, export.failed, export.dropped, len(export)) == (6, 0, 0, 0)


async def test_a_full_batch_does_not_wait_for_its_time() -> None:
    collector = Held()
    export = made(BatchLimits(queue_max=10, batch_max=2, delay_s=3_600), collector)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(export.run)
        await trio.testing.wait_all_tasks_blocked()
        export.give(1)
        await trio.testing.wait_all_tasks_blocked()
        assert collector.batches == []
        export.give(2)
        await until(lambda: export.exported == 2)
        nursery.cancel_scope.cancel()


async def test_behind_a_slow_collector_newcomers_are_dropped() -> None:
    collector = Held()
    collector.may_go.clear()
    export = made(BatchLimits(queue_max=3, batch_max=1, delay_s=0.01), collector)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(export.run)
        export.give(0)
        await until(lambda: collector.batches)
        for item in range(1, 10):
            export.give(item)
        assert (len(export), export.dropped) == (3, 6)
        collector.may_go.set()
        await until(lambda: export.exported == 4)
        nursery.cancel_scope.cancel()
    assert [batch[0] for batch in collector.batches] == ["span 0", "span 1", "span 2", "span 3"]


async def test_what_a_collector_does_not_take_is_lost_and_told_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    collector = Held()
    collector.trouble = "it answered 500"
    export = made(BatchLimits(queue_max=10, batch_max=1, delay_s=0.01), collector)
    for item in range(3):
        export.give(item)
    with caplog.at_level(logging.WARNING):
        export.end(10)
        await export.run()
    assert (export.exported, export.failed, export.dropped) == (0, 3, 0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "it answered 500" in caplog.text
    assert collector.closed == 1


async def test_a_fault_in_somebody_elses_code_costs_its_batch_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail(items: Sequence[int]) -> Sequence[Any]:
        if 0 in items:
            raise ZeroDivisionError
        return items

    collector = Held()
    export: SpanExport[int] = SpanExport(lambda: collector, fail, BatchLimits(queue_max=10, batch_max=1, delay_s=0.01))
    export.give(0)
    export.give(1)
    export.end(10)
    await export.run()
    assert (export.exported, export.failed) == (1, 1)
    assert "ZeroDivisionError in the exporter" in caplog.text


async def test_a_batch_that_is_held_for_ever_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "HELD_S", 0.05)
    bad, good = Held(), Held()
    bad.may_go.clear()
    collectors = iter((bad, good))
    export: SpanExport[int] = SpanExport(
        lambda: next(collectors), lambda items: items, BatchLimits(queue_max=10, batch_max=1, delay_s=0.01)
    )
    export.give(1)
    export.give(2)
    export.end(10)
    await export.run()
    assert (export.exported, export.failed) == (1, 1)
    assert good.batches == [[2]]  # by a connection of its own
    bad.may_go.set()


async def test_the_end_does_not_wait_for_a_collector() -> None:
    collector = Held()
    collector.may_go.clear()
    export = made(BatchLimits(queue_max=10, batch_max=2, delay_s=0.01), collector)
    for item in range(5):
        export.give(item)
    export.end(0.05)
    await export.run()
    collector.may_go.set()
    assert (export.exported, export.failed, export.dropped) == (0, 2, 3)


async def test_the_end_waits_for_what_is_under_way() -> None:
    collector = Held()
    collector.may_go.clear()
    export = made(BatchLimits(queue_max=10, batch_max=2, delay_s=3_600), collector)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(export.run)
        await trio.testing.wait_all_tasks_blocked()
        for item in range(3):
            export.give(item)
        await until(lambda: collector.batches)
        export.end(10)
        collector.may_go.set()
        await export.ended.wait()
    assert (export.exported, export.failed, export.dropped, collector.closed) == (3, 0, 0, 1)


async def test_spans_of_other_threads_are_taken() -> None:
    collector = Held()
    export = made(BatchLimits(queue_max=100, batch_max=2, delay_s=0.01), collector)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(export.run)
        await trio.testing.wait_all_tasks_blocked()
        for item in range(10):
            await trio.to_thread.run_sync(export.give, item)
        await until(lambda: export.exported == 10)
        nursery.cancel_scope.cancel()


@given(
    st.lists(st.sampled_from(["give", "send", "fail", "wait"]), max_size=40),
    st.integers(1, 6),
    st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_every_item_is_counted_once(steps: list[str], queue_max: int, batch_max: int) -> None:
    async def happen() -> None:
        collector = Held()
        export = made(BatchLimits(queue_max, min(batch_max, queue_max), delay_s=0.0), collector)
        count = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(export.run)
            for step in steps:
                if step == "give":
                    export.give(count)
                    count += 1
                elif step == "wait":
                    await trio.lowlevel.checkpoint()
                else:
                    collector.trouble = "no" if step == "fail" else None
                assert len(export) <= queue_max
            export.end(10)
        assert export.exported + export.failed + export.dropped == count
        assert len(export) == 0
        sent = [item for batch in collector.batches for item in batch]
        assert sent == sorted(sent, key=lambda item: int(item.split()[1]))
        assert len(sent) == len(set(sent)) == export.exported + export.failed
        assert all(len(batch) <= batch_max for batch in collector.batches)

    trio.run(happen)
