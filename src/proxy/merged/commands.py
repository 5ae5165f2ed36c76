"""What a supervisor may ask of a worker besides its own life: what admin pages show, a reload, a farewell."""

from collections.abc import Mapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from proxy.admin.record_page import RecordsWanted
from proxy.admin.state import AdminProblem, AdminState, Selection
from proxy.control.server import Commands

from .slices import sliced

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway
    from proxy.process.running import Reloading

FAREWELL_S: Final = 2.0
"""How long a worker that has drained waits until its last figures have been told, where somebody wants them."""

ARGUMENTS: Final[Mapping[str, tuple[type, ...]]] = {
    "services": (Selection,),
    "routes": (Selection,),
    "records": (RecordsWanted,),
}
"""The types of arguments of what makes pages, where they are more than plain values."""

NOT_ASKED: Final = frozenset({"token", "reload", "reloaded", "drain", "workers"})
"""What is the supervisor's own business: each of them is a command of its own, or none of the worker's."""


def more_commands(gateway: "Gateway", reloading: "Reloading") -> Commands:
    """Return the commands of a worker that are not about its life: ``state``, ``reload`` and others."""
    worker = _Worker(gateway, reloading)
    gateway.on_drained = worker.part
    return {
        "state": worker.state,
        "reload": worker.reload,
        "certificates": worker.certificates,
        "farewell": worker.farewell,
    }


class _Worker:
    def __init__(self, gateway: "Gateway", reloading: "Reloading") -> None:
        self._gateway = gateway
        self._reloading = reloading
        self._drained = trio.Event()
        self._parting = 0  # farewells that are being waited for
        self._parted = trio.Event()

    async def state(self, body: Any) -> Any:
        """Call what makes a page: {method, args}."""
        method, args = str(body["method"]), body.get("args", ())
        made = self._gateway.overview.admin_state()
        call = getattr(made, method, None) if method in AdminState.__struct_fields__ else None
        if call is None or method in NOT_ASKED:
            raise AdminProblem(404, f"A worker is not asked for {method!r}.")
        types = ARGUMENTS.get(method)
        if types is not None:
            args = [msgspec.convert(arg, kind, strict=False) for arg, kind in zip(args, types, strict=True)]
        found = call(*args)
        answer = await found if isawaitable(found) else found
        return await sliced(answer) if method == "figures" else answer

    async def reload(self, body: Any) -> Any:
        """Read the settings again: {cause, text of the file or none}. Return the report."""
        if body.get("text") is not None:
            self._reloading.give(body["text"])
        return await self._reloading.reloader.reload(str(body["cause"]))

    async def certificates(self, _: Any) -> None:
        """Read certificates again."""
        if self._gateway.certificates is not None:
            await self._gateway.certificates.reload()

    async def farewell(self, _: Any) -> Any:
        """Wait until the gateway has drained, and return its last figures."""
        self._parting += 1
        try:
            await self._drained.wait()
            return await sliced(await self._gateway.overview.figures())
        finally:
            self._parting -= 1
            if not self._parting:
                self._parted.set()

    async def part(self) -> None:
        """Let those know that the gateway has drained who wait for it, and have their answers made."""
        self._drained.set()
        if self._parting:
            with trio.move_on_after(FAREWELL_S):
                await self._parted.wait()
