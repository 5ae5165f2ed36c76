"""A client that asks what it likes over plain connections and TLS, in pieces, and goes when it likes."""

import random
import ssl
from contextlib import suppress
from typing import NamedTuple

import h11
import trio
from lab import Lab
from lab_client import WAIT_S, Client, HttpAnswer, request
from lab_streams import chunked, reset
from random_ledger import Drawn, Ledger, is_cut_answer_to

GONE = (trio.BrokenResourceError, trio.ClosedResourceError)
TURNS = 10
BODIES = (0, 1, 50, 5_000, 70_000, 200_000)
CHUNKS = (1, 100, 9_999, 65_536)
LARGE_CHUNKS = (5_000, 65_536)
SENT_AT_ONCE = (1, 50, 3_000, 20_000, 100_000)
LAST_CHUNKS = (b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nx-sent: all\r\n\r\n")


class Edges(NamedTuple):
    """Where a client connects to. context: trusts the certificate of the TLS port."""

    lab: Lab
    tls_port: int
    context: ssl.SSLContext

    async def plain(self) -> Client:
        return Client(await trio.open_tcp_stream(*self.lab.addresses.edge))

    async def secured(self) -> Client:
        tcp = await trio.open_tcp_stream("127.0.0.1", self.tls_port)
        stream = trio.SSLStream(tcp, self.context, server_hostname="localhost")
        with trio.fail_after(WAIT_S):
            await stream.do_handshake()
        return Client(stream)  # type: ignore[arg-type]


# ---- what is asked ----


def draw_request(draw: random.Random, tag: str, *, is_tolerant: bool) -> Drawn:
    """Draw a request. is_tolerant: some have a head that only a tolerant gateway takes."""
    folder = draw.choice(("/s/", "/g/", "/d/"))
    if folder == "/d/":
        return _draw_download(draw, folder + tag, is_tolerant=is_tolerant)
    target, body = folder + tag, draw.randbytes(draw.choice(BODIES))
    if draw.random() < 0.5:
        data = chunked("POST", target, *_pieces(draw, body), last=draw.choice(LAST_CHUNKS))
    else:
        data = request("POST", target, body=body)
        if is_tolerant and draw.random() < 0.5:
            head, _, _ = data.partition(b"\r\n\r\n")
            data = head.replace(b"\r\n", b"\n") + b"\n\n" + body
    return Drawn("POST", target.encode(), body, data)


def _draw_download(draw: random.Random, target: str, *, is_tolerant: bool) -> Drawn:
    chance = draw.random()
    if chance < 0.15:
        old = f"GET {target} HTTP/1.0\r\nHost: edge\r\n\r\n".encode()
        return Drawn("GET", target.encode(), b"", old, is_last=True)
    method = "HEAD" if chance < 0.3 else "GET"
    data = request(method, target)
    if is_tolerant and draw.random() < 0.5:
        data = b"\r\n" + data.replace(b" HTTP/1.1\r\n", b" HTTP/1.1  \r\n")
    return Drawn(method, target.encode(), b"", data)


def _pieces(draw: random.Random, body: bytes) -> list[bytes]:
    pieces, at = [], 0
    while at < len(body):
        pieces.append(body[at : at + draw.choice(CHUNKS if len(body) < 6_000 else LARGE_CHUNKS)])
        at += len(pieces[-1])
    return pieces


# ---- what comes ----


class CutError(Exception):
    """The connection ended in the middle of an answer, and h11 saw that."""


class SilentEndError(Exception):
    """The connection ended in order where an answer was due."""


async def read_answer(client: Client, method: str) -> HttpAnswer:
    """Read an answer, and pass interim ones by. Raises GONE and what is defined above."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/", headers=[("host", "edge")]))
    reader.send(h11.EndOfMessage())
    if client._held:
        reader.receive_data(client._held)
    head: h11.Response | None = None
    body = bytearray()
    while not isinstance(event := await _next_event(reader, client), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.ConnectionClosed):
            raise SilentEndError
    assert head is not None
    client._held = reader.trailing_data[0]
    return HttpAnswer(head.status_code, {name.lower(): value for name, value in head.headers}, bytes(body))


async def _next_event(reader: h11.Connection, client: Client) -> object:
    while True:
        try:
            event: object = reader.next_event()
        except h11.RemoteProtocolError as failed:
            if "peer closed connection" in str(failed):
                raise CutError from None
            raise
        if event is not h11.NEED_DATA:
            return event
        reader.receive_data(await client.stream.receive_some(65_536))


# ---- who asks ----


class Sending:
    """What became of a client's sending.

    was_cut: it was told that the connection had been reset. A socket tells that once: who reads after it sees an end
    in order.
    """

    def __init__(self) -> None:
        self.was_cut = False
        self.is_over = trio.Event()


class RandomClient:
    """One client: connects, asks and goes, again and again."""

    def __init__(self, edges: Edges, ledger: Ledger, seed: int, number: int, *, is_tolerant: bool) -> None:
        self._edges, self._ledger, self._number, self._is_tolerant = edges, ledger, number, is_tolerant
        self._draw = random.Random(f"{seed} client {number}")

    async def run(self) -> None:
        """Take all turns."""
        for turn in range(TURNS):
            is_secured = self._draw.random() < 0.5
            client = await (self._edges.secured() if is_secured else self._edges.plain())
            drawn = [self._request(f"{self._number}-{turn}-{part}") for part in range(self._draw.randrange(1, 5))]
            try:
                await self._talk(client, drawn, may_reset=not is_secured)
            except* GONE:
                self._ledger.counts["cut"] += 1
            finally:
                await client.aclose()

    def _request(self, tag: str) -> Drawn:
        drawn = draw_request(self._draw, tag, is_tolerant=self._is_tolerant)
        self._ledger.ask(drawn)
        return drawn

    async def _talk(self, client: Client, drawn: list[Drawn], *, may_reset: bool) -> None:
        data = b"".join(one.data for one in drawn)
        chance = self._draw.random()
        if chance < 0.25:
            data = data[: self._draw.randrange(len(data))]
        sending = Sending()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, client, data, sending)
            if chance < 0.4:
                await trio.sleep(self._draw.random() * 0.03)
                if may_reset and self._draw.random() < 0.5:
                    reset(client)
            else:
                await self._read(client, drawn, sending)
            nursery.cancel_scope.cancel()

    async def _send(self, client: Client, data: bytes, sending: Sending) -> None:
        draw = random.Random(len(data))  # its own: it draws between the draws of others
        at = 0
        try:
            while at < len(data):
                piece = data[at : at + draw.choice(SENT_AT_ONCE)]
                await client.send(piece)
                at += len(piece)
                if draw.random() < 0.3:
                    await trio.sleep(draw.random() * 0.003)
        except GONE:
            sending.was_cut = True  # what was answered before is still to be read
        finally:
            sending.is_over.set()

    async def _read(self, client: Client, drawn: list[Drawn], sending: Sending) -> None:
        """Read the answers in the order of the requests, until one is the last."""
        for one in drawn:
            try:
                with trio.fail_after(WAIT_S):
                    answer = await self._next_answer(client, one, sending)
            except CutError:
                self._ledger.counts["cut"] += 1
                return
            except (SilentEndError, trio.TooSlowError, h11.RemoteProtocolError) as failed:
                self._ledger.wrong.append(f"{one.method} {one.target!r}, {len(one.body)} bytes: {failed!r}")
                return
            self._ledger.answer(one, answer)
            if one.is_last or answer.headers.get(b"connection") == b"close":
                return

    async def _next_answer(self, client: Client, one: Drawn, sending: Sending) -> HttpAnswer:
        """Raise CutError also for an end that only looks in order, because the sender was told of the reset."""
        answer: HttpAnswer | None = None
        with suppress(SilentEndError):
            answer = await read_answer(client, one.method)
        if answer is not None and not one.is_last:
            return answer
        await sending.is_over.wait()
        if sending.was_cut and (answer is None or is_cut_answer_to(one, answer.body)):
            raise CutError
        if answer is None:
            raise SilentEndError
        return answer
