"""What waits to be sent to a collector: bounded, counted, and never in the way of anything else.

One batch is under way at a time, in a thread. A collector that is slow or down costs spans, never requests: when the
queue is full, newcomers are dropped. One that holds a batch for longer than any exporter should wait is left alone with
it, and another attempt is made; while two are held like that, there is none.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import trio

from penstock.telemetry.occasional import Occasional
from penstock.tracing.collector import CollectorPort
from penstock.tracing.environment import BatchLimits

log = logging.getLogger("penstock.tracing")

T = TypeVar("T")

HELD_S: Final = 60.0
"""How long one batch may take, with all that the exporter does to get it through; it gives up after ten seconds."""
HELD_MAX: Final = 2


class SpanExport(Generic[T]):
    """Takes what spans are made of, and has them made and sent.

    exported, failed, dropped: how many were taken by the collector, were not, or found the queue full.
    """

    def __init__(
        self,
        open_collector: Callable[[], CollectorPort],
        make_spans: Callable[[Sequence[T]], Any],
        limits: BatchLimits,
    ) -> None:
        """open_collector and make_spans, whose value the collector is given, are called in the thread of a batch."""
        self.exported = self.failed = self.dropped = 0
        self._open = open_collector
        self._make = make_spans
        self._limits = limits
        self._waiting: deque[T] = deque()
        self._collector: CollectorPort | None = None
        self._threads = trio.CapacityLimiter(HELD_MAX)
        self._is_full = trio.Event()
        self._is_ending = False
        self._scope = trio.CancelScope()
        self.ended = trio.Event()
        """`run` is over: nothing waits any more."""
        self._told = Occasional()
        self._loop_thread = threading.get_ident()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def give(self, item: T) -> None:
        """Have it sent, or dropped. Never waits; may be called from any thread."""
        if len(self._waiting) >= self._limits.queue_max:
            self.dropped += 1
            return
        self._waiting.append(item)
        if len(self._waiting) >= self._limits.batch_max and threading.get_ident() == self._loop_thread:
            self._is_full.set()

    def end(self, timeout_s: float) -> None:
        """Have `run` end when what waits was sent, or when that time is over."""
        self._is_ending = True
        self._scope.deadline = trio.current_time() + timeout_s
        self._is_full.set()

    async def run(self) -> None:
        """Send batches, until cancelled or told to end. What waits then, and was not sent, counts as dropped."""
        self._loop_thread = threading.get_ident()
        try:
            with self._scope:
                while self._waiting or not self._is_ending:
                    await self._wait_for_batch()
                    await self._send_batch()
        finally:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            if self._collector is not None:
                self._collector.close()
            self.ended.set()

    async def _wait_for_batch(self) -> None:
        if not self._is_ending:
            self._is_full = trio.Event()
            if len(self._waiting) < self._limits.batch_max:
                with trio.move_on_after(self._limits.delay_s):
                    await self._is_full.wait()
        await trio.lowlevel.checkpoint()

    async def _send_batch(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._limits.batch_max))]
        if not batch:
            return
        trouble: str | None = f"it has not taken a batch within {HELD_S:.0f} s"
        self.failed += len(batch)  # whatever becomes of this task
        with trio.move_on_after(HELD_S) as patience:
            trouble = await trio.to_thread.run_sync(self._export, batch, abandon_on_cancel=True, limiter=self._threads)
        if patience.cancelled_caught:
            self._collector = None  # its connection is not to be trusted any more
        if trouble is None:
            self.failed -= len(batch)
            self.exported += len(batch)
        elif (held_back := self._told.held_back(trouble)) is not None:
            log.warning(
                "spans of %d requests were lost: the collector did not take them: %s (%d more times)",
                len(batch),
                trouble,
                held_back,
            )

    def _export(self, batch: Sequence[T]) -> str | None:
        """Send one batch. None: it was taken; else why not."""
        try:
            collector = self._collector
            if collector is None:
                collector = self._collector = self._open()
            return collector.export(self._make(batch))
        except Exception as error:  # whatever it is, it is in somebody else's code and costs this batch alone
            log.debug("a batch of spans could not be sent", exc_info=True)
            return f"{type(error).__name__} in the exporter"
