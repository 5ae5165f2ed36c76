"""Starting workers, and putting one in the place of another: no connection is refused, and no service is missing.

The new one has the sockets of the old one from its start, and takes services first. They are told of it, and dial it.
When those are there that the others have, it takes clients; only then does the old one stop, finish, and end.
"""

import logging
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress

import trio

from proxy.config import GatewayConfig
from proxy.config.workers import keeps_keys
from proxy.control.client import WorkerGone, WorkerRefusal
from proxy.process.inherited import HOLDING, SERVING
from proxy.supervisor.errors import StartError
from proxy.supervisor.sockets import Sockets
from proxy.supervisor.worker import Worker, followers_of, start_worker

LOOK_S = 0.05
"""How often to look whether the services have come."""
GRACE_S = 5.0
"""What workers have to end beyond the time for draining."""
HAND_OVER_S = 5.0
"""How long one step may take that a worker does at once."""

_log = logging.getLogger("penstock.supervisor")


class Replacing:
    """Starts workers. workers: all that live, by id; it adds those that it starts, and leaves their end to others."""

    def __init__(self, words: Sequence[str], sockets: Sockets, workers: dict[str, Worker]) -> None:
        """words: the command line of a worker, but for what it inherits."""
        self._words = words
        self._sockets = sockets
        self._workers = workers
        self.generations: dict[int, int] = {}
        """The last one of each slot: an id is never given again."""

    async def start(self, slot: int, config: GatewayConfig, nursery: trio.Nursery, *, holds: bool) -> Worker:
        """Return a new worker that takes services, and clients too unless it holds. nursery: runs it.

        Raises:
            StartError: it has ended, or was not ready in time, and was ended.
        """
        generation = self.generations[slot] = self.generations.get(slot, 0) + 1
        try:
            worker = start_worker(f"{slot}.{generation}", self._words, self._sockets.of_slot(slot), holds=holds)
        except OSError as error:
            raise StartError(f"no process can be started for worker {slot}.{generation}: {error}") from None
        self._workers[worker.id] = worker
        nursery.start_soon(self.run, worker)
        timeout_s = config.supervisor.start_timeout_ms / 1000
        try:
            status = await worker.ask("status", timeout_s=timeout_s)
        except (WorkerGone, WorkerRefusal) as error:
            raise await _failed(worker, error) from None
        worker.services_port = status["services_port"]
        worker.state = HOLDING if holds else SERVING
        return worker

    async def run(self, worker: Worker) -> None:
        """Run a worker until its end, and forget it then."""
        try:
            await worker.run()
        finally:
            if worker.ended.is_set():
                self._workers.pop(worker.id, None)

    async def replace(
        self,
        slot: int,
        old: Worker | None,
        config: GatewayConfig,
        nursery: trio.Nursery,
        before: frozenset[str] = frozenset(),
    ) -> Worker:
        """Return a new worker that serves; the old one, if there is one, has been told to drain.

        Where a rule keeps answers to Idempotency-Keys, the old one ends first, and clients wait so long.

        before: the instances that one had who has died, to be waited for where no other worker has any.

        Raises:
            StartError: the new one failed; the old one goes on.
        """
        if old is not None and keeps_keys(config.rules):  # the file with the answers is one worker's alone
            await self.drain(old, config, "another worker is to take over")
            await end_all([old], config.drain.timeout_ms / 1000 + GRACE_S)
            before |= old.instances
            old = None
        new = await self.start(slot, config, nursery, holds=True)
        error = await self._hand_over(new, old, before, config)
        if error is not None:
            if old is not None:
                await _try(old, "hold_services", {"holds": False})
            failure = await _failed(new, error)
            await self.tell_peers()
            raise failure
        new.state = SERVING
        if old is not None:
            await self.drain(old, config, f"worker {new.id} has taken over")
        return new

    async def _hand_over(
        self, new: Worker, old: Worker | None, before: frozenset[str], config: GatewayConfig
    ) -> WorkerGone | WorkerRefusal | None:
        """Have the new worker take services, and then clients. Return why it does not."""
        try:
            if old is not None:
                await _try(old, "hold_services", {"holds": True})  # at the port that both have, the new one is found
            await self.tell_peers(without=old)
            await self._until_known(new, before, config.supervisor.services_timeout_ms / 1000)
            await new.ask("serve_edge", timeout_s=HAND_OVER_S)
        except (WorkerGone, WorkerRefusal) as error:
            return error
        return None

    async def drain(self, worker: Worker, config: GatewayConfig, cause: str) -> None:
        """Tell a worker to finish and end; it is not waited for."""
        worker.drains()
        drain = config.drain
        order = {"timeout_ms": drain.timeout_ms, "spread_ms": drain.spread_within_timeout_ms, "cause": cause}
        await _try(worker, "drain", order)

    async def tell_peers(self, without: Worker | None = None) -> None:
        """Tell all workers, and they their services, where workers take services. without: one that will not."""
        taking = [worker for worker in self._workers.values() if worker.takes_services and worker is not without]
        peers = [{"id": worker.id, "port": worker.services_port} for worker in taking]
        async with trio.open_nursery() as nursery:
            for worker in tuple(self._workers.values()):
                if worker.takes_services:
                    nursery.start_soon(_try, worker, "peers", {"workers": peers})

    async def _until_known(self, new: Worker, before: frozenset[str], timeout_s: float) -> None:
        """Wait until the new worker has the instances that the others have, or the time is over."""
        missing: set[str] = set()
        with trio.move_on_after(timeout_s):
            while missing := await self._missing(new, before):  # noqa: ASYNC110 - it is another process that knows
                await trio.sleep(LOOK_S)
        if missing:
            names = ", ".join(sorted(missing)[:5])
            _log.warning("worker %s begins without %d instances that others have: %s", new.id, len(missing), names)

    async def _missing(self, new: Worker, before: frozenset[str]) -> set[str]:
        others = [worker for worker in self._workers.values() if worker.state == SERVING and worker is not new]
        wanted: set[str] = set() if others else set(before)
        for worker in others:
            with suppress(WorkerGone, WorkerRefusal):
                wanted |= followers_of(await worker.ask("status"))
        return wanted - set((await new.ask("status"))["instances"])


