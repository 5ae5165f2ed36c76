"""Workers that are not there: links with commands of the test's behind them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any

import trio

from proxy.admin.state import AdminState
from proxy.control.client import WorkerLink
from proxy.control.server import Commands, serve_control


class FakeWorker:
    """A worker of a roster; its commands are the test's."""

    def __init__(self, worker: str, link: WorkerLink, state: str = "serving") -> None:
        """Have an id and a state."""
        self.id = worker
        self.slot = int(worker.partition(".")[0])
        self.pid = 1000 + self.slot
        self.link = link
        self.state = state
        self.services_port = 7105 + self.slot
        self.started_at = 0.0
        self.scope = trio.CancelScope()

    def kill(self) -> None:
        """End it."""
        self.scope.cancel()


class FakeRoster:
    """Workers, and what the roster was told."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.workers: list[FakeWorker] = []
        self.restarts = 0
        self.wanted = 2
        self.starts = {"start": 2, "crash": 1}
        self.upgrades = {"done": 1}
        self.is_draining = False
        self.told: list[str] = []

    def start_drain(self, cause: str) -> None:
        """Note it."""
        self.told.append(cause)


@asynccontextmanager
async def roster_of(workers: Mapping[str, Commands]) -> AsyncIterator[FakeRoster]:
    """Give a roster of serving workers with these commands, by their ids."""
    roster = FakeRoster()
    async with trio.open_nursery() as nursery:
        for worker, commands in workers.items():
            near, far = trio.socket.socketpair()
            fake = FakeWorker(worker, WorkerLink(trio.SocketStream(near)))
            nursery.start_soon(fake.link.run)
            nursery.start_soon(_serve, fake, trio.SocketStream(far), commands)
            roster.workers.append(fake)
        yield roster
        nursery.cancel_scope.cancel()


async def _serve(worker: FakeWorker, stream: trio.SocketStream, commands: Commands) -> None:
    with worker.scope:
        await serve_control(stream, commands)


def says(**answers: Any) -> Commands:
    """Return commands that answer so. A callable is called with the body; an exception is raised."""

    def make(answer: Any) -> Any:
        async def command(body: Any) -> Any:
            found = answer(body) if callable(answer) else answer
            if isawaitable(found):
                found = await found
            if isinstance(found, Exception):
                raise found
            return found

        return command

    return {name: make(answer) for name, answer in answers.items()}


def state_of(state: AdminState) -> Any:
    """Return a command ``state`` that calls an admin state, as a worker does."""

    async def call(body: Any) -> Any:
        found = getattr(state, body["method"])(*body["args"])
        return await found if isawaitable(found) else found

    return call


def status(*not_ready: str, instances: Sequence[str] = ()) -> dict[str, Any]:
    """Return how a worker is."""
    return {"id": "", "pid": 1, "state": "serving", "instances": list(instances), "not_ready": list(not_ready)}
