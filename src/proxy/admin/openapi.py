"""OpenAPI of all services: each is asked for its description over its connection (docs/protocol.md, section 5).

One instance of each version of each service is asked, all at once; who asks for the page meanwhile waits for the same
answers. They are kept for a few seconds, and not longer than the endpoints are the same. Who does not answer is named
in the document: one service that hangs must not hide the others.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import trio

from proxy.admin.openapi_merge import Described, Gathered, Key, Missing, merge
from proxy.admin.state import AdminProblem

KEPT_S: Final = 5.0
"""So that a page that is reloaded by many costs services nothing."""

ASKED_AT_ONCE: Final = 16
KEPT_BYTES_MAX: Final = 33_554_432
"""Of all descriptions together; each has one frame at most."""


class Source(NamedTuple):
    """An instance that can be asked for what a version of a service is. digest: of its endpoints."""

    service: str
    version: str
    digest: str
    connection: int


class Figure(NamedTuple):
    """What the gateway itself knows for the document."""

    public: Mapping[Key, bool]
    schemes: Mapping[str, Any]
    title: str
    version: str


class NoDescriptionError(Exception):
    """A service did not describe itself. The text says why, in a few words."""


class Descriptions:
    """The descriptions of services, as far as they are known."""

    def __init__(
        self,
        *,
        sources: Callable[[], tuple[Iterable[Source], Iterable[Missing]]],
        ask: Callable[[int], Awaitable[bytes]],
        figure: Callable[[str], Figure],
    ) -> None:
        """sources: whom to ask, of each service the highest version first, and who cannot be asked.

        ask: asks over a connection and returns the description, or raises `NoDescriptionError`; figure: of one service,
        or of all for an empty name.
        """
        self._sources = sources
        self._ask = ask
        self._figure = figure
        self._kept: dict[Source, tuple[float, Described | Missing]] = {}
        self._lock = trio.Lock()
        self._limit = trio.CapacityLimiter(ASKED_AT_ONCE)
        self._merging = trio.CapacityLimiter(1)

    async def document(self, service: str = "", version: str = "") -> bytes:
        """Return the document of all services, of one, or of one version of it. `AdminProblem` where there is none."""
        async with self._lock:
            wanted, missing = self._wanted(service, version)
            found = await self._gather(wanted)
        described = [each for each in found if isinstance(each, Described)]
        missing += [each for each in found if isinstance(each, Missing)]
        gathered = Gathered(described, missing, *self._figure(service))
        return await trio.to_thread.run_sync(merge, gathered, abandon_on_cancel=True, limiter=self._merging)

    def _wanted(self, service: str, version: str) -> tuple[list[Source], list[Missing]]:
        sources, missing = self._sources()

        def is_wanted(each: Source | Missing) -> bool:
            return service in ("", each.service) and version in ("", each.version)

        wanted, unasked = list(filter(is_wanted, sources)), list(filter(is_wanted, missing))
        if service and not wanted and not unasked:
            what = f"{service} {version}".strip()
            raise AdminProblem(404, f"No instance of {what!r} is there to describe itself.")
        return wanted, unasked

    async def _gather(self, wanted: list[Source]) -> list[Described | Missing]:
        now = trio.current_time()
        self._kept = {source: kept for source, kept in self._kept.items() if kept[0] > now}
        async with trio.open_nursery() as nursery:
            for source in wanted:
                if source not in self._kept:
                    nursery.start_soon(self._fetch, source)
        return [self._kept[source][1] for source in wanted]

    async def _fetch(self, source: Source) -> None:
        service, version, _, connection = source
        found: Described | Missing
        try:
            async with self._limit:
                found = Described(service, version, await self._ask(connection))
        except NoDescriptionError as error:
            found = Missing(service, version, str(error))
        else:
            held = sum(len(kept.body) for _, kept in self._kept.values() if isinstance(kept, Described))
            if held + len(found.body) > KEPT_BYTES_MAX:
                found = Missing(service, version, "all descriptions together are too long: ask for one service alone")
        self._kept[source] = (trio.current_time() + KEPT_S, found)
