"""A service that streams as it likes, stops where it likes, and goes; what it does follows from the seed."""

import math
import random
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from lab import Lab
from lab_service import Asked, RawService, Received, make_hello
from random_ledger import EARLY, Ledger, make_answer

from frames.codec import encode_cancel, encode_goaway, encode_refused, encode_trailers
from frames.frame import END, CancelReason, FieldId, FrameType, GoawayReason, RefusedReason
from frames.greeting import EndpointOffer, encode_hello

GONE = (trio.BrokenResourceError, trio.ClosedResourceError)
WRONG = b"WRONG"
"""What no client may ever see."""
FIRST_CREDITS = (0, 10, 1_000, 65_536, 1_000_000)
GRANTS = (1, 100, 70_000, 300_000)
FILLERS = (0, 10, 50_000, 90_000)
"""With what is before them within the first credit of an answer: they are sent without waiting for more."""
PIECES = (1, 7, 1_000, 30_000, 65_536)
GRANT_AGAIN_S = 0.2


class ManyHanded(RawService):
    """Lets several tasks send."""

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self._turn = trio.Lock()

    async def send(self, frame_type: int, payload: bytes = b"", flags: int = 0, exchange: int = 0) -> None:
        async with self._turn:
            await super().send(frame_type, payload, flags, exchange)


class Answering:
    """One exchange of the service."""

    def __init__(self, service: RawService, asked: Asked, ledger: Ledger, draw: random.Random) -> None:
        self._service, self._asked, self._ledger, self._draw = service, asked, ledger, draw
        self._streams = not asked.target.startswith(b"/g/")
        self._body = bytearray(asked.body)
        self._stops_at = draw.randrange(1, 200_000) if self._streams and draw.random() < 0.08 else math.inf
        self._tell, self._told = trio.open_memory_channel[Received](math.inf)

    def hear(self, frame: Received) -> None:
        """Take a frame that came for it."""
        self._tell.send_nowait(frame)

    async def run(self) -> None:
        """Answer, or do something else instead."""
        with self._tell, self._told:
            try:
                if await self._begin() and await self._read():
                    await (self._stream() if self._streams and self._draw.random() < 0.7 else self._respond())
            except GONE:
                pass  # the connection has ended

    async def _begin(self) -> bool:
        """Return whether it reads the body."""
        chance = self._draw.random()
        if chance < 0.03:
            await self._refuse()
        elif self._streams and chance < 0.1:
            await self._answer_early()
        elif self._streams and chance < 0.14:
            await self._abort()
        else:
            if self._streams and self._draw.random() < 0.2:
                await self._service.respond(self._asked, self._draw.choice((102, 103)), flags=0)
            return True
        return False

    # ---- the request's body ----

    async def _read(self) -> bool:
        """Return whether the body came whole."""
        is_whole = bool(self._asked.flags & END)
        while not is_whole:
            await self._service.grant(self._asked, self._draw.choice(GRANTS))
            with trio.move_on_after(GRANT_AGAIN_S):
                frame = await self._told.receive()
                if frame.type is FrameType.CANCEL:
                    await self._speak_late()
                    return False
                if frame.type is FrameType.DATA:
                    self._body += frame.payload
                is_whole = bool(frame.flags & END)
                if len(self._body) > self._stops_at:
                    await self._stop()
                    return False
        self._ledger.deliver(self._asked.target, bytes(self._body))
        return True

    async def _speak_late(self) -> None:
        """Say what crosses a CANCEL: all of it is to be forgotten."""
        if self._draw.random() < 0.5:
            await self._service.data(self._asked, WRONG)
        if self._draw.random() < 0.3:
            await self._service.respond(self._asked, body=WRONG)

    async def _stop(self) -> None:
        """Stop in the middle of the body."""
        await self._draw.choice((self._refuse, self._answer_early, self._send_headless))()

    # ---- answers ----

    async def _respond(self) -> None:
        """Answer in one frame, and sometimes go on as if that had not been the end."""
        await self._pause()
        await self._service.respond(self._asked, body=make_answer(self._asked.target, bytes(self._body)))
        chance = self._draw.random()
        if chance < 0.2:
            await self._service.respond(self._asked, body=WRONG)
        elif chance < 0.3:
            await self._service.data(self._asked, WRONG, END)

    async def _stream(self) -> None:
        """Answer piece by piece, and sometimes break off."""
        text = make_answer(self._asked.target, bytes(self._body), self._draw.choice(FILLERS))
        has_length = self._draw.random() < 0.5
        fields = [(FieldId.BODY_LENGTH, b"", b"%d" % len(text))] if has_length else []
        end = self._draw.choices(("with the last piece", "behind it", "with trailers"), (8, 1, 1))[0]
        await self._service.respond(self._asked, fields=fields, flags=0)
        at = 0
        while at < len(text):
            piece = text[at : at + self._draw.choice(PIECES)]
            at += len(piece)
            is_end = at == len(text) and end == "with the last piece"
            await self._service.data(self._asked, piece, END if is_end else 0)
            await self._pause()
            if self._draw.random() < 0.02:
                await self._break_off()
                return
        await self._end(end)

    async def _end(self, end: str) -> None:
        if end == "behind it":
            await self._service.data(self._asked, b"", END)
        elif end == "with trailers":
            trailers = encode_trailers([(FieldId.NAMED, b"x-seen", b"all")])
            await self._service.send(FrameType.TRAILERS, trailers, END, self._asked.exchange)

    async def _break_off(self) -> None:
        ways: tuple[Callable[[], Awaitable[None]], ...] = (
            self._abort,
            self._abort,
            self._refuse,
            self._answer_again,
            self._service.aclose,
        )
        await self._draw.choice(ways)()

    async def _pause(self) -> None:
        """Let others come before it."""
        if self._draw.random() < 0.3:
            await trio.sleep(self._draw.random() * 0.005)

    async def _answer_early(self) -> None:
        await self._service.respond(self._asked, body=self._asked.target + EARLY)

    async def _answer_again(self) -> None:
        await self._service.respond(self._asked, body=WRONG)

    async def _send_headless(self) -> None:
        """Send a piece of a body that has no head."""
        await self._service.data(self._asked, WRONG)

    async def _refuse(self) -> None:
        refused = encode_refused(RefusedReason.OVERLOADED)
        await self._service.send(FrameType.REFUSED, refused, exchange=self._asked.exchange)

    async def _abort(self) -> None:
        aborted = encode_cancel(CancelReason.ABORTED)
        await self._service.send(FrameType.CANCEL, aborted, exchange=self._asked.exchange)


