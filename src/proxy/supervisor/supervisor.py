"""Keeps one worker in each slot, and replaces workers: one that has died, or all of them when somebody asks."""

import logging
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import trio

from proxy.config import GatewayConfig
from proxy.control.client import WorkerGone, WorkerRefusal, WorkerSilent
from proxy.process.inherited import HOLDING, SERVING
from proxy.supervisor.crashes import Crashes
from proxy.supervisor.errors import RestartError, StartError, SupervisorError
from proxy.supervisor.replacing import GRACE_S, Replacing, end_all
from proxy.supervisor.sockets import Sockets
from proxy.supervisor.worker import DRAINING, STARTING, Worker, followers_of

LOOK_S = 1.0
"""How often each worker is asked how it is."""
AT_ONCE_S = 1.0
SILENT_S = 10.0
"""How long a worker may owe an answer when another program is to take over."""

_log = logging.getLogger("penstock.supervisor")


class End(NamedTuple):
    """Why the supervisor stops. error: None where it was asked to; is_upgrade: another program takes its place."""

    cause: str
    error: SupervisorError | None = None
    is_upgrade: bool = False


class Supervisor:
    """The workers of one gateway."""

    def __init__(
        self,
        words: Sequence[str],
        count: int,
        sockets: Sockets,
        config: Callable[[], GatewayConfig],
        adopted: Sequence[Worker] = (),
    ) -> None:
        """Nothing is started yet. words: the command line of a worker; config: settings that are in effect now.

        adopted: workers of the program before this one.
        """
        self._living = {worker.id: worker for worker in adopted}
        self._adopted = tuple(adopted)
        self._count = count
        self._config = config
        self._replacing = Replacing(words, sockets, self._living)
        self._current: dict[int, Worker | None] = dict.fromkeys(range(count))
        for worker in adopted:
            generations = self._replacing.generations
            generations[worker.slot] = max(generations.get(worker.slot, 0), int(worker.id.partition(".")[2]))
            if worker.state == SERVING and worker.slot < count:
                self._current[worker.slot] = worker
        self._locks = {slot: trio.Lock() for slot in range(count)}
        self._crashes = Crashes()
        self._restarting = trio.Lock()
        self._changing = trio.CancelScope()
        """Of the workers that are being replaced because somebody asked."""
        self._told = trio.Event()
        self._end: End | None = None
        self._is_ending_at_once = trio.Event()
        self._fall_silent: Callable[[], Awaitable[None]] | None = None
        self.begun = trio.Event()
        """All workers serve."""
        self.restarts = 0
        """How often a worker was started in the place of another one."""
        self.starts: Counter[str] = Counter(dict.fromkeys(("start", "crash", "restart", "upgrade"), 0))
        """Workers that came to serve, by why they were started."""
        self.upgrades: Counter[str] = Counter(dict.fromkeys(("done", "refused", "failed"), 0))

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All that live."""
        return tuple(worker for worker in self._living.values() if not worker.ended.is_set())

    @property
    def serving(self) -> tuple[Worker, ...]:
        """Those that serve clients."""
        return tuple(worker for worker in self.workers if worker.state == SERVING)

    @property
    def wanted(self) -> int:
        """How many there are to be."""
        return self._count

    @property
    def generations(self) -> dict[int, int]:
        """The last one of each slot."""
        return self._replacing.generations

    @property
    def is_draining(self) -> bool:
        """Whether all of it is about to end."""
        return self._end is not None and not self._end.is_upgrade

    # ---- being told ----

    def start_drain(self, cause: str, error: SupervisorError | None = None) -> None:
        """Drain all workers, and end; when that is under way already, end at once."""
        if self._end is None:
            self._finish(End(cause, error))
        elif error is None:
            self._is_ending_at_once.set()

    def give_way(self, cause: str, fall_silent: Callable[[], Awaitable[None]]) -> None:
        """Have `run` return, and leave the workers as they are to the program that takes this one's place.

        fall_silent: called before that, to end whatever asks the workers something.

        Raises:
            RestartError: workers are being replaced, or are about to end.
        """
        if self._restarting.locked() or self._end is not None:
            raise RestartError("workers are being replaced, or are about to end")
        self._fall_silent = fall_silent
        self._finish(End(cause, is_upgrade=True))

    async def replace_adopted(self) -> None:
        """Replace the workers of the program before this one, and drain those whose slots are no more.

        Raises:
            RestartError: as of `restart_workers`.
        """
        slots = [slot for slot, worker in self._current.items() if worker in self._adopted]
        if slots:
            await self.restart_workers(slots, "upgrade")
        for worker in self.serving:
            if worker.slot >= self._count:
                await self._replacing.drain(worker, self._config(), "there are fewer workers now")

    def _finish(self, end: End) -> None:
        self._end = end
        self._changing.cancel()  # who would be replaced ends anyway
        self._told.set()

    def check_restart(self, slots: Sequence[int]) -> None:
        """See whether workers can be replaced now. RestartError: they cannot."""
        unknown = [slot for slot in slots if slot not in self._current]
        if unknown:
            raise RestartError(f"there is no slot {unknown[0]}; there are 0 to {self._count - 1}")
        if self._restarting.locked() or self._end is not None:
            raise RestartError("workers are being replaced already, or are about to end")

    async def restart_workers(self, slots: Sequence[int] = (), cause: str = "restart") -> list[str]:
        """Replace workers, one slot after the other; all where none are named. Return the new ones' ids.

        cause: under which `starts` counts them.

        Raises:
            RestartError: there is no such slot, workers are being replaced already, or one could not be.
        """
        self.check_restart(slots)
        async with self._restarting:
            new: list[str] = []
            with trio.CancelScope() as self._changing:
                for slot in slots or range(self._count):
                    new.append(await self._restart(slot, cause))
                return new
        raise RestartError("all workers are about to end")

    async def _restart(self, slot: int, cause: str) -> str:
        async with self._locks[slot]:
            try:
                new = await self._put(slot, self._current[slot], cause)
            except StartError as error:
                raise RestartError(f"{error}; the workers that serve go on") from None
            return new.id

    # ---- living ----

    async def run(self) -> End:
        """Start workers, or go on with those that there are, and keep them until told to end. Return why it has ended.

        Raises:
            StartError: the workers do not come to serve at the start.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for worker in tuple(self._living.values()):
                    nursery.start_soon(self._replacing.run, worker)
                await self._begin_unless_told()
                async with trio.open_nursery() as keeping:
                    for slot in range(self._count):
                        keeping.start_soon(self._keep, slot)
                    keeping.start_soon(self._look_after)
                    await self._told.wait()
                    keeping.cancel_scope.cancel()
                assert self._end is not None  # noqa: S101 - it is set with the event
                if self._end.is_upgrade:
                    await self._until_silent()
                else:
                    await self._drain_all(self._end)
            except BaseException:
                for worker in self.workers:
                    worker.signal(signal.SIGKILL)
                raise
            finally:
                nursery.cancel_scope.cancel()
        return self._end

    async def _begin_unless_told(self) -> None:
        """See to it that there is a worker in each slot; give it up when all of it is to end."""
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await self._told.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up)
            if not self._living:
                await self._begin()
            for slot in [slot for slot, worker in self._current.items() if worker is None]:
                await self._try_to_fill(slot)
            self.begun.set()
            nursery.cancel_scope.cancel()

    async def _begin(self) -> None:
        """Start all workers, the first one alone: what is wrong is said once, and the others wait for its services."""
        self._current[0] = await self._replacing.start(0, self._config(), self._nursery, holds=False)
        self.starts["start"] += 1
        async with trio.open_nursery() as nursery:
            for slot in range(1, self._count):
                nursery.start_soon(self._start_beside, slot)
        await self._replacing.tell_peers()

    async def _try_to_fill(self, slot: int) -> None:
        """Put a worker into a slot that there was none of before. What fails is tried again by who keeps it."""
        try:
            await self._put(slot, None, "start")
        except StartError as error:
            _log.error("%s", error)

    async def _start_beside(self, slot: int) -> None:
        self._current[slot] = await self._replacing.replace(slot, None, self._config(), self._nursery)
        self.starts["start"] += 1

    async def _put(self, slot: int, old: Worker | None, cause: str, before: frozenset[str] = frozenset()) -> Worker:
        """Put a new worker into a slot whose lock is held."""
        new = await self._replacing.replace(slot, old, self._config(), self._nursery, before)
        self._current[slot] = new
        self.restarts += 1
        self.starts[cause] += 1
        return new

    async def _keep(self, slot: int) -> None:
        """See to it that there is a worker in the slot."""
        while True:
            worker = self._current[slot]
            if worker is not None:
                await worker.leaving.wait()
            async with self._locks[slot]:
                if self._current[slot] is worker:
                    await self._put_after_crash(slot, worker)

    async def _put_after_crash(self, slot: int, worker: Worker | None) -> None:
        if worker is not None and not worker.ended.is_set():
            _log.warning("worker %s (pid %d) drains of its own accord; it is replaced", worker.id, worker.pid)
        elif worker is not None:
            _log.error("worker %s (pid %d) %s; it is replaced", worker.id, worker.pid, worker.end)
        self._current[slot] = None
        while self._current[slot] is None:
            most = self._config().supervisor.crashes
            delay_s = self._crashes.crashed(slot, trio.current_time(), most)
            if delay_s is None:
                self._give_up(most)
                await trio.sleep_forever()
            else:
                await trio.sleep(delay_s)
            try:
                await self._put(slot, None, "crash", worker.instances if worker else frozenset())
            except StartError as error:
                _log.error("%s", error)

    def _give_up(self, most: int) -> None:
        text = f"more than {most} workers have died within a minute, so this ends; what they wrote says why"
        _log.critical("%s", text)
        self.start_drain("gave up", SupervisorError(text))

    async def _look_after(self) -> None:
        async with trio.open_nursery() as nursery:
            looked_after: set[str] = set()
            while True:
                for worker in self.workers:
                    if worker.id not in looked_after:
                        looked_after.add(worker.id)
                        nursery.start_soon(self._look_at, worker)
                await trio.sleep(LOOK_S)

    async def _look_at(self, worker: Worker) -> None:
        """Notice a worker that drains by itself, and end one that does not answer."""
        while not worker.ended.is_set():
            hung_ms = self._config().supervisor.hung_after_ms
            try:
                status = await worker.ask("status", timeout_s=(hung_ms or 3_600_000) / 1000)
                worker.instances = followers_of(status)
                if status["state"] == DRAINING and worker.state == SERVING:
                    worker.drains()
            except WorkerSilent as error:
                if hung_ms and worker.state == SERVING:
                    _log.error("worker %s (pid %d) hangs and is ended: %s", worker.id, worker.pid, error)
                    worker.signal(signal.SIGABRT)
                    await trio.sleep(AT_ONCE_S)
                    worker.signal(signal.SIGKILL)
            except (WorkerGone, WorkerRefusal):
                await worker.ended.wait()
            await trio.sleep(LOOK_S)

    # ---- ending ----

    async def _until_silent(self) -> None:
        """Wait until no worker owes an answer: whoever goes on with their connections begins between two frames.

        One that does not serve yet is ended; the next program starts another one.
        """
        await self._end_now([worker for worker in self.workers if worker.state in (STARTING, HOLDING)])
        if self._fall_silent is not None:
            await self._fall_silent()
        with trio.move_on_after(SILENT_S):
            while not all(worker.link.is_idle for worker in self.workers):  # noqa: ASYNC110 - it is another process
                await trio.sleep(0.01)
            return
        owing = [worker for worker in self.workers if not worker.link.is_idle]
        for worker in owing:
            _log.error("worker %s (pid %d) owes an answer, and is ended", worker.id, worker.pid)
        await self._end_now(owing)

    async def _end_now(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.signal(signal.SIGKILL)
            await worker.ended.wait()

    async def _drain_all(self, end: End) -> None:
        config = self._config()
        timeout_s = config.drain.timeout_ms / 1000
        _log.info("%s: draining for up to %g s; a second signal ends at once", end.cause, timeout_s)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_at_once)
            async with trio.open_nursery() as telling:
                for worker in self.workers:
                    telling.start_soon(self._replacing.drain, worker, config, end.cause)
            await end_all(self.workers, timeout_s + GRACE_S)
            nursery.cancel_scope.cancel()

    async def _end_at_once(self) -> None:
        await self._is_ending_at_once.wait()
        _log.warning("a second signal: ending at once")
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        await trio.sleep(AT_ONCE_S)
        for worker in self.workers:
            worker.signal(signal.SIGKILL)