async def _try(worker: Worker, method: str, body: object) -> None:
    """Tell a worker something that is of no use any more when it has gone."""
    try:
        await worker.ask(method, body, timeout_s=HAND_OVER_S)
    except (WorkerGone, WorkerRefusal) as error:
        _log.info("worker %s was not told of %s: %s", worker.id, method, error)


async def _failed(worker: Worker, error: Exception) -> StartError:
    """End a worker that does not come to serve, and return what is to be said of it."""
    with trio.move_on_after(1):
        await worker.ended.wait()  # its connection may be seen to close first
    if worker.ended.is_set():
        why = worker.end
    else:
        why = f"was ended ({str(error).rstrip('.')})"
        worker.signal(signal.SIGKILL)
    worker.leaving.set()
    text = f"worker {worker.id} (pid {worker.pid}) {why} before it could serve; what it wrote says more"
    return StartError(text, worker.exit_code or 1)


async def end_all(workers: Iterable[Worker], timeout_s: float) -> None:
    """Wait until workers that drain have ended; end those that have not within the time (`GRACE_S` is for leaving)."""
    left = [worker for worker in workers if not worker.ended.is_set()]
    with trio.move_on_after(timeout_s):
        for worker in left:
            await worker.ended.wait()
    for worker in left:
        if not worker.ended.is_set():
            _log.warning("worker %s (pid %d) has not ended in time, and is ended", worker.id, worker.pid)
            worker.signal(signal.SIGKILL)
            await worker.ended.wait()
