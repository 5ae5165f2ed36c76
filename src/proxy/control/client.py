"""The supervisor's end: asks a worker, and learns at once when it has gone."""

import logging
import time
from collections.abc import Mapping
from itertools import count
from typing import Any, Final, TypeVar, overload

import msgspec
import trio

from frames.frame import FrameType

from .channel import Channel, ChannelBroken, Message

T = TypeVar("T")

ANSWER_S: Final = 5.0
"""How long a worker may take, unless the question says otherwise. One that is alive answers in milliseconds."""

_log = logging.getLogger("penstock.supervisor")


class WorkerGone(Exception):  # noqa: N818 - it is a state
    """The worker has ended, or its connection has. Whatever it was asked may have been done or not."""


class WorkerSilent(WorkerGone):
    """The worker is there, and has not answered in time."""


class WorkerRefusal(Exception):  # noqa: N818 - it is an answer
    """The worker answers that it will not. detail: a sentence for the operator; status: as of HTTP."""

    def __init__(self, status: int, detail: str, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = dict(more or {})


class WorkerLink:
    """The connection to one worker. `run` has to run for answers to come."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        """Take the supervisor's end of the socket pair; `run` closes it."""
        self._stream = stream
        self._channel = Channel(stream)
        self._numbers = count(time.monotonic_ns())  # not those of a program before this one, over the same connection
        self._waiting: dict[int, trio.MemorySendChannel[Message]] = {}
        self._background = 0
        self._gone = trio.Event()
        self._why = "it has closed its connection"

    @property
    def is_gone(self) -> bool:
        """Whether the worker's end has closed."""
        return self._gone.is_set()

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for an answer, and no frame is half sent or half received."""
        return len(self._waiting) == self._background and self._channel.is_between_frames

    async def wait_gone(self) -> None:
        """Wait until the worker's end has closed."""
        await self._gone.wait()

    async def run(self) -> None:
        """Carry questions and answers until the worker's end closes, or until cancelled; then close this one."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, nursery.cancel_scope)
                await self._read()
                nursery.cancel_scope.cancel()
        finally:
            self._end()
            await trio.aclose_forcefully(self._stream)

    async def _write(self, scope: trio.CancelScope) -> None:
        try:
            await self._channel.run_writer()
        except ChannelBroken as error:
            self._why = str(error)
            scope.cancel()

    async def _read(self) -> None:
        try:
            while messages := await self._channel.receive():
                for message in messages:
                    waiting = self._waiting.get(message.exchange)
                    if waiting is not None:
                        waiting.send_nowait(message)
        except ChannelBroken as error:
            self._why = str(error)
            _log.debug("a worker's connection broke: %s", error)

    def _end(self) -> None:
        self._gone.set()
        for waiting in self._waiting.values():
            waiting.close()

    @overload
    async def ask(
        self, method: str, body: Any = None, *, timeout_s: float = ANSWER_S, is_background: bool = False
    ) -> Any: ...
    @overload
    async def ask(
        self, method: str, body: Any = None, *, timeout_s: float = ANSWER_S, into: type[T], is_background: bool = False
    ) -> T: ...
    async def ask(
        self,
        method: str,
        body: Any = None,
        *,
        timeout_s: float = ANSWER_S,
        into: Any = Any,
        is_background: bool = False,
    ) -> Any:
        """Ask for something, and return what the worker answers, as a value of the type `into`.

        body: whatever msgspec encodes; is_background: `is_idle` does not wait for the answer. Cancelling it cancels the
        work in the worker.

        Raises:
            WorkerGone: the worker has ended (`WorkerSilent`: it is there, and does not answer in time), or its answer
                cannot be read.
            WorkerRefusal: it answers that it will not, or cannot.
        """
        self._background += is_background
        try:
            answer = await self._answer(method, msgspec.msgpack.encode(body), timeout_s)
        finally:
            self._background -= is_background
        try:
            if answer.status == 200:
                return msgspec.msgpack.decode(answer.body, type=into)
            said: dict[str, Any] = msgspec.msgpack.decode(answer.body, type=dict)
        except msgspec.MsgspecError as error:
            raise WorkerGone(f"its answer to {method} cannot be read: {error}") from None
        raise WorkerRefusal(answer.status, str(said.pop("detail", "")), said)

    async def _answer(self, method: str, body: bytes, timeout_s: float) -> Message:
        if self.is_gone:
            raise WorkerGone(self._why)
        exchange = next(self._numbers)
        sender, receiver = trio.open_memory_channel[Message](1)
        self._waiting[exchange] = sender
        try:
            within_ms = max(1, round(timeout_s * 1000))
            self._channel.send(Message(FrameType.REQUEST, exchange, body, f"/{method}", within_ms=within_ms))
            with trio.fail_after(timeout_s):
                return await receiver.receive()
        except trio.EndOfChannel:
            raise WorkerGone(self._why) from None
        except trio.TooSlowError:
            self._cancel(exchange)
            raise WorkerSilent(f"it has not answered {method} within {timeout_s:g} s") from None
        except ChannelBroken as error:
            raise WorkerSilent(str(error)) from None
        except trio.Cancelled:
            self._cancel(exchange)
            raise
        finally:
            del self._waiting[exchange]

    def _cancel(self, exchange: int) -> None:
        """Have the worker stop; what it says nevertheless is dropped."""
        self._channel.forget(exchange)
        if not self.is_gone:
            try:
                self._channel.send(Message(FrameType.CANCEL, exchange))
            except ChannelBroken:
                return  # it does not read, and so does not work
