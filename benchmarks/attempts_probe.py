"""Services that fail on purpose, and clients that count: how often a request is sent, and what becomes of it.

    failing EDGE SERVICES SECONDS                    four instances answer everything with 503
    chain EDGE SERVICES INNER_EDGE INNER_SERVICES S  a service behind the first gateway asks a second one, whose four
                                                     instances answer everything with 503
    closing EDGE SERVICES COUNT                      two instances of four close their connections as a request comes,
                                                     so many times in all, and come back at once

Prints one line of JSON.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from frames.codec import encode_frame, encode_response, scan
from frames.endpoint import EndpointOffer
from frames.frame import END, FrameType, Method
from frames.greeting import PROTOCOL_VERSION, Hello, encode_hello

INSTANCES = 4
CLIENTS = 32
CLIENTS_OF_CLOSING = 8
"""As many requests are lost at once as are in flight, and the budget is not for a fifth of all being lost."""
SERVED_BEFORE_CLOSING = 10
"""A service that closed at each other request would need more to be sent again than the budget allows to anybody."""
WAIT_S = 30.0

Asked = tuple[int, int, int, bytes]
"""Exchange, method, attempt, body."""


class Connection:
    """A service's connection to a gateway."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._held = b""
        self._sending = trio.Lock()

    async def join(self, service: str, instance: str) -> None:
        """Say HELLO, and wait for WELCOME; what comes behind it is kept."""
        hello = Hello(
            protocol=PROTOCOL_VERSION,
            features=(),
            service=service,
            version="1.0.0",
            instance=instance,
            heartbeat_ms=5_000,
            credit_bytes=0,
            endpoints=tuple(
                EndpointOffer(id=number, method=method, path="/things", access="public")
                for number, method in enumerate(("GET", "POST"), 1)
            ),
        )
        await self.stream.send_all(encode_frame(FrameType.HELLO, 0, 0, encode_hello(hello)))
        while FrameType.WELCOME not in await self._receive(wanted=FrameType.WELCOME):
            pass

    async def asked(self) -> list[Asked]:
        """Return the requests that have come; waits for one at least. None are there once the connection has ended."""
        while True:
            requests: list[Asked] = []
            found = scan(self._held)
            for view in found.frames:
                if view.type == FrameType.REQUEST:
                    requests.append((view.exchange, view.method, view.attempt, found.body(view)))
            self._held = self._held[found.consumed :]
            if requests:
                return requests
            data = await self.stream.receive_some(65_536)
            if not data:
                return []
            self._held += data

    async def respond(self, exchange: int, status: int, body: bytes = b"") -> None:
        """Answer a request."""
        frame = encode_frame(FrameType.RESPONSE, END, exchange, encode_response(status, (), body))
        async with self._sending:
            await self.stream.send_all(frame)

    async def _receive(self, wanted: FrameType) -> set[int]:
        self._held += await self.stream.receive_some(65_536)
        found = scan(self._held)
        kinds = {view.type for view in found.frames}
        if wanted in kinds:
            (end,) = [place for place, view in enumerate(found.frames, 1) if view.type == wanted]
            self._held = self._held if end < len(found.frames) else self._held[found.consumed :]
        return kinds


Handle = Callable[[Connection, Asked], Awaitable[bool]]
"""Answers a request. False: the connection is to be closed."""


