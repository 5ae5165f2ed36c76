"""A worker's end: answers its supervisor, each question in a task of its own."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
import trio

from frames.frame import FrameType

from .channel import Channel, ChannelBroken, Message

Commands = Mapping[str, Callable[[Any], Awaitable[Any]]]
"""What can be asked, by name: takes the body of the question, returns the answer.

What it raises with a ``status`` and a ``detail``, as `CommandRefused` has them, is told to who asked."""

LAST_WORDS_S: Final = 1.0
"""How long answers that are queued may take to be written, when all ends."""

_OK: Final = 200

_log = logging.getLogger("penstock.gateway")


class CommandRefused(Exception):  # noqa: N818 - it is an answer
    """What was asked cannot be done. status: as of HTTP; the text is for the operator."""

    def __init__(self, status: int, detail: str, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = dict(more or {})


async def serve_control(
    stream: trio.abc.Stream,
    commands: Commands,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer until the supervisor's end closes, which is when this returns; the caller then drains and ends.

    When cancelled, answers that are made already are still written, so that nobody waits for what has happened.

    Resource handling: the stream is closed in the end; questions that are being worked on are cancelled.
    Error handling: what fails in a command is logged and answered with 500. Bytes that are no frames are logged, and
        end it as a close does.
    """
    channel = Channel(stream)
    writing = trio.CancelScope(shield=True)  # what was answered before a cancellation is written after it
    reading = trio.CancelScope()

    async def write() -> None:
        with writing, suppress(ChannelBroken):
            await channel.run_writer()
        reading.cancel()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            task_status.started()
            try:
                with reading:
                    await _Server(channel, commands).run()
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + LAST_WORDS_S):
                    await channel.flushed()
                writing.cancel()
    finally:
        await trio.aclose_forcefully(stream)


class _Server:
    """The questions that are being worked on."""

    def __init__(self, channel: Channel, commands: Commands) -> None:
        self._channel = channel
        self._commands = commands
        self._working: dict[int, trio.CancelScope] = {}

    async def run(self) -> None:
        """Answer until the other end closes."""
        async with trio.open_nursery() as nursery:
            try:
                while messages := await self._channel.receive():
                    for message in messages:
                        self._take(message, nursery)
            except ChannelBroken as error:
                _log.warning("the connection to the supervisor broke: %s", error)
            nursery.cancel_scope.cancel()

    def _take(self, message: Message, nursery: trio.Nursery) -> None:
        if message.kind is FrameType.REQUEST and message.exchange not in self._working:
            scope = self._working[message.exchange] = trio.CancelScope()
            nursery.start_soon(self._work, message, scope)
        elif message.kind is FrameType.CANCEL and message.exchange in self._working:
            self._working[message.exchange].cancel()

    async def _work(self, message: Message, scope: trio.CancelScope) -> None:
        try:
            with scope:
                status, answer = await self._answer(message)
                self._channel.send(Message(FrameType.RESPONSE, message.exchange, answer, status=status))
        except ChannelBroken as error:
            _log.warning("the supervisor is not answered: %s", error)
        finally:
            del self._working[message.exchange]

    async def _answer(self, message: Message) -> tuple[int, bytes]:
        name = message.target.removeprefix("/")
        command = self._commands.get(name)
        if command is None:
            return _refusal(404, f"There is no {name!r}; a worker can be asked for: {', '.join(self._commands)}.")
        try:
            return _OK, msgspec.msgpack.encode(await command(msgspec.msgpack.decode(message.body)))
        except msgspec.DecodeError as error:
            return _refusal(400, f"What {name} was asked with cannot be read: {error}.")
        except Exception as error:
            status, detail = getattr(error, "status", None), getattr(error, "detail", None)
            if isinstance(status, int) and isinstance(detail, str):  # a page that cannot say what it was asked for
                return _refusal(status, detail, getattr(error, "more", None))
            _log.exception("what the supervisor asked for has failed: %s", name)
            return _refusal(500, f"{name} has failed; the log of the worker says why.")


def _refusal(status: int, detail: str, more: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
    return status, msgspec.msgpack.encode({**(more or {}), "detail": detail})
