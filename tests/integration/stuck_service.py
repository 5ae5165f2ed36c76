"""A service in a process of its own, which never answers: to be killed."""

import trio

from penstock import Call, Service

service = Service("stuck", version="1.0.0")


@service.get("/stuck")
async def stuck(call: Call) -> None:
    """Wait for ever."""
    await trio.sleep_forever()


if __name__ == "__main__":
    service.run()
