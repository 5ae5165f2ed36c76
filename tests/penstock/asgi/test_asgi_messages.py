"""What an application may send and in which order, with the exact outcome of everything else, in either loop."""

import logging
from http import HTTPStatus
from typing import Any

import pytest
import trio
from asgi_support import LOOPS, bridged, length, part, saying, start

from penstock import testing
from penstock.asgi.messages import AsgiError, Message, Receive, Scope, Send
from penstock.asgi.runner import Loop


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    given: Loop = request.param
    return given


GOOD: dict[str, tuple[tuple[Message, ...], int, bytes]] = {
    "whole, length said": ((start(201, length(3)), part(b"abc")), 201, b"abc"),
    "whole, no length said": ((start(), part(b"abc")), 200, b"abc"),
    "nothing in it": ((start(), part()), 200, b""),
    "a body message without a body": ((start(), {"type": "http.response.body"}), 200, b""),
    "no headers": (({"type": "http.response.start", "status": 200}, part(b"a")), 200, b"a"),
    "in two parts": ((start(), part(b"a", more=True), part(b"b")), 200, b"ab"),
    "in two parts, length said": ((start(200, length(2)), part(b"a", more=True), part(b"b")), 200, b"ab"),
    "all of it, then the end": ((start(200, length(2)), part(b"ab", more=True), part()), 200, b"ab"),
    "empty parts": ((start(), part(more=True), part(b"a", more=True), part(more=True), part()), 200, b"a"),
    "a bytearray": ((start(), {"type": "http.response.body", "body": bytearray(b"a")}), 200, b"a"),
    "204": ((start(204), part()), 204, b""),
    "204 with a length": ((start(204, length(0)), part()), 204, b""),
    "304 that says a length": ((start(304, length(9)), part()), 304, b""),
    "larger than what goes in one frame": ((start(), part(b"x" * 2_000_000)), 200, b"x" * 2_000_000),
    "larger, length said": ((start(200, length(2_000_000)), part(b"x" * 2_000_000)), 200, b"x" * 2_000_000),
    "an http.HTTPStatus": ((start(HTTPStatus.ACCEPTED), part()), 202, b""),
}


@pytest.mark.parametrize("name", GOOD)
async def test_good_answers(name: str, loop: Loop) -> None:
    messages, status, body = GOOD[name]
    async with bridged(saying(*messages), loop) as service:
        got = await testing.call(service, "GET", "/")
    assert (got.status, got.body) == (status, body)


