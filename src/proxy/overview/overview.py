"""What the gateway tells about itself: whether it is ready, its figures, what is live, what becomes of a request.

It is loaded with the first connection to the admin listener. All but the first is asked by people and their tools,
now and then: what answers that is loaded when it is first asked.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import trio

from proxy.admin.state import AdminProblem, AdminState, Rows, Selection
from proxy.edge.secured import Secured
from proxy.targets.health import CHOOSABLE

if TYPE_CHECKING:
    from proxy.admin.figures import Figures
    from proxy.admin.log_page import LogState
    from proxy.admin.record_page import RecordPage, RecordsWanted
    from proxy.admin.top_sample import TopSample
    from proxy.config.reload import Reloader
    from proxy.fanout.fleet import Fleet
    from proxy.gateway.app import Gateway
    from proxy.overview.lists import Lists
    from proxy.overview.records import Records
    from proxy.overview.top import Sampler

_NOT_READ = "This gateway was given its settings as they are; there is no place to read them from again."
_NOT_ENDED = "This gateway is part of another program, and ends with that."
_BUSY = "Another reload is under way; its report will be at GET /reload."


class Overview:
    """Reads the parts, and changes none of them."""

    def __init__(self, gateway: "Gateway", secured: Secured | None = None) -> None:
        """Look at this gateway."""
        self._gateway = gateway
        self._secured = secured

    def admin_state(self) -> AdminState:
        """Return what the admin pages ask."""
        return AdminState(
            token=lambda: self._gateway.configured.config.admin.token.reveal(),
            ready=self.not_ready,
            give_way=self.give_way,
            figures=self.figures,
            services=self.services,
            routes=self.routes,
            top=self.top,
            records=self.records,
            fleet=self.fleet,
            config=self.config,
            openapi=self.openapi,
            explain=self.explain,
            reloaded=self.reloaded,
            reload=self.reload,
            drain=self.drain,
            log_levels=self.log_levels,
            change_log_level=self.change_log_level,
        )

    def not_ready(self) -> list[str]:
        """Return why the gateway is not ready, one sentence each; empty when it is."""
        registry, reasons = self._gateway.registry, []
        if self._gateway.is_draining:
            reasons.append("The gateway is shutting down.")
        missing = registry.missing()
        reasons += [f"The required service {service} has no instance that could be asked." for service in missing]
        if not missing and not any(instance.health in CHOOSABLE for instance in registry.instances):
            reasons.append("No service that could be asked has registered.")
        return reasons

    @cached_property
    def _lists(self) -> "Lists":
        from proxy.overview.lists import Lists

        return Lists(self._gateway)

    async def give_way(self) -> None:
        """Let the traffic have its turn. The wire is told, which else would go on for a millisecond each time."""
        self._gateway.wire.tasks_are_lively()
        await trio.lowlevel.checkpoint()

    async def figures(self) -> "Figures":
        """Return the numbers of now."""
        from proxy.overview.figures import figures_of

        routes = await self._lists.sorted_routes()
        return await figures_of(self._gateway, routes, self._secured, is_ready=not self.not_ready())

    async def services(self, selection: Selection) -> Rows:
        """Return the instances, as operators look at them."""
        return await self._lists.services(selection)

    async def routes(self, selection: Selection) -> Rows:
        """Return the routes and who offers them."""
        return await self._lists.routes(selection)

    @cached_property
    def _sampler(self) -> "Sampler":
        from proxy.overview.top import Sampler

        return Sampler(self._gateway, self._secured)

    async def top(self) -> "TopSample":
        """Return the counters that the figures of now are computed from."""
        return await self._sampler.sample()

    @cached_property
    def _records(self) -> "Records":
        from proxy.overview.records import Records

        return Records(self._gateway)

    async def records(self, wanted: "RecordsWanted") -> "RecordPage":
        """Return requests that have ended, or one of them by its id."""
        return await self._records.page(wanted)

    @cached_property
    def _fleet(self) -> "Fleet":
        from proxy.overview.fleet import make_fleet

        return make_fleet(self._gateway)

    async def fleet(self, service: str) -> bytes:
        """Return how every instance is, or those of one service; each is asked."""
        return await self._fleet.page(service)

    async def openapi(self, service: str, version: str) -> bytes:
        """Return the description of what can be asked through the gateway."""
        return await self._gateway.own.descriptions.document(service, version)

    async def explain(self, query: Mapping[str, Sequence[str]]) -> Any:
        """Return what would become of a request."""
        from proxy.explain.question import question_of

        run = await trio.to_thread.run_sync(import_module, "proxy.explain.run")  # 10 ms, the first time
        reloader = self._gateway.reloader
        of_settings = reloader().loaded.origins if reloader else None
        return await run.explain(self._gateway, question_of(query), of_settings)

    async def config(self) -> Any:
        """Return every setting with its origin; secrets are stars."""
        from proxy.overview.settings import shown_settings

        return await trio.to_thread.run_sync(shown_settings, self._reloader().loaded)

    async def reloaded(self) -> Any:
        """Return the state of reloading."""
        return self._reloader().status

    async def reload(self) -> tuple[bool, Any]:
        """Read the settings again. `AdminProblem` when that is being done already."""
        reloader = self._reloader()
        if reloader.is_busy:
            raise AdminProblem(409, _BUSY, applied=False, problems=[_BUSY])
        report = await reloader.reload("POST /reload")
        return report.applied, report

    async def log_levels(self) -> "LogState":
        """Return which lines are logged, and who has said so."""
        from proxy.overview.logs import log_levels

        return await log_levels()

    async def change_log_level(self, logger: str, level: str, for_s: float | None) -> None:
        """Change which lines of a logger are logged, for some time or until the end."""
        from proxy.overview.logs import change_log_level

        await change_log_level(logger, level, for_s)

    async def drain(self) -> None:
        """Begin to drain, and to end. Asked for twice, it is one drain: only a second signal ends at once."""
        if self._gateway.start_drain is None:
            raise AdminProblem(404, _NOT_ENDED)
        if not self._gateway.is_draining:
            self._gateway.start_drain()

    def _reloader(self) -> "Reloader":
        reloader = self._gateway.reloader
        if reloader is None:
            raise AdminProblem(404, _NOT_READ)
        return reloader()