class RandomService:
    """One instance: joins, answers for a while and goes, again and again."""

    def __init__(self, lab: Lab, ledger: Ledger, seed: int, number: int) -> None:
        self._lab, self._ledger, self._seed = lab, ledger, seed
        self._instance = f"raw-{number}"
        self._draw = random.Random(f"{seed} service {number}")

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            service = ManyHanded(await trio.open_tcp_stream(*self._lab.addresses.services))
            try:
                await self._live(service)
            except* GONE:
                pass
            except* AssertionError as failed:
                said = map(str, failed.exceptions)
                self._ledger.wrong += [one for one in said if one != "the connection has ended"]
            finally:
                await service.aclose()

    def _members(self) -> dict[str, Any]:
        """Members of a HELLO: two endpoints that stream, and one that does not."""
        offers = [
            EndpointOffer(id=1, method="POST", path="/s/{n}", streams=True),
            EndpointOffer(id=2, method="GET", path="/d/{n}", streams=True),
            EndpointOffer(id=3, method="POST", path="/g/{n}"),
        ]
        return {
            "features": ("streams",),
            "credit_bytes": self._draw.choice(FIRST_CREDITS),
            "endpoints": tuple(offers),
            "service": "random",
            "instance": self._instance,
        }

    async def _live(self, service: RawService) -> None:
        members = self._members()
        await service.join(**members)
        async with trio.open_nursery() as nursery:
            answering: dict[int, Answering] = {}
            for _ in range(self._draw.randrange(20, 400)):
                await self._take(service, nursery, answering)
                if self._draw.random() < 0.005:
                    await service.send(FrameType.HELLO, encode_hello(make_hello(**members)))
            nursery.cancel_scope.cancel()
        if self._draw.random() < 0.5:
            await service.send(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 100))

    async def _take(self, service: RawService, nursery: trio.Nursery, answering: dict[int, Answering]) -> None:
        frame, asked = await service.next()
        if asked is None:
            if frame.exchange in answering:
                answering[frame.exchange].hear(frame)
            return
        draw = random.Random(f"{self._seed} {asked.target!r} {asked.attempt}")
        answering[asked.exchange] = Answering(service, asked, self._ledger, draw)

        async def run(exchange: int) -> None:
            await answering[exchange].run()
            del answering[exchange]

        nursery.start_soon(run, asked.exchange)