BAD: dict[str, tuple[tuple[Any, ...], str]] = {
    "body first": ((part(b"a"),), "'http.response.body' was sent where 'http.response.start' is expected"),
    "start twice": ((start(200, length(1)), start()), "'http.response.start' was sent where 'http.response.body'"),
    "unknown type": (({"type": "http.response.push"},), "'http.response.push' was sent where"),
    "of a socket": (({"type": "websocket.accept"},), "'websocket.accept' was sent where"),
    "status as text": (({"type": "http.response.start", "status": "200"},), "the status is '200'"),
    "status missing": (({"type": "http.response.start"},), "the status is None"),
    "status true": ((start(True),), "the status is True"),
    "interim status": ((start(100),), "the status is 100"),
    "status too large": ((start(600),), "the status is 600"),
    "header as text": ((start(200, ("a", "b")),), "name and value of 'a' are str and str"),
    "header that is no pair": ((start(200, (b"a",)),), "is no pair of name and value"),
    "name that is none": ((start(200, (b"a b", b"c"), length(0)),), "is not a lower-case HTTP token"),
    "name that is empty": ((start(200, (b"", b"c"), length(0)),), "is not a lower-case HTTP token"),
    "line break in a value": ((start(200, (b"a", b"b\r\nc: d"), length(0)),), "holds a control character"),
    "length that is none": ((start(200, (b"content-length", b"x")),), "content-length is no number"),
    "lengths that differ": ((start(200, length(1), length(2)),), "content-length is no number, or there are several"),
    "negative length": ((start(200, (b"content-length", b"-1")),), "content-length is no number"),
    "body as text": ((start(200, length(1)), {"type": "http.response.body", "body": "a"}), "the body is str"),
    "too much": ((start(200, length(1)), part(b"ab")), "the body is longer than its content-length: 2 bytes of 1"),
    "too little": ((start(200, length(3)), part(b"ab")), "the body is shorter than its content-length: 2 bytes of 3"),
    "204 with a body": ((start(204), part(b"a")), "an answer with status 204 has no body"),
    "304 with a body": ((start(304), part(b"a")), "an answer with status 304 has no body"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_answers_become_500_while_nothing_is_out(
    name: str, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    messages, why = BAD[name]
    async with bridged(saying(*messages), loop) as service:
        got = await testing.call(service, "GET", "/")
    assert (got.status, got.json()["reason"]) == (500, "handler_error")
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], AsgiError)
    assert why in str(record.exc_info[1])


CUT: dict[str, tuple[Message, ...]] = {
    "too much, later": (start(200, length(2)), part(b"a", more=True), part(b"bc")),
    "too little, later": (start(200, length(4)), part(b"a", more=True), part(b"b")),
    "start in the middle": (start(), part(b"a", more=True), start()),
    "body as text, later": (start(), part(b"a", more=True), {"type": "http.response.body", "body": "a"}),
    "no end": (start(), part(b"a", more=True)),
}


@pytest.mark.parametrize("name", CUT)
async def test_what_goes_wrong_later_cuts_the_body_off(name: str, loop: Loop) -> None:
    async with bridged(saying(*CUT[name]), loop) as service:
        with pytest.raises(testing.Aborted):
            await testing.call(service, "GET", "/")


AFTER: dict[str, tuple[Message, ...]] = {
    "a body": (start(200, length(1)), part(b"a"), part(b"b")),
    "an empty body": (start(200, length(1)), part(b"a"), part()),
    "a start": (start(200, length(1)), part(b"a"), start()),
    "a body after a stream": (start(), part(b"a", more=True), part(), part()),
    "the end twice": (start(200, length(1)), part(b"a", more=True), part(), part()),
}


@pytest.mark.parametrize("name", AFTER)
async def test_what_is_sent_after_the_end_is_an_error_that_the_client_does_not_see(
    name: str, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async with bridged(saying(*AFTER[name]), loop) as service:
        got = await testing.call(service, "GET", "/")
    assert (got.status, got.body) == (200, b"a")
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "GET /: the application failed after its answer"
    assert record.exc_info is not None
    assert "was sent after the end of the answer" in str(record.exc_info[1])


async def test_more_than_was_declared_after_all_of_it(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    messages = (start(200, length(1)), part(b"a", more=True), part(b"b"))
    async with bridged(saying(*messages), loop) as service:
        got = await testing.call(service, "GET", "/")
    assert got.body == b"a"
    assert "the body is longer than its content-length: 2 bytes of 1" in caplog.text


@pytest.mark.parametrize(
    ("messages", "reason", "logged"),
    [
        ((), "bad_answer", "GET /: the application returned without an answer"),
        ((start(200, length(1)),), "bad_answer", "GET /: the application returned without the end of its answer"),
    ],
)
async def test_no_answer(
    messages: tuple[Message, ...], reason: str, logged: str, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async with bridged(saying(*messages), loop) as service:
        got = await testing.call(service, "GET", "/")
    assert (got.status, got.json()["reason"]) == (500, reason)
    assert logged in [record.getMessage() for record in caplog.records]


def raising(*messages: Message) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for message in messages:
                await send(message)
        raise ValueError("of the application's own")

    return app


@pytest.mark.parametrize("messages", [(), (start(200, length(1)),)])
async def test_an_application_that_raises_before_its_answer_is_out(
    messages: tuple[Message, ...], loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async with bridged(raising(*messages), loop) as service:
        got = await testing.call(service, "GET", "/")
    assert (got.status, got.json()["reason"]) == (500, "handler_error")
    assert "of the application's own" not in got.text
    assert "of the application's own" in caplog.text


async def test_an_application_that_raises_in_the_middle(loop: Loop) -> None:
    async with bridged(raising(start(), part(b"a", more=True)), loop) as service:
        with pytest.raises(testing.Aborted):
            await testing.call(service, "GET", "/")


async def test_an_application_that_raises_after_its_answer(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async with bridged(raising(start(), part(b"a")), loop) as service:
        got = await testing.call(service, "GET", "/")
    assert (got.status, got.body) == (200, b"a")
    assert "the application failed after its answer" in caplog.text


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ((start(200, length(3)), part(b"abc")), "3"),
        ((start(200, length(3)), part()), "3"),
        ((start(), part(b"abc")), "3"),
        ((start(200, length(3)), part(b"a", more=True), part(b"bc")), "3"),
    ],
)
async def test_head_has_the_length_and_no_body(messages: tuple[Message, ...], said: str, loop: Loop) -> None:
    async with bridged(saying(*messages), loop) as service:
        got = await testing.call(service, "HEAD", "/")
    assert (got.status, got.body) == (200, b"")


async def test_fields_of_one_hop_are_left_out(loop: Loop) -> None:
    hop = [(b"Connection", b"close"), (b"transfer-encoding", b"chunked"), (b"Keep-Alive", b"1")]
    async with bridged(saying(start(200, *hop, (b"X-Kept", b" yes ")), part()), loop) as service:
        got = await testing.call(service, "GET", "/")
    assert dict(got.headers) == {"x-kept": "yes"}


async def test_fields_that_repeat_stay_apart(loop: Loop) -> None:
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    async with bridged(saying(start(200, *cookies), part()), loop) as service:
        got = await testing.call(service, "GET", "/")
    assert got.headers.all("set-cookie") == ["a=1", "b=2"]


async def test_the_body_comes_whole_or_in_parts_and_then_the_end_of_the_exchange(loop: Loop) -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        while not seen or seen[-1].get("more_body"):
            seen.append(await receive())
        await send(start(200, length(0)))
        await send(part())
        seen.append(await receive())

    async def pieces() -> Any:
        yield b"ab"
        await trio.testing.wait_all_tasks_blocked()
        yield b"cd"

    async with bridged(app, loop) as service:
        await testing.call(service, "POST", "/", body=b"whole")
        assert seen == [
            {"type": "http.request", "body": b"whole", "more_body": False},
            {"type": "http.disconnect"},
        ]
        seen.clear()
        await testing.call(service, "POST", "/", body=pieces())
    assert b"".join(message.get("body", b"") for message in seen) == b"abcd"
    assert [message["more_body"] for message in seen[:-1]] == [True] * (len(seen) - 2) + [False]
    assert seen[-1] == {"type": "http.disconnect"}


async def test_receive_waits_for_the_end_while_another_task_answers(loop: Loop) -> None:
    """As applications do that listen for the client's leaving while they stream."""
    import anyio

    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        await receive()

        async def listen() -> None:
            seen.append((await receive())["type"])

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await send(start())
            await send(part(b"a", more=True))
            await anyio.sleep(0.01)
            assert not seen
            await send(part(b"b"))

    async with bridged(app, loop) as service:
        got = await testing.call(service, "GET", "/")
    assert (got.body, seen) == (b"ab", ["http.disconnect"])


async def test_a_cancelled_receive_loses_nothing(loop: Loop) -> None:
    import anyio

    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        with anyio.move_on_after(0.02):
            seen.append((await receive())["body"])
        while True:
            message = await receive()
            seen.append(message["body"])
            if not message["more_body"]:
                break
        await send(start(200, length(0)))
        await send(part())

    async def pieces() -> Any:
        await trio.sleep(0.1)
        yield b"ab"
        yield b"cd"

    async with bridged(app, loop) as service:
        assert (await testing.call(service, "POST", "/", body=pieces())).status == 200
    assert b"".join(seen) == b"abcd"


async def test_asyncio_wanted_where_there_is_none_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asyncio.get_running_loop()

    async with bridged(app, "trio", lifespan="off") as service:
        assert (await testing.call(service, "GET", "/")).status == 500
    assert "it wants asyncio, and runs on Trio; start it with --loop asyncio" in caplog.text
