"""The service behind the gateway that is attacked: something small, something large, something that takes a body."""

from typing import Any

from penstock import Service

PIECE_BYTES = 65_536


def make_service() -> Service:
    """A service of this name, once for each gateway."""
    service = Service("slow", version="1.0.0")

    @service.get("/hello")
    def hello(call: Any) -> dict[str, str]:
        return {"hello": "world"}

    @service.get("/bytes/{count}", streams=True)
    async def some_bytes(call: Any, count: str) -> None:
        async with call.respond(200, {"content-type": "application/octet-stream"}, length=int(count)) as response:
            for at in range(0, int(count), PIECE_BYTES):
                await response.send(bytes(min(PIECE_BYTES, int(count) - at)))

    @service.post("/sums", streams=True)
    async def sums(call: Any) -> dict[str, int]:
        return {"bytes": sum([len(piece) async for piece in call.stream()])}

    return service
