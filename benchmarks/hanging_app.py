"""A service that takes requests and never answers them."""

import trio

from penstock import Call, Service

service = Service("hanging", version="1.0.0", access="public")


@service.get("/hang")
async def hang(call: Call) -> object:
    """Wait for the caller to give up."""
    await trio.sleep_forever()


if __name__ == "__main__":
    service.run()
