"""A client's socket that is written slowly, or only so far, on purpose: as `proxy.faults` has decided."""

from collections.abc import Callable
from typing import Final

import trio

from proxy.edge.task.client import Client, ClientGone
from proxy.errors import FAULT_CUT

SLICES_PER_SECOND: Final = 20
"""Fine enough that a slow answer trickles, and coarse enough that it costs little."""


class CutOnPurpose(ClientGone):
    """As much of the answer was written as is to be, and the client has it. Its connection is to be reset."""

    reason = FAULT_CUT


class SpoiledSocket:
    """Stands in a `ClientSocket`'s place for who writes the answer, and for who reads."""

    def __init__(
        self, client: Client, *, bytes_per_second: int | None, cut_bytes: int | None, moved: Callable[[], None]
    ) -> None:
        """cut_bytes: how many of the answer are written, its head included; moved: told that something was."""
        self._client = client
        self._rate = bytes_per_second
        self._left = cut_bytes
        self._moved = moved
        self._free_at = trio.current_time()
        self.descriptor = client.descriptor

    @property
    def received_bytes(self) -> int:
        """What was read from the socket."""
        return self._client.received_bytes

    @property
    def sent_bytes(self) -> int:
        """What was written to it."""
        return self._client.sent_bytes

    async def receive(self) -> bytes:
        """Return what has come, as the socket does."""
        return await self._client.receive()

    async def send(self, *pieces: bytes) -> bool:
        """Send these bytes at the rate, or as many of them as are left. Raises `CutOnPurpose`, and as the socket."""
        data = b"".join(pieces)
        is_cut = self._left is not None and len(data) >= self._left
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        took_all = await (self._client.send(data) if self._rate is None else self._trickle(data, self._rate))
        if is_cut:
            raise CutOnPurpose
        return took_all

    async def send_close_notify(self) -> None:
        """Over TLS, say that nothing follows."""
        await self._client.send_close_notify()

    async def _trickle(self, data: bytes, rate: int) -> bool:
        count = max(1, rate // SLICES_PER_SECOND)
        for at in range(0, len(data), count):
            part = data[at : at + count]
            await trio.sleep_until(self._free_at)
            await self._client.send(part)
            self._moved()
            self._free_at = max(self._free_at, trio.current_time()) + len(part) / rate
        return False  # so that nobody takes the client for one that could take more