async def serve(
    port: int,
    instance: str,
    handle: Handle,
    *,
    service: str = "things",
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be an instance, and come back whenever the connection has ended."""
    while True:
        connection = Connection(await trio.open_tcp_stream("127.0.0.1", port))
        await connection.join(service, instance)
        task_status.started()
        task_status = trio.TASK_STATUS_IGNORED
        stays = True
        try:
            while stays:
                requests = await connection.asked()
                stays = bool(requests)
                for asked in requests:
                    stays = stays and await handle(connection, asked)
        except trio.BrokenResourceError:
            pass
        finally:
            with trio.CancelScope(shield=True):
                await connection.stream.aclose()


class Client:
    """An HTTP client with one keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stream: trio.SocketStream | None = None

    async def ask(self, method: str, body: bytes = b"", lines: str = "") -> int:
        """Ask, and return the status; 0 where there was no answer."""
        if self._stream is None:
            self._stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        await self._stream.send_all(f"{method} /things HTTP/1.1\r\nHost: a\r\n{lines}{length}\r\n".encode() + body)
        held = b""
        with trio.move_on_after(WAIT_S):
            while True:
                data = await self._stream.receive_some(65_536)
                held += data
                head, separator, rest = held.partition(b"\r\n\r\n")
                if separator and len(rest) >= _length(head):
                    if b"connection: close" in head.lower():
                        await self._stream.aclose()
                        self._stream = None
                    return int(head[9:12])
                if not data:
                    break
        self._stream = None
        return 0


def _length(head: bytes) -> int:
    _, _, after = head.lower().partition(b"content-length:")
    return int(after.partition(b"\r\n")[0] or 0)


class _Counts:
    def __init__(self) -> None:
        self.requests = 0
        self.attempts = 0
        self.statuses: Counter[int] = Counter()

    async def fail(self, connection: Connection, asked: Asked) -> bool:
        """Answer with 503."""
        self.attempts += 1
        await connection.respond(asked[0], 503)
        return True

    def row(self) -> dict[str, float]:
        """Return what was counted."""
        return {
            "requests": self.requests,
            "attempts": self.attempts,
            "ratio": self.attempts / self.requests,
            "not_503": self.requests - self.statuses[503],
        }


async def _ask_until(client: Client, counts: _Counts, end: float) -> None:
    while time.monotonic() < end:
        counts.statuses[await client.ask("GET")] += 1
        counts.requests += 1


async def failing(edge: int, services: int, seconds: float) -> dict[str, float]:
    """All instances fail."""
    counts = _Counts()
    async with trio.open_nursery() as nursery:
        for number in range(INSTANCES):
            await nursery.start(partial(serve, services, f"failing-{number}", counts.fail))
        await _load(edge, counts, seconds)
        nursery.cancel_scope.cancel()
    return counts.row()


async def chain(edge: int, services: int, inner_edge: int, inner_services: int, seconds: float) -> dict[str, float]:
    """Two gateways in a row, and all services behind the second one fail."""
    counts = _Counts()
    idle: list[Client] = []

    async with trio.open_nursery() as nursery:

        async def forward(connection: Connection, asked: Asked) -> bool:
            nursery.start_soon(ask_inner, connection, asked)
            return True

        async def ask_inner(connection: Connection, asked: Asked) -> None:
            exchange, _, attempt, _ = asked
            client = idle.pop() if idle else Client(inner_edge)
            status = await client.ask("GET", lines=f"X-Penstock-Attempt: {attempt}\r\n")
            idle.append(client)
            await connection.respond(exchange, status or 502)

        for number in range(INSTANCES):
            await nursery.start(partial(serve, inner_services, f"failing-{number}", counts.fail))
        await nursery.start(partial(serve, services, "forwarding", forward))
        await _load(edge, counts, seconds)
        nursery.cancel_scope.cancel()
    return counts.row()


async def closing(edge: int, services: int, count: int) -> dict[str, float]:
    """Connections close at the moment at which they are used."""
    closed, failed_gets, gets, failed_posts, posts = 0, 0, 0, 0, 0
    carried_out: Counter[bytes] = Counter()
    served: Counter[str] = Counter()

    def closes(name: str) -> Handle:
        async def handle(connection: Connection, asked: Asked) -> bool:
            nonlocal closed
            exchange, method, _, body = asked
            served[name] += 1
            is_last = served[name] % SERVED_BEFORE_CLOSING == 0
            reads = served[name] % (2 * SERVED_BEFORE_CLOSING) == 0
            if is_last:
                closed += 1
                if reads and method == Method.POST:
                    carried_out[body] += 1  # it was done, and nobody hears of it
                return False
            if method == Method.POST:
                carried_out[body] += 1
            await connection.respond(exchange, 200, body)
            return True

        return handle

    async def stay(connection: Connection, asked: Asked) -> bool:
        exchange, method, _, body = asked
        if method == Method.POST:
            carried_out[body] += 1
        await connection.respond(exchange, 200, body)
        return True

    async def ask(number: int) -> None:
        nonlocal gets, posts, failed_gets, failed_posts
        client = Client(edge)
        while closed < count:
            failed_gets += await client.ask("GET") != 200
            gets += 1
            if number % 4 == 0:
                failed_posts += await client.ask("POST", b"%d-%d" % (number, posts)) != 200
                posts += 1

    async with trio.open_nursery() as nursery:
        for number in range(INSTANCES // 2):
            await nursery.start(partial(serve, services, f"closing-{number}", closes(f"closing-{number}")))
            await nursery.start(partial(serve, services, f"staying-{number}", stay))
        async with trio.open_nursery() as clients:
            for number in range(CLIENTS_OF_CLOSING):
                clients.start_soon(ask, number)
        nursery.cancel_scope.cancel()
    return {
        "closed": closed,
        "gets": gets,
        "failed_gets": failed_gets,
        "posts": posts,
        "failed_posts": failed_posts,
        "doubled_posts": sum(times > 1 for times in carried_out.values()),
    }


async def _load(edge: int, counts: _Counts, seconds: float) -> None:
    async with trio.open_nursery() as clients:
        for _ in range(CLIENTS):
            clients.start_soon(_ask_until, Client(edge), counts, time.monotonic() + seconds)


async def main(*words: str) -> None:
    """Run one of the kinds."""
    kind, *numbers = words
    if kind == "closing":
        edge, services, count = map(int, numbers)
        row = await closing(edge, services, count)
    elif kind == "chain":
        edge, services, inner_edge, inner_services = map(int, numbers[:4])
        row = await chain(edge, services, inner_edge, inner_services, float(numbers[4]))
    else:
        row = await failing(int(numbers[0]), int(numbers[1]), float(numbers[2]))
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
