"""Asking several workers the same, and getting along with those that do not answer."""

import logging
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

import trio

from proxy.admin.state import AdminProblem
from proxy.control.client import WorkerGone, WorkerRefusal

from .roster import LiveWorker

T = TypeVar("T")

PAGE_S = 8.0
"""How long a page waits for a worker: less than whoever asked for it has patience."""

PATIENCE = 0.6
"""The part of the time that is left which one worker may take, where there is another one to be asked."""

_log = logging.getLogger("penstock.supervisor")


class Said(NamedTuple, Generic[T]):
    """What one worker has answered. why: there is no answer, in words; refusal: it is a refusal."""

    worker: LiveWorker
    value: T | None = None
    why: str = ""
    refusal: WorkerRefusal | None = None


async def ask_all(
    workers: Sequence[LiveWorker],
    method: str,
    body: Any = None,
    *,
    timeout_s: float = PAGE_S,
    into: type[T] | None = None,
) -> list[Said[T]]:
    """Ask all of these at once, and return what each said, in their order. into: the type of an answer; None: any."""
    found: dict[str, Said[T]] = {}

    async def ask(worker: LiveWorker) -> None:
        try:
            found[worker.id] = Said(
                worker, await worker.link.ask(method, body, timeout_s=timeout_s, into=into or cast("type[T]", Any))
            )
        except WorkerRefusal as refusal:
            found[worker.id] = Said(worker, why=refusal.detail, refusal=refusal)
        except WorkerGone as error:
            found[worker.id] = Said(worker, why=str(error))

    async with trio.open_nursery() as nursery:
        for worker in workers:
            nursery.start_soon(ask, worker)
    return [found[worker.id] for worker in workers]


def answers(said: Sequence[Said[T]]) -> list[tuple[str, T]]:
    """Return the answers, each with its worker's id; those that gave none are left out, and logged.

    Raises:
        AdminProblem: nobody has answered; as a worker has refused, or 503.
    """
    given = [(each.worker.id, each.value) for each in said if not each.why]
    for each in said:
        if each.why and given:
            _log.warning("worker %s is left out of a page: %s", each.worker.id, each.why)
    if given:
        return given  # type: ignore[return-value] # what has no reason against it has a value
    raise problem(said)


def problem(said: Sequence[Said[Any]]) -> AdminProblem:
    """Return what to tell where no worker has an answer."""
    for each in said:
        if each.refusal is not None:
            return AdminProblem(each.refusal.status, each.refusal.detail, **each.refusal.more)
    if not said:
        return AdminProblem(503, "There is no worker that could be asked; the log says what became of them.")
    whys = "; ".join(f"worker {each.worker.id}: {each.why}" for each in said)
    return AdminProblem(503, f"No worker answers: {whys}.")


async def ask_one(
    workers: Sequence[LiveWorker], method: str, body: Any = None, *, timeout_s: float = PAGE_S
) -> tuple[str, Any]:
    """Ask one worker, and the next one where it has gone. Return its id, and what it answers.

    Raises:
        AdminProblem: as it refuses; or nobody answers.
    """
    tried: list[Said[Any]] = []
    ends_at = trio.current_time() + timeout_s
    for worker in workers:
        left_s = ends_at - trio.current_time()
        if left_s <= 0:
            break
        within_s = left_s * (PATIENCE if len(tried) < len(workers) - 1 else 1.0)
        said: Said[Any] = (await ask_all([worker], method, body, timeout_s=within_s))[0]
        if not said.why:
            return worker.id, said.value
        tried.append(said)
        if said.refusal is not None:
            break
    raise problem(tried)
