"""Every bad response, its frames whole and in pieces: 502 or a break, and whoever comes next is unharmed.

The client asks for the end of the connection, so that all that comes can be judged as one.
"""

import contextlib
from collections.abc import Iterator

import pytest
import trio
from answers import BadAnswerError, Came, read_answers
from cases_responses import CASES, CREDIT_BYTES, frames_of
from echo_service import start_echo
from evil import BadResponse, Outcome
from feed import Connection, let_run
from lab import Lab, open_lab, until
from lab_client import WAIT_S, request
from lab_service import RawService

from frames.codec import decode_fault
from frames.frame import FaultCode, FrameType
from frames.greeting import EndpointOffer

SMALL_BYTES = 600
"""Frames of no more bytes are sent byte by byte, larger ones in pieces of so many bytes."""

PIECES = {"whole": 0, "byte by byte": 1, "in two": 2}


def pieces_of(frames: bytes, how: int) -> Iterator[bytes]:
    if how == 0:
        yield frames
    elif how == 2:
        yield from (frames[: len(frames) // 2], frames[len(frames) // 2 :])
    else:
        step = 1 if len(frames) <= SMALL_BYTES else len(frames) // SMALL_BYTES + 1
        yield from (frames[at : at + step] for at in range(0, len(frames), step))


def judge(came: bytes | None, method: str) -> Came | None:
    """Return the one answer of a connection that has ended; None where it was broken off."""
    if came is None:
        return None
    try:
        found = list(read_answers(came))
    except (BadAnswerError, ValueError):
        return None
    assert len(found) <= 1, f"several answers to one request: {[str(one) for one in found]}"
    return found[0] if found else None


def check_client(case: BadResponse, came: bytes | None) -> str:
    """Return what is wrong with what the client got, or nothing."""
    answer = judge(came, case.method)
    if b"evil=1" in (came or b"") and b"\nset-cookie: evil=1" in (came or b"").lower():
        return f"a field was injected: {came!r}"
    if case.outcome is Outcome.SERVED:
        is_right = answer is not None and (answer.status, answer.body) == (case.status, case.body)
        return "" if is_right else f"{answer or repr(came)} instead of {case.status} {case.body[:50]!r}"
    if answer is None:
        is_allowed = case.outcome is not Outcome.REFUSED
        return "" if is_allowed else f"broken off ({came!r}) instead of 502"
    if answer.status != 502:
        return f"{answer} instead of {case.outcome.value}"
    if case.outcome in (Outcome.REFUSED, Outcome.REFUSED_OR_CUT) and answer.reason != "bad_response":
        return f"{answer} instead of {case.outcome.value}"
    return ""


class Stage:
    """A gateway with a service that is good, and one after the other evil ones beside it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.number = 0

    async def ask(self, target: str, method: str = "GET") -> Connection:
        self.number += 1
        connection = Connection(self.lab.addresses.edge, self.number)
        await connection.send(request(method, target, "Connection: close"))
        return connection

    async def read(self, connection: Connection) -> bytes | None:
        with contextlib.closing(connection):
            came = await connection.finish()
        return None if connection.is_reset else came

    async def join(self, case: BadResponse) -> RawService:
        offers = tuple(
            EndpointOffer(id=number, method=method, path="/evil", streams=case.streams)
            for number, method in enumerate(("GET", "POST"), 1)
        )
        return await self.lab.raw(
            endpoints=offers, features=("streams",), credit_bytes=65_536, service="evil", instance=f"evil-{self.number}"
        )

    async def play(self, case: BadResponse, how: int) -> str:
        """Let an evil service answer once. Returns what is wrong, or nothing."""
        service = await self.join(case)
        said = "nothing comes any more"
        with trio.move_on_after(WAIT_S):
            said = await self.play_with(case, how, service)
        await service.aclose()
        await until(lambda: len(self.lab.gateway.registry.instances) == 1)
        return said

    async def play_with(self, case: BadResponse, how: int, service: RawService) -> str:
        client = await self.ask("/evil", case.method)
        asked = await service.asked()
        for piece in pieces_of(frames_of(case, asked.exchange), how):
            try:
                await service.send_bytes(piece)
            except trio.BrokenResourceError:
                break
            await let_run()
        if case.closes:
            await service.aclose()
        said = check_client(case, await self.read(client))
        return said or await self.check_service(case, service) or await self.check_others()

    async def check_service(self, case: BadResponse, service: RawService) -> str:
        """Say what is wrong with what has become of the service."""
        if case.outcome is Outcome.GONE:
            return ""
        if case.outcome is Outcome.FAULT:
            return await self.check_fault(service)
        client = await self.ask("/evil")
        while (frame := await service.next())[1] is None:
            if frame[0].type not in (FrameType.CANCEL, FrameType.CREDIT):
                return f"the service was sent {frame[0]}"
        asked = frame[1]
        await service.respond(asked, body=b"unharmed")
        answer = judge(await self.read(client), "GET")
        return "" if answer and answer.body == b"unharmed" else f"the next request got {answer}"

    async def check_fault(self, service: RawService) -> str:
        while (frame := (await service.next())[0]).type is not FrameType.FAULT:
            if frame.type not in (FrameType.CANCEL, FrameType.CREDIT):
                return f"the service was sent {frame}"
        code = decode_fault(frame.payload).code
        return "" if code == FaultCode.PROTOCOL_ERROR else f"FAULT {code}"

    async def check_others(self) -> str:
        answer = judge(await self.read(await self.ask("/echo")), "GET")
        return "" if answer and answer.echo else f"another service's client got {answer}"


def test_there_are_enough() -> None:
    assert len(CASES) >= 70
    assert len({case.id for case in CASES}) == len(CASES)


async def find_wrong(cases: list[BadResponse], how: int) -> list[str]:
    wrong = []
    async with open_lab(services_credit_bytes=f"{CREDIT_BYTES}B") as lab:
        await start_echo(lab)
        stage = Stage(lab)
        for case in cases:
            if said := await stage.play(case, how):
                wrong.append(f"{case.id}: {said}"[:500])
    return wrong


@pytest.mark.parametrize("how", PIECES.values(), ids=PIECES)
async def test_bad_responses(how: int) -> None:
    wrong = await find_wrong([case for case in CASES if not (how and case.at_once)], how)
    if wrong:
        pytest.fail(f"{len(wrong)} cases are wrong:\n" + "\n".join(wrong), pytrace=False)
