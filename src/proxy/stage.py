"""A stage: one decision about an exchange, as a plain function.

    stage(exchange) -> None       go on with the next one
    stage(exchange) -> Answer     stop here, and answer so
    stage(exchange) -> TASK_LANE  stop here: the rest must wait for its client or its service, which a task does

A stage neither waits nor does I/O of its own, so the same one serves every lane and is tested with plain values. What
it needs beside the exchange is given to it when the path is put together, in ``proxy.app``.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final, NamedTuple, TypeVar

from proxy.errors import Reason
from proxy.exchange import Exchange


class Answer(NamedTuple):
    """An answer that the gateway gives itself."""

    reason: Reason
    detail: str | None = None
    """One sentence about this occurrence, made by us."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    retry_after_s: int | None = None
    """In place of the reason's own."""


class Reply(NamedTuple):
    """An answer that the gateway gives itself, and that refuses nothing. It has no body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Lane(Enum):
    """Who carries an exchange on."""

    TASK = "task"


TASK_LANE: Final = Lane.TASK

Stage = Callable[[Exchange], Answer | Reply | Lane | None]

F = TypeVar("F", bound=Callable[..., object])
_MARK: Final = "is_for_odd_heads"


def for_odd_heads(stage: F) -> F:
    """Mark a stage that has nothing to say about an exchange without HEAD_ODD, and so is left out for it."""
    setattr(stage, _MARK, True)
    return stage


def without_odd(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Return the stages for an exchange whose head is as usual."""
    return tuple(stage for stage in stages if not getattr(stage, _MARK, False))
