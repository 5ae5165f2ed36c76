"""Keeps the samples of the last few seconds while somebody looks, so that many who look cost no more than one."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from proxy.admin.top_sample import TopSample

FRESH_S: Final = 0.25
"""A sample that is not older is as good as another one."""

APART_S: Final = 1.0
"""Between two samples that are kept; and the shortest time that rates are told of."""

WINDOW_S: Final = 5.0
"""What is older is forgotten: rates are those of the last few seconds."""


class TopKeeper:
    """Has what `/top` is computed from. After the last question, the samples of WINDOW_S stay."""

    def __init__(
        self, sample: Callable[[], Awaitable[TopSample]], *, clock: Callable[[], float] = trio.current_time
    ) -> None:
        """sample: takes one, of all workers."""
        self._sample = sample
        self._clock = clock
        self._kept: deque[tuple[float, TopSample]] = deque()
        self._latest: tuple[float, TopSample] | None = None
        self._one_at_a_time = trio.Lock()

    async def window(self) -> tuple[TopSample, TopSample]:
        """Return a sample of a few seconds ago, and one of now. Who asks first after a while waits for APART_S."""
        async with self._one_at_a_time:
            now, after = await self._fresh()
            before = self._before(now)
            if before is None:
                await trio.sleep(self._kept[0][0] + APART_S - now)
                now, after = await self._fresh()
                before = self._before(now)
            return before or after, after

    async def _fresh(self) -> tuple[float, TopSample]:
        now = self._clock()
        if self._latest is not None and now - self._latest[0] <= FRESH_S:
            return self._latest
        while self._kept and now - self._kept[0][0] > WINDOW_S:
            self._kept.popleft()
        sample = await self._sample()
        self._latest = (now, sample)
        if not self._kept or now - self._kept[-1][0] >= APART_S:
            self._kept.append(self._latest)
        return self._latest

    def _before(self, now: float) -> TopSample | None:
        """Return the oldest sample that is kept, if it is old enough."""
        at, sample = self._kept[0]
        return sample if now - at >= APART_S else None
