"""Two parsers behind each other must agree where requests begin and end: HAProxy before the gateway, and behind it.

In front, HAProxy says in a field of each request what it takes it for, and in a field of each answer to which request
it takes it to belong. Requests that only one of the two saw, or answers that went to another one, would show.
"""

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from answers import AFTER, BadAnswerError, Came, read_answers
from echo_service import EchoService, Open, start_echo_of
from feed import Outcome, Run, feed, feed_until
from haproxy_lab import MISSING, PROGRAM, TinyServer, open_haproxy
from lab import open_lab
from pipelines import cuts, pipeline
from reference import Delimited, End, delimit

FUZZ_SECONDS = float(os.environ.get("PENSTOCK_FUZZ_SECONDS", "0"))
PIPELINES = 600 + int(FUZZ_SECONDS * 40)
AT_ONCE = 50

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


class Knowing(EchoService):
    """Keeps what HAProxy did not know of: requests that it did not send as such."""

    unknown: list[str]
    known = 0

    def note(self, asked: Open) -> None:
        super().note(asked)
        outer = [value for name, value in asked.fields if name == "x-outer-target"]
        self.known += 1
        if outer != [asked.target]:
            self.unknown = [*getattr(self, "unknown", []), f"{asked.target}, for HAProxy {outer}"]


def readable(outcome: Outcome) -> list[Came]:
    """Return the answers that came whole."""
    found: list[Came] = []
    with suppress(BadAnswerError, ValueError):  # HAProxy ends an answer early when its client or the gateway goes
        found.extend(read_answers(outcome.came))
    return found


def judge_in_front(data: bytes, came: list[Came]) -> str:
    """Return what is wrong with the answers on one connection, or nothing."""
    at = 0
    for answer in came:
        if answer.echo is None:
            continue
        target = answer.echo["target"]
        if answer.headers.get("x-answers") != target:
            return f"the answer of {target} went to {answer.headers.get('x-answers')}"
        at = data.find(target.encode(), at) + 1
        if not at:
            return f"the answer of {target} came out of turn"
    return ""


async def test_haproxy_in_front(tmp_path: Path) -> None:
    draw = random.Random(2 + int(FUZZ_SECONDS))
    wrong: list[str] = []
    answered = 0
    async with open_lab() as lab:
        echo = await start_echo_of(Knowing, lab)
        async with open_haproxy(lab.addresses.edge[1], tmp_path) as address:
            for start in range(0, PIPELINES, AT_ONCE):
                datas = [pipeline(draw, f"f{start}n{number}") for number in range(AT_ONCE)]
                runs = [Run(data, cuts(draw, len(data))) for data in datas]
                for data, outcome in zip(datas, await feed_until(address, runs, counts_of(datas)), strict=True):
                    came = readable(outcome)
                    answered += sum(answer.echo is not None for answer in came)
                    if said := judge_in_front(data, came):
                        wrong.append(f"{said}\n    {data!r}")
        wrong += getattr(echo, "unknown", [])
    if wrong:
        pytest.fail(f"{len(wrong)} are wrong:\n" + "\n".join(wrong[:20]), pytrace=False)
    assert answered > PIPELINES
    assert echo.known >= answered


def counts_of(datas: list[bytes]) -> list[int | None]:
    """Return after how many answers the client closes its side, where its last request is not whole."""
    delimited = [delimit(data) for data in datas]
    return [len(one.requests) if one.end is End.INCOMPLETE else None for one in delimited]


def accepted(data: bytes, delimited: Delimited) -> bytes:
    """Return the bytes of the requests that the gateway takes, and a last one that asks for the end."""
    end = delimited.requests[-1].end if delimited.requests else 0
    return data[:end] + (b"" if delimited.end is End.CLOSED else AFTER)


@asynccontextmanager
async def open_tiny() -> AsyncIterator[tuple[TinyServer, int]]:
    server = TinyServer()
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1")
        listeners: list[Any] = await nursery.start(serve)
        yield server, listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def judge_behind(came: list[Came], requests: list[tuple[str, bytes]]) -> tuple[str, int]:
    """Return what is wrong, or nothing; and how many requests HAProxy passed on. It may be stricter, and refuse one."""
    got = [answer.headers["x-target"] for answer in came if "x-target" in answer.headers]
    is_refused = bool(came) and came[-1].status in (400, 413, 501)
    if got != [target for target, _ in requests][: len(got)] or (len(got) < len(requests) and not is_refused):
        return f"HAProxy reads {[str(one) for one in came]} instead of {requests}", len(got)
    return "", len(got)


async def test_haproxy_behind(tmp_path: Path) -> None:
    """What the gateway takes (see test_desync.py) is read by HAProxy as the same requests, with the same bodies."""
    draw = random.Random(3 + int(FUZZ_SECONDS))
    datas = [pipeline(draw, f"b{number}") for number in range(PIPELINES)]
    datas = [accepted(data, delimit(data)) for data in datas]
    wrong: list[str] = []
    stricter = 0
    async with open_tiny() as (server, port), open_haproxy(port, tmp_path) as address:
        for start in range(0, PIPELINES, AT_ONCE):
            some = datas[start : start + AT_ONCE]
            before = len(server.seen)
            outcomes = await feed(address, [Run(data) for data in some])
            wanted = [[(one.target, one.body) for one in delimit(data).requests] for data in some]
            passed_on: list[tuple[str, bytes]] = []
            for data, outcome, requests in zip(some, outcomes, wanted, strict=True):
                said, count = judge_behind(readable(outcome), requests)
                passed_on += requests[:count]
                stricter += count < len(requests)
                if said:
                    wrong.append(f"{said}\n    {data!r}")
            if sorted(server.seen[before:]) != sorted(passed_on):
                wrong.append("HAProxy passed on other requests, or other bodies")
    assert stricter <= PIPELINES // 100  # such as HTTP/1.0 with a body for GET
    if wrong:
        pytest.fail(f"{len(wrong)} are wrong:\n" + "\n".join(wrong[:20]), pytrace=False)
