"""A stage: one decision about an exchange, as a plain function.

    stage(exchange) -> None       go on with the next one
    stage(exchange) -> Answer     stop here, and answer so
    stage(exchange) -> TASK_LANE  stop here: the rest must wait for its client or its service, which a task does
    stage(exchange) -> PARKED     stop here: the stage has parked it, and says how it goes on (`proxy.request.parked`)
    stage(exchange) -> Await      something must be waited for first, in a task; then this stage is asked again, once

A stage neither waits nor does I/O of its own, so the same one serves every lane and is tested with plain values. What
it needs beside the exchange is given to it when the path is put together, in ``proxy.gateway.app``.
"""

from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from frames.wire_values import HEAD_ODD
from proxy.errors import Reason
from proxy.request.exchange import Exchange

if TYPE_CHECKING:
    from proxy.route.table import Route


class Answer(NamedTuple):
    """An answer that the gateway gives itself."""

    reason: Reason
    detail: str | None = None
    """One sentence about this occurrence, made by us."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    retry_after_s: int | None = None
    """In place of the reason's own."""


class Reply(NamedTuple):
    """An answer that the gateway gives itself, and that refuses nothing."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    @property
    def lines(self) -> bytes:
        """The header fields as they go out."""
        return b"".join(b"%s: %s\r\n" % field for field in self.headers)


class Await(NamedTuple):
    """What must be waited for before a stage can say anything: keys to be fetched, say."""

    wait: Callable[[], Awaitable[None]]
    """Called in a task of its own, bounded by the request's deadline. What it finds out is kept by its owner."""
    deadline_ms: int | None = None
    """The request's, where the stage comes after the one that sets it; else the one of all requests bounds the wait."""


class Lane(Enum):
    """Who carries an exchange on."""

    TASK = "task"
    PARKED = "parked"


TASK_LANE: Final = Lane.TASK
PARKED: Final = Lane.PARKED
ANY_FLAGS: Final = -1

Result = Answer | Reply | Await | Lane | None
Stage = Callable[[Exchange], Result]

F = TypeVar("F", bound=Callable[..., object])
_FLAGS: Final = "is_for_flags"
_CONDITION: Final = "is_for_route"


def for_flags(flags: int) -> Callable[[F], F]:
    """Mark a stage that has nothing to say about an exchange with none of these flags, and so is left out for it."""

    def mark(stage: F) -> F:
        setattr(stage, _FLAGS, flags)
        return stage

    return mark


def for_odd_heads(stage: F) -> F:
    """Mark a stage that has nothing to say about an exchange without HEAD_ODD."""
    return for_flags(HEAD_ODD)(stage)


def for_routes(condition: "Callable[[Route], bool]") -> Callable[[F], F]:
    """Mark a stage that has something to say about some routes only: it is left out of the path of all others.

    condition: asked once for each route, whenever that is made. A stage before match must not be marked.
    """

    def mark(stage: F) -> F:
        setattr(stage, _CONDITION, condition)
        return stage

    return mark


def stages_of(stages: Iterable[Stage], route: "Route") -> tuple[Stage, ...]:
    """Return the stages that have something to say about a route."""
    return tuple(stage for stage in stages if getattr(stage, _CONDITION, _always)(route))


def _always(_: "Route") -> bool:
    return True


def without_odd(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Return the stages for an exchange whose head is as usual."""
    return tuple(stage for stage in stages if getattr(stage, _FLAGS, ANY_FLAGS) & ~HEAD_ODD)


def without_flags(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Return the stages for an exchange without any flag: of whose head nothing but the path is to be looked at."""
    return tuple(stage for stage in stages if not hasattr(stage, _FLAGS))
