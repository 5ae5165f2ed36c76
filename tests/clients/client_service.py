"""The service that real clients talk to through a gateway: bodies both ways, redirects, events, a page, an echo."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import trio

from penstock import Service

PIECE_BYTES = 16_384
PAGE = (
    "<!doctype html><meta charset=utf-8><title>penstock</title><h1>a page</h1>"
    "<form method=post action=/form enctype=multipart/form-data><input name=note><input name=file type=file></form>"
)


class Seen:
    """What the service saw of its clients."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.given_up: list[str] = []
        """Handlers that were ended from outside, by their paths."""
        self.cancelled = trio.Event()


def pattern(start: int, count: int) -> bytes:
    """Bytes of a body that is as long as one likes: each says where it is."""
    first = start % 251
    return (bytes(range(251)) * (count // 251 + 2))[first : first + count]


def make_service(seen: Seen) -> Service:
    """A service whose handlers write down what they see."""
    service = Service("clients", version="1.0.0")
    _add_bodies(service, seen)
    _add_streams(service, seen)
    _add_pages(service, seen)
    return service


def _add_bodies(service: Service, seen: Seen) -> None:
    @service.post("/sums", streams=True)
    async def sums(call: Any) -> dict[str, object]:
        """Take in a body as it comes, and say what it was."""
        seen.requests.append(f"POST /sums {call.headers.get('content-type', '-')}")
        digest, byte_count, body = hashlib.sha256(), 0, call.stream()
        async for piece in body:
            digest.update(piece)
            byte_count += len(piece)
        return {"bytes": byte_count, "sha256": digest.hexdigest(), "declared": body.length}

    @service.put("/sums", streams=True)
    async def put_sums(call: Any) -> dict[str, object]:
        return await sums(call)

    @service.post("/whole")
    def whole(call: Any) -> dict[str, object]:
        """The same for a body that came in one piece."""
        return {"bytes": len(call.body), "sha256": hashlib.sha256(call.body).hexdigest()}

    @service.post("/closed", streams=True)
    async def closed(call: Any) -> tuple[int, dict[str, str]]:
        """Refuse without a look at the body."""
        return 403, {"why": "closed"}

    @service.get("/bytes/{count}", streams=True)
    async def some_bytes(call: Any, count: str) -> None:
        """Send so many bytes, or the range of them that is asked for."""
        first, last, total = 0, int(count) - 1, int(count)
        asked = call.headers.get("range")
        headers = {"content-type": "application/octet-stream", "accept-ranges": "bytes"}
        if asked:
            first, last = (int(end) for end in asked.removeprefix("bytes=").split("-"))
            headers["content-range"] = f"bytes {first}-{last}/{total}"
        async with call.respond(206 if asked else 200, headers, length=last - first + 1) as response:
            for at in range(first, last + 1, PIECE_BYTES):
                await response.send(pattern(at, min(PIECE_BYTES, last + 1 - at)))

    @service.head("/bytes/{count}")
    def head_of_bytes(call: Any, count: str) -> tuple[int, None, dict[str, str]]:
        return 200, None, {"content-type": "application/octet-stream", "accept-ranges": "bytes"}


def _add_streams(service: Service, seen: Seen) -> None:
    @service.get("/drops", streams=True)
    async def drops(call: Any) -> AsyncIterator[str]:
        """Go on until somebody ends it."""
        try:
            while True:
                yield "drop\n"
                await trio.sleep(0.01)
        finally:
            seen.given_up.append("/drops")
            seen.cancelled.set()

    @service.post("/swallow", streams=True)
    async def swallow(call: Any) -> dict[str, str]:
        """Wait for the end of a body that does not come."""
        try:
            async for _ in call.stream():
                seen.requests.append("a piece")
        except BaseException:
            seen.given_up.append("/swallow")
            seen.cancelled.set()
            raise
        return {"ended": "well"}

    @service.get("/unknown-length", streams=True)
    async def unknown_length(call: Any) -> AsyncIterator[bytes]:
        for at in range(0, 100_000, 10_000):
            yield pattern(at, 10_000)

    @service.get("/trailers", streams=True)
    async def trailers(call: Any) -> None:
        async with call.respond(200, {"content-type": "text/plain"}) as response:
            await response.send("with something behind it\n")
            response.trailers["x-sum"] = "25"

    @service.get("/events", streams=True)
    async def events(call: Any) -> tuple[int, Iterator[str], dict[str, str]]:
        """Server-sent events (HTML Living Standard, section 9.2)."""
        texts = (f"id: {number}\ndata: event {number}\n\n" for number in range(1, 4))
        return 200, texts, {"content-type": "text/event-stream", "cache-control": "no-store"}

    @service.websocket("/echo")
    async def echo(socket: Any) -> None:
        async for message in socket:
            await socket.send(message)


def _add_pages(service: Service, seen: Seen) -> None:
    @service.get("/hello")
    def hello(call: Any) -> dict[str, str]:
        seen.requests.append(call.target)
        return {"hello": "world", "scheme": call.scheme, "client": call.client_address or "-"}

    @service.get("/moved")
    def moved(call: Any) -> tuple[int, None, list[tuple[str, str]]]:
        return (
            302,
            None,
            [("location", "/hello?from=moved"), ("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; Path=/")],
        )

    @service.get("/page")
    def page(call: Any) -> tuple[int, str, dict[str, str]]:
        return 200, PAGE, {"content-type": "text/html; charset=utf-8"}

    @service.post("/form", streams=True)
    async def form(call: Any) -> tuple[int, str, dict[str, str]]:
        """Say how much came, on a page."""
        byte_count = len(await call.stream().read(64 << 20))
        kind = call.headers["content-type"].partition(";")[0]
        text = f"<!doctype html><title>taken</title><p id=bytes>{byte_count}</p><p id=kind>{kind}</p>"
        return 200, text, {"content-type": "text/html; charset=utf-8"}
