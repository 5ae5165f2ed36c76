"""Clients that ask again and again, each over one connection, and what they saw of each second."""

from collections import Counter

import h11
import msgspec
import trio

CLIENTS = 16
PAUSE_S = 0.015
GIVES_UP_S = 10.0


class Seen:
    """What all clients saw since it was last told."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.times_s: list[float] = []
        self.failures: Counter[str] = Counter()
        self.workers: Counter[str] = Counter()

    def take(self) -> "Seen":
        """Return what was seen, and begin anew."""
        taken = Seen()
        taken.__dict__, self.__dict__ = self.__dict__, taken.__dict__
        return taken

    def p99_ms(self) -> float:
        """Return the time below which 99 of 100 answers came, in milliseconds; 0.0 when there was none."""
        return sorted(self.times_s)[len(self.times_s) * 99 // 100] * 1000 if self.times_s else 0.0


async def ask_forever(host: str, port: int, seen: Seen, number: int) -> None:
    """Be one client. Whatever is not a 200 is a failure; after one, the connection is made anew."""
    while True:
        try:
            stream = await trio.open_tcp_stream(host, port)
            async with stream:
                await _ask_on(stream, seen, number)
        except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            seen.failures[type(error).__name__] += 1
            await trio.sleep(PAUSE_S)


async def _ask_on(stream: trio.SocketStream, seen: Seen, number: int) -> None:
    connection = h11.Connection(h11.CLIENT)
    while True:
        began = trio.current_time()
        with trio.move_on_after(GIVES_UP_S):
            status, body = await _ask(stream, connection, number)
            seen.times_s.append(trio.current_time() - began)
            if status == 200:
                seen.workers[msgspec.json.decode(body)["worker"]] += 1
            else:
                seen.failures[f"{status}"] += 1
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            seen.failures["no answer"] += trio.current_time() - began >= GIVES_UP_S
            return
        connection.start_next_cycle()
        await trio.sleep(PAUSE_S)


async def _ask(stream: trio.SocketStream, connection: h11.Connection, number: int) -> tuple[int, bytes]:
    request = h11.Request(method="GET", target=f"/work/{number}", headers=[("host", "hold.example")])
    await stream.send_all((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    status, body = 0, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(65_536))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        else:
            return status, body
