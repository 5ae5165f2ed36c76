"""No request is read differently here than elsewhere: pipelines of tagged requests with disturbed framing.

What the gateway serves is what a strict reading delimits, in that order and no more; h11 delimits the same.
PENSTOCK_FUZZ_SECONDS makes it look for longer, with other seeds.
"""

import os
import random
import time
from collections import Counter

import pytest
from answers import BadAnswerError, Came, read_answers
from echo_service import EchoService, show_body, start_echo
from feed import Outcome, Run, feed, feed_until
from lab import Lab, open_lab
from pipelines import cuts, pipeline
from reference import Delimited, End, delimit, delimit_with_h11

PIPELINES = 3_000
TOLERANT_PIPELINES = 600
AT_ONCE = 150
FUZZ_SECONDS = float(os.environ.get("PENSTOCK_FUZZ_SECONDS", "0"))
REFUSALS = (400, 413, 414, 417, 431, 501, 505)


def judge(data: bytes, delimited: Delimited, came: list[Came]) -> str:
    """Return what is wrong with the answers to data, or nothing."""
    served = [answer for answer in came if answer.echo is not None]
    refused = [answer for answer in came if answer.echo is None]
    got = [(answer.echo["target"], answer.echo["body"]) for answer in served if answer.echo is not None]
    wanted = [(request.target, show_body(request.body)) for request in delimited.requests]
    if got != wanted:
        return f"served {got} instead of {wanted}"
    if refused and (len(refused) > 1 or came[-1] is not refused[0] or not refused[0].is_closing):
        return f"after a refusal, more came: {[str(one) for one in came]}"
    if any(answer.status not in REFUSALS and answer.status != 408 for answer in refused):
        return f"refused with {refused[0]}"
    if delimited.end is End.REFUSED and not refused:
        return "what is no request was not refused"
    if delimited.end is End.CLOSED and refused:
        return f"what is a request was refused: {refused[0]}"
    by_h11 = [(target, show_body(body)) for target, body in delimit_with_h11(data)]
    if by_h11[: len(got)] != got[: len(by_h11)]:  # it may stop earlier: it knows no white space around extensions
        return f"served {got}, but h11 reads {by_h11}"
    return ""


class Checked:
    """What was tried, and what was wrong."""

    def __init__(self, lab: Lab, echo: EchoService) -> None:
        self.lab, self.echo = lab, echo
        self.wrong: list[str] = []
        self.ends: Counter[End] = Counter()
        self.requests = 0

    async def check(self, seed: int, count: int) -> None:
        draw = random.Random(seed)
        for start in range(0, count, AT_ONCE):
            tags = [f"p{seed}n{number}" for number in range(start, min(start + AT_ONCE, count))]
            await self._check_some([pipeline(draw, tag) for tag in tags], draw)

    async def _check_some(self, datas: list[bytes], draw: random.Random) -> None:
        delimited = [delimit(data) for data in datas]
        runs = [Run(data, cuts(draw, len(data))) for data in datas]
        counts = [len(one.requests) if one.end is End.INCOMPLETE else None for one in delimited]
        finished = len(self.echo.finished)
        outcomes = await feed_until(self.lab.addresses.edge, runs, counts)
        served = 0
        for data, one, outcome in zip(datas, delimited, outcomes, strict=True):
            self.ends[one.end] += 1
            served += len(one.requests)
            said = self._judge(data, one, outcome)
            if said:
                self.wrong.append(f"{said}\n    {data!r}")
        self.requests += served
        if len(self.echo.finished) - finished != served:
            self.wrong.append(f"{len(self.echo.finished) - finished} requests reached the service instead of {served}")

    def _judge(self, data: bytes, one: Delimited, outcome: Outcome) -> str:
        if outcome.is_open or (outcome.is_reset and one.end is End.REFUSED):
            return "reset" if outcome.is_reset else "never closed"
        try:
            return judge(data, one, list(read_answers(outcome.came)))
        except (BadAnswerError, ValueError) as error:
            return str(error)

    def assert_nothing(self) -> None:
        if self.wrong:
            pytest.fail(f"{len(self.wrong)} pipelines are wrong:\n" + "\n".join(self.wrong[:20]), pytrace=False)


async def test_pipelines() -> None:
    async with open_lab() as lab:
        checked = Checked(lab, await start_echo(lab))
        await checked.check(1, PIPELINES)
        until = time.monotonic() + FUZZ_SECONDS
        while time.monotonic() < until and not checked.wrong:
            await checked.check(time.time_ns(), PIPELINES)
    checked.assert_nothing()
    # Disturbing neither ruins everything nor changes nothing.
    assert checked.requests > PIPELINES
    assert all(checked.ends[end] > PIPELINES // 30 for end in End), checked.ends


async def test_pipelines_of_the_tolerant() -> None:
    """Whatever is repaired has the meaning that h11 finds in it, and nothing that the strict mode takes is lost."""
    draw = random.Random(4)
    datas = [pipeline(draw, f"t{number}") for number in range(TOLERANT_PIPELINES)]
    wrong = []
    repaired = 0
    impatient = {"edge_head_timeout": "2s", "edge_body_rate": "10MiB", "edge_idle_timeout": "2s"}
    async with open_lab(edge_parsing="tolerant", **impatient) as lab:
        await start_echo(lab)
        outcomes = await feed(lab.addresses.edge, [Run(data, cuts(draw, len(data))) for data in datas])
    for data, outcome in zip(datas, outcomes, strict=True):
        assert not outcome.is_open, data
        got = served_in(outcome)
        strict = [(request.target, show_body(request.body)) for request in delimit(data).requests]
        by_h11 = [(target, show_body(body)) for target, body in delimit_with_h11(data)]
        repaired += len(got) > len(strict)
        if got[: len(strict)] != strict or got[: len(by_h11)] != by_h11[: len(got)]:
            wrong.append(f"served {got}; strictly it is {strict}; h11 reads {by_h11}\n    {data!r}")
    if wrong:
        pytest.fail(f"{len(wrong)} pipelines are wrong:\n" + "\n".join(wrong[:20]), pytrace=False)
    assert repaired > TOLERANT_PIPELINES // 100


def served_in(outcome: Outcome) -> list[tuple[str, str]]:
    """Return target and body of each request that was served."""
    answers = read_answers(outcome.came)
    return [(answer.echo["target"], answer.echo["body"]) for answer in answers if answer.echo is not None]
