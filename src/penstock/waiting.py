"""Waiting for one of several things."""

import trio

__all__ = ["wait_first"]


async def wait_first(*events: trio.Event | None) -> None:
    """Wait until one of the events is set; None stands for one that never is."""
    async with trio.open_nursery() as nursery:

        async def wait(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        for event in events:
            if event is not None:
                nursery.start_soon(wait, event)
