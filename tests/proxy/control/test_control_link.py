"""Supervisor and worker over a socket pair: questions, answers, and what becomes of them when one end goes."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import pytest
import trio

from frames.codec import encode_frame, encode_heartbeat
from frames.frame import FrameType, HealthStatus
from frames.limits import DATA_BYTES_MAX
from proxy.admin.state import AdminProblem
from proxy.control import channel as channels
from proxy.control.client import WorkerGone, WorkerLink, WorkerRefusal, WorkerSilent
from proxy.control.server import CommandRefused, Commands, serve_control


class Figure(NamedTuple):
    name: str
    value: int


async def echo(body: Any) -> Any:
    return body


async def fail(_: Any) -> Any:
    raise ZeroDivisionError


async def refuse(_: Any) -> Any:
    raise CommandRefused(409, "It is draining.", {"since": 3})


async def page_problem(_: Any) -> Any:
    raise AdminProblem(404, "There is none.", applied=False)


COMMANDS: Commands = {"echo": echo, "fail": fail, "refuse": refuse, "page": page_problem}


def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    near, far = trio.socket.socketpair()
    return trio.SocketStream(near), trio.SocketStream(far)


@asynccontextmanager
async def linked(commands: Commands = COMMANDS) -> AsyncIterator[WorkerLink]:
    near, far = pair()
    link = WorkerLink(near)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_control, far, commands)
        nursery.start_soon(link.run)
        yield link
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def link_to(serve: Callable[[trio.SocketStream], Any]) -> AsyncIterator[WorkerLink]:
    """A link whose other end is not ours."""
    near, far = pair()
    link = WorkerLink(near)
    async with far, trio.open_nursery() as nursery:
        nursery.start_soon(serve, far)  # noqa: ASYNC113 - any end may be slow to come
        nursery.start_soon(link.run)
        yield link
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("body", [None, 7, "text", b"bytes", [1, "two", None], {"a": {"b": [1.5]}}, ""])
async def test_an_answer_is_what_the_command_returns(body: Any) -> None:
    async with linked() as link:
        assert await link.ask("echo", body) == body


async def test_an_answer_becomes_a_value_of_the_type_that_is_wanted() -> None:
    async with linked() as link:
        assert await link.ask("echo", [Figure("a", 1)], into=list[Figure]) == [Figure("a", 1)]


@pytest.mark.parametrize("size", [0, 1, DATA_BYTES_MAX - 8, DATA_BYTES_MAX, DATA_BYTES_MAX * 2, 5_000_001])
async def test_bodies_of_all_sizes_go_both_ways(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with linked() as link:
        assert await link.ask("echo", body) == body


async def test_many_questions_are_answered_at_once_and_each_by_its_own_answer() -> None:
    answers: dict[int, Any] = {}
    gates = [trio.Event() for _ in range(50)]

    async def wait(number: Any) -> Any:
        if number:
            await gates[number - 1].wait()  # after all that came before it have waited, too
        gates[number].set()
        return number * 10_000 * b"x" + b"%d" % number

    async with linked({"wait": wait}) as link, trio.open_nursery() as nursery:

        async def ask(number: int) -> None:
            answers[number] = await link.ask("wait", number)

        for number in reversed(range(50)):
            nursery.start_soon(ask, number)
    assert {number: answer.lstrip(b"x") for number, answer in answers.items()} == {n: b"%d" % n for n in range(50)}


async def test_what_the_command_refuses_is_told_with_its_status_and_reasons() -> None:
    async with linked() as link:
        with pytest.raises(WorkerRefusal, match=r"^It is draining\.$") as refused:
            await link.ask("refuse")
        assert (refused.value.status, refused.value.more) == (409, {"since": 3})
        with pytest.raises(WorkerRefusal, match=r"^There is none\.$") as refused:
            await link.ask("page")
        assert (refused.value.status, refused.value.more) == (404, {"applied": False})


async def test_an_unknown_command_is_refused_with_those_that_there_are() -> None:
    async with linked() as link:
        with pytest.raises(WorkerRefusal, match=r"There is no 'ech'; .* echo, fail, refuse, page\.") as refused:
            await link.ask("ech")
        assert refused.value.status == 404


async def test_a_command_that_fails_is_logged_in_the_worker_and_harms_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with linked() as link:
        with pytest.raises(WorkerRefusal, match="fail has failed; the log of the worker says why") as refused:
            await link.ask("fail")
        assert refused.value.status == 500
        assert await link.ask("echo", 1) == 1
    assert "ZeroDivisionError" in caplog.text


async def test_an_answer_that_cannot_be_encoded_is_a_failure_and_not_a_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def odd(_: Any) -> Any:
        return object()

    async with linked({"odd": odd}) as link:
        with pytest.raises(WorkerRefusal, match="odd has failed"):
            await link.ask("odd")
    assert "TypeError" in caplog.text


async def test_a_worker_that_closes_ends_every_question_at_once() -> None:
    started = trio.Event()

    async def hang(_: Any) -> Any:
        started.set()
        await trio.sleep_forever()

    near, far = pair()
    link = WorkerLink(near)
    gone: list[str] = []

    async def ask() -> None:
        with pytest.raises(WorkerGone) as error:
            await link.ask("hang", timeout_s=3600)
        assert not isinstance(error.value, WorkerSilent)
        gone.append(str(error.value))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        async with trio.open_nursery() as worker:
            worker.start_soon(serve_control, far, {"hang": hang})
            for _ in range(3):
                nursery.start_soon(ask)
            await started.wait()
            worker.cancel_scope.cancel()
        await link.wait_gone()
    assert link.is_gone
    assert gone == ["it has closed its connection"] * 3
    with pytest.raises(WorkerGone, match="it has closed its connection"):
        await link.ask("echo")


async def test_a_worker_that_says_nothing_is_silent_when_the_time_is_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cancelled = trio.Event()

    async def hang(_: Any) -> Any:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with linked({"hang": hang, "echo": echo}) as link:
        with pytest.raises(WorkerSilent, match="has not answered hang within 2 s"):
            await link.ask("hang", timeout_s=2)
        await cancelled.wait()  # the work is given up at the other end
        assert await link.ask("echo", "still") == "still"


async def test_who_is_cancelled_while_asking_stops_the_work_and_the_link_goes_on() -> None:
    begun, cancelled = trio.Event(), trio.Event()

    async def hang(_: Any) -> Any:
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with linked({"hang": hang, "echo": echo}) as link:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.ask, "hang")
            await begun.wait()
            assert not link.is_idle
            nursery.cancel_scope.cancel()
        await cancelled.wait()
        assert await link.ask("echo", 1) == 1
        assert link.is_idle


async def test_serving_returns_when_the_supervisor_has_gone_and_cancels_the_work() -> None:
    begun, cancelled = trio.Event(), trio.Event()

    async def hang(_: Any) -> Any:
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    near, far = pair()
    link = WorkerLink(near)
    async with trio.open_nursery() as nursery, trio.open_nursery() as supervisor:
        supervisor.start_soon(link.run)
        supervisor.start_soon(link.ask, "hang")
        nursery.start_soon(serve_control, far, {"hang": hang})
        await begun.wait()
        supervisor.cancel_scope.cancel()
    assert cancelled.is_set()  # and the nursery has ended: nobody cancelled it


async def test_an_answer_is_written_although_its_worker_is_cancelled_meanwhile() -> None:
    near, far = pair()
    link = WorkerLink(near)
    scope = trio.CancelScope()

    async def end(_: Any) -> Any:
        scope.cancel()
        return b"x" * 3_000_000  # more than a socket holds

    async def serve() -> None:
        with scope:
            await serve_control(far, {"end": end})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        nursery.start_soon(serve)
        assert len(await link.ask("end")) == 3_000_000


async def test_a_worker_that_sends_no_frames_is_gone() -> None:
    async def babble(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with link_to(babble) as link:
        await link.wait_gone()
        with pytest.raises(WorkerGone, match="what came is no frame"):
            await link.ask("echo")


async def test_a_frame_that_has_no_place_here_ends_the_link() -> None:
    async def beat(stream: trio.SocketStream) -> None:
        await stream.send_all(encode_frame(FrameType.HEARTBEAT, 0, 0, encode_heartbeat(HealthStatus.HEALTHY)))

    async with link_to(beat) as link:
        await link.wait_gone()
        with pytest.raises(WorkerGone, match="a frame of type 3 has no place here"):
            await link.ask("echo")


async def test_a_server_that_is_sent_no_frames_says_so_and_returns(caplog: pytest.LogCaptureFixture) -> None:
    near, far = pair()
    await near.send_all(b"\xff" * 64)
    with caplog.at_level(logging.WARNING):
        await serve_control(far, COMMANDS)
    assert "the connection to the supervisor broke: what came is no frame" in caplog.text
    await near.aclose()


async def test_a_question_that_is_no_msgpack_is_refused() -> None:
    near, far = pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_control, far, COMMANDS)
        channel = channels.Channel(near)
        nursery.start_soon(channel.run_writer)
        channel.send(channels.Message(FrameType.REQUEST, 1, b"\xc1", "/echo"))
        (answer,) = await channel.receive()
        assert answer.status == 400
        assert "What echo was asked with cannot be read" in msgspec.msgpack.decode(answer.body)["detail"]
        nursery.cancel_scope.cancel()
    await near.aclose()


async def test_a_worker_that_does_not_read_is_not_sent_ever_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "QUEUED_BYTES_MAX", 1_000_000)

    async def ask(link: WorkerLink) -> None:
        with pytest.raises(WorkerGone):
            await link.ask("echo", b"x" * 3_000_000)

    async def deaf(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as asking, link_to(deaf) as link:
        asking.start_soon(ask, link)  # noqa: ASYNC111 - the link ends first, and that is what it is to learn
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(WorkerSilent, match="bytes wait to be read at the other end"):
            await link.ask("echo")


async def test_a_message_without_end_is_refused_when_it_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "BODY_BYTES_MAX", 1_000_000)
    async with linked() as link:
        with pytest.raises(WorkerGone):  # the worker ends it: a supervisor that sends so much is none
            await link.ask("echo", b"x" * 1_000_001)


async def test_late_answers_of_a_link_before_are_not_taken_for_ones_of_this() -> None:
    """After an upgrade another program goes on with the same connection."""
    release = trio.Event()

    async def slow(body: Any) -> Any:
        await release.wait()
        return body

    near, far = pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_control, far, {"slow": slow, "echo": echo})
        number = WorkerLink(near)._numbers
        first = next(number)
        before = channels.Channel(near)
        nursery.start_soon(before.run_writer)
        before.send(channels.Message(FrameType.REQUEST, first, msgspec.msgpack.encode("late"), "/slow"))
        await before.flushed()
        link = WorkerLink(near)
        nursery.start_soon(link.run)
        release.set()
        assert [await link.ask("echo", n) for n in range(3)] == [0, 1, 2]
        nursery.cancel_scope.cancel()
