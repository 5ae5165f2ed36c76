"""Every case of the corpus against a live gateway: whole, byte by byte, and at every two-way split.

Each is sent to an endpoint that does not stream and to one that does. Whatever the pieces, the verdict is the same.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cases_chunked
import cases_connection
import cases_fields
import cases_length
import cases_limits
import cases_request_line
import cases_target
import cases_trust
import pytest
from answers import AFTER, compare, wanted_answers
from corpus import Case, Seen, Verdict
from echo_service import EchoService, start_echo
from feed import CONNECTIONS_AT_ONCE, Outcome, Run, feed
from lab import Lab, open_lab

GROUPS = {
    "request line": cases_request_line.CASES,
    "target": cases_target.CASES,
    "fields": cases_fields.CASES,
    "length": cases_length.CASES,
    "chunked": cases_chunked.CASES,
    "connection": cases_connection.CASES,
    "trust": cases_trust.CASES,
    "limits": cases_limits.CASES,
}
IS_THOROUGH = bool(float(os.environ.get("PENSTOCK_FUZZ_SECONDS", "0")))
SPLITS_MAX = 200
"""Of a longer case, so many splits are tried."""
BYTES_AT_ONCE = 1 << 20
LONG_BYTES = 2_000
"""A longer case is not sent byte by byte, but in pieces of so many bytes."""

by_group = pytest.mark.parametrize("group", GROUPS)


def splits_of(case: Case) -> list[tuple[int, ...]]:
    size = len(case.data)
    if size - 1 <= SPLITS_MAX:
        return [(at,) for at in range(1, size)]
    draw = random.Random(case.id)
    near_ends = [*range(1, 40), *range(size - 40, size)]
    return [(at,) for at in sorted({*near_ends, *draw.sample(range(1, size), 40)})]


def every_byte_of(case: Case) -> list[tuple[int, ...]]:
    step = 1 if len(case.data) <= LONG_BYTES else LONG_BYTES
    return [tuple(range(step, len(case.data) + 1, step))]


def in_the_body(case: Case) -> list[tuple[int, ...]]:
    head_end = case.data.find(b"\r\n\r\n")
    return [cut for cut in splits_of(case) if cut[0] > head_end]


def whole(case: Case) -> list[tuple[int, ...]]:
    return [()]


def streamed(data: bytes) -> bytes:
    """Return the same bytes, addressed to the endpoint that streams."""
    return data.replace(b"/echo", b"/flow").replace(b"/%65cho", b"/%66low").replace(b"/%65%63%68%6F", b"/%66%6C%6F%77")


def streamed_verdict(verdict: Verdict) -> Verdict:
    """Return what must come of them."""
    answers = tuple(
        Seen(one.method, one.target.replace("/echo", "/flow", 1), one.fields, streamed(one.body), one.trailers)
        if isinstance(one, Seen)
        else one
        for one in verdict.answers
    )
    return Verdict(answers, verdict.closes)


def judge(case: Case, verdict: Verdict, outcome: Outcome, *, streams: bool) -> list[str]:
    """Return what is wrong. Who asked for the end, or has gone, and sends on nevertheless may be reset."""
    may_be_reset = case.ends or (verdict.closes and isinstance(verdict.answers[-1], Seen))
    if outcome.is_open or (outcome.is_reset and not may_be_reset):
        return [f"{'reset' if outcome.is_reset else 'never closed'} after {outcome.came[:100]!r}"]
    return compare(outcome.came, verdict, streams=streams, ends=case.ends)


@dataclass(frozen=True, slots=True)
class Try:
    """One case, cut in one way."""

    case: Case
    verdict: Verdict
    run: Run

    def __str__(self) -> str:
        return f"{self.case.id} {self.run.cuts if len(self.run.cuts) < 2 else 'in pieces'}"

    @property
    def served(self) -> int:
        """How many requests the service must get."""
        return sum(isinstance(one, Seen) for one in wanted_answers(self.verdict))


class Checked:
    """A gateway with an echo service, and what was found wrong."""

    def __init__(self, lab: Lab, echo: EchoService, *, tolerant: bool = False, streams: bool = False) -> None:
        self.lab, self.echo, self.tolerant, self.streams = lab, echo, tolerant, streams
        self.wrong: list[str] = []

    def tries(self, case: Case, cuts: list[tuple[int, ...]]) -> list[Try]:
        """Return a case once for each way to cut it."""
        verdict = case.tolerant if self.tolerant else case.strict
        data = case.data
        if self.streams:
            verdict, data = streamed_verdict(verdict), streamed(data)
        data += b"" if case.ends else AFTER
        return [Try(case, verdict, Run(data, cut, case.ends)) for cut in cuts]

    async def check(self, tries: list[Try]) -> None:
        """Feed all of them at once."""
        finished = len(self.echo.finished)
        outcomes = await feed(self.lab.addresses.edge, [one.run for one in tries])
        for one, outcome in zip(tries, outcomes, strict=True):
            self.wrong += [f"{one}: {text}" for text in judge(one.case, one.verdict, outcome, streams=self.streams)]
        served = len(self.echo.finished) - finished
        most, least = sum(one.served for one in tries), sum(one.served for one in tries if not one.case.ends)
        if not least <= served <= most:
            names = sorted({one.case.id for one in tries})
            self.wrong.append(f"{served} requests reached the service, not {most}, in {names[0]} to {names[-1]}")

    def assert_nothing(self) -> None:
        """Fail with all that is wrong, at most two lines for each case."""
        cases = {text.split(" ", 1)[0] for text in self.wrong}
        if self.wrong:
            pytest.fail(f"{len(cases)} cases are wrong:\n" + "\n".join(_shortened(self.wrong)), pytrace=False)


def _shortened(texts: list[str]) -> Iterator[str]:
    said: Counter[str] = Counter()
    for text in texts:
        name = text.split(" ", 1)[0]
        said[name] += 1
        if said[name] <= 2:
            yield text[:600]


async def check_cases(
    cases: list[Case], ways: Callable[[Case], list[tuple[int, ...]]], *, streams: bool = False, parsing: str = "strict"
) -> None:
    async with open_lab(edge_parsing=parsing) as lab:
        checked = Checked(lab, await start_echo(lab), tolerant=parsing == "tolerant", streams=streams)
        for batch in in_batches([one for case in cases for one in checked.tries(case, ways(case))]):
            await checked.check(batch)
    checked.assert_nothing()


def in_batches(tries: list[Try]) -> Iterator[list[Try]]:
    """Yield as many at once as a gateway takes without calling a service congested."""
    batch: list[Try] = []
    for one in tries:
        if batch and (len(batch) == CONNECTIONS_AT_ONCE or sum(len(other.run.data) for other in batch) > BYTES_AT_ONCE):
            yield batch
            batch = []
        batch.append(one)
    yield batch


@by_group
@pytest.mark.parametrize("streams", [False, True], ids=["whole body", "streams"])
async def test_whole(group: str, streams: bool) -> None:
    await check_cases(GROUPS[group], whole, streams=streams)


@by_group
@pytest.mark.parametrize("streams", [False, True], ids=["whole body", "streams"])
async def test_byte_by_byte(group: str, streams: bool) -> None:
    await check_cases(GROUPS[group], every_byte_of, streams=streams)


@by_group
async def test_every_split(group: str) -> None:
    await check_cases(GROUPS[group], splits_of)


@by_group
async def test_every_split_of_what_streams(group: str) -> None:
    """What is behind a head: where it is not looked for on purpose, only in bodies is anything new."""
    cases = GROUPS[group] if IS_THOROUGH else [case for case in GROUPS[group] if b"\r\n\r\n" in case.data[:-4]]
    await check_cases(cases, in_the_body if not IS_THOROUGH else splits_of, streams=True)


@by_group
async def test_tolerant(group: str) -> None:
    await check_cases(GROUPS[group], whole, parsing="tolerant")
    await check_cases(GROUPS[group], every_byte_of, parsing="tolerant")
