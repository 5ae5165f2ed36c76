"""What a supervisor asks of a worker, beyond what the admin pages ask: how it is, what it takes, and to end."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from frames.greeting import WORKERS, WorkerPlace
from proxy.gateway.listeners import Listeners
from proxy.process.inherited import HOLDING, SERVING
from proxy.targets.health import CHOOSABLE
from proxy.targets.instance import Instance

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway

DRAINING: Final = "draining"

Command = Callable[[Any], Awaitable[Any]]


class WorkerStatus(msgspec.Struct, frozen=True):
    """How a worker is. instances: ``service/instance`` of those that could be asked; followers: those of them that
    come to each worker, since they name the feature `workers`, or are dialled.
    """

    id: str
    pid: int
    state: str
    services_port: int
    instances: tuple[str, ...]
    not_ready: tuple[str, ...]
    followers: tuple[str, ...] = ()


class DrainOrder(msgspec.Struct, frozen=True):
    """How to end. cause: begins the line of the log."""

    timeout_ms: int
    spread_ms: int
    cause: str = "the supervisor"


class _Peers(msgspec.Struct, frozen=True):
    workers: tuple[WorkerPlace, ...]


class _Hold(msgspec.Struct, frozen=True):
    holds: bool = True


def _names(instances: Iterable[Instance]) -> tuple[str, ...]:
    return tuple(sorted({f"{one.service}/{one.instance}" for one in instances}))


class WorkerCommands:
    """One worker's. order: what it was told about its end; None until then."""

    def __init__(self, worker: str, gateway: "Gateway", listeners: Listeners) -> None:
        """Nothing is asked yet."""
        self._worker = worker
        self._gateway = gateway
        self._listeners = listeners
        self._told = trio.Event()
        self.order: DrainOrder | None = None

    def table(self, more: Mapping[str, Command]) -> Mapping[str, Command]:
        """Return them by name, with those of others."""
        return {
            **more,
            "status": self._status,
            "serve_edge": self._serve_edge,
            "hold_services": self._hold_services,
            "peers": self._peers,
            "drain": self._drain,
        }

    @property
    def state(self) -> str:
        """What it takes: holding (services), serving (clients, too), draining (nothing)."""
        if self._gateway.is_draining or self.order is not None:
            return DRAINING
        return HOLDING if self._listeners.holds_edge else SERVING

    async def wait_told_to_end(self) -> DrainOrder:
        """Wait for the order."""
        await self._told.wait()
        assert self.order is not None  # noqa: S101 - it is set with the event
        return self.order

    def tell_to_end(self, order: DrainOrder) -> None:
        """Give the order. The first one counts."""
        if self.order is None:
            self.order = order
            self._told.set()

    async def _status(self, _: Any) -> WorkerStatus:
        instances = self._gateway.registry.instances
        choosable = [one for one in instances if one.health in CHOOSABLE]
        return WorkerStatus(
            self._worker,
            os.getpid(),
            self.state,
            self._listeners.addresses.services[1],
            _names(choosable),
            tuple(self._gateway.overview.not_ready()),
            _names(one for one in choosable if self._follows(one)),
        )

    def _follows(self, instance: Instance) -> bool:
        named = instance.said is not None and WORKERS in instance.said.features
        return named or instance.is_dormant or self._gateway.transport.is_dialled(instance.connection)

    async def _serve_edge(self, _: Any) -> None:
        if self._listeners.holds_edge and self.order is None:
            self._listeners.serve_edge()

    async def _hold_services(self, body: Any) -> None:
        holds = msgspec.convert(body or {}, _Hold).holds
        if self.order is None and holds != self._listeners.is_holding_services:
            self._listeners.hold_services(holds)

    async def _peers(self, body: Any) -> None:
        self._gateway.change_workers(self._worker, msgspec.convert(body, _Peers).workers)

    async def _drain(self, body: Any) -> None:
        self.tell_to_end(msgspec.convert(body, DrainOrder))
