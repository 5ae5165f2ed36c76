"""Puts the stops together.

The order of the stages is in `proxy.gateway.pipeline`; what follows the configuration is in `proxy.gateway.configured`.

Lifetimes nest as the path does: the wire and all its sockets, within it the task lane, the ticks and the admin pages,
and within all of them the wait for a signal.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

import trio

from frames.frame import DIALLED
from frames.wire import Wire
from frames.wire_values import Handed
from proxy.admin.server import serve_admin
from proxy.config import GatewayConfig
from proxy.edge.drain import drain_edge
from proxy.edge.express import ExpressLane
from proxy.edge.secured import open_tls
from proxy.edge.task.lane import TaskLane
from proxy.gateway import bounds
from proxy.gateway.admitting import Admitting
from proxy.gateway.answering import Answering
from proxy.gateway.assembly import Assembly
from proxy.gateway.batch import make_decide, wire_running
from proxy.gateway.breaking import Breaking
from proxy.gateway.configured import Configured
from proxy.gateway.listeners import Addresses as Addresses
from proxy.gateway.listeners import Listeners
from proxy.gateway.own_requests import OwnRequests
from proxy.gateway.pooling import Pooling
from proxy.gateway.recording import Recording
from proxy.gateway.rule_notes import RuleNotes
from proxy.gateway.service_groups import RequestMarks
from proxy.policy.limits import BytesInFlight
from proxy.request.exchange import Exchange
from proxy.request.offer import NOTHING_DECLARED
from proxy.request.reason_counts import ReasonCounts
from proxy.route.hosts import services_overlap
from proxy.targets.gauges import Gauges
from proxy.targets.instance import Change, Instance
from proxy.targets.registry import Registry
from proxy.targets.standing import Standing
from proxy.transport.framed import FramedTransport
from proxy.transport.ticks import run_ticks

if TYPE_CHECKING:
    from proxy.attempts.budgets import AttemptBudgets
    from proxy.attempts.hedging import HedgeDelays
    from proxy.attempts.retrying import Retrying
    from proxy.config.reload import Reloader
    from proxy.edge.forwarded import Doubt
    from proxy.overview.overview import Overview
    from proxy.request.parked import Parking


class Gateway:
    """One gateway: a wire, the lane over it, and the services that dialled in."""

    def __init__(self, config: GatewayConfig, name: str) -> None:
        """Put the gateway together. name: its instance id, told to services."""
        self._config = config
        self.name = name
        self.worker_id = ""  # which of several processes this is
        self.is_draining = False
        self.reloader: Callable[[], Reloader] | None = None  # set by whoever can read the settings again
        self.start_drain: Callable[[], None] | None = None  # set by whoever ends the process then
        self.on_drained: Callable[[], Awaitable[None]] | None = None  # whoever wants to know the last figures
        self.wire = Wire(bounds.wire_settings(config), linger_us=config.wire.linger_us)
        self._secured = secured = open_tls(config, self.wire)
        self.certificates = secured.certificates if secured else None
        self._tls = secured.batch if secured else None
        self.counts = ReasonCounts()
        self.doubts: dict[Doubt, int] = {}
        self.bytes_in_flight = BytesInFlight(config.edge.bytes_in_flight)
        self.own = OwnRequests(
            self.wire,
            config,
            self.bytes_in_flight,
            self.counts,
            name_of=self._service_of,
            instances=lambda: self.registry.instances,
            is_dialled=lambda connection: self.transport.is_dialled(connection),
            snapshot=lambda: self.lane.snapshot,
            choose=lambda exchange: self.configured.pipeline.path.choose(exchange),
            placed=lambda exchange, candidates: self.configured.offers_of_tenant(exchange, candidates),
            pick=lambda offers: self.configured.pipeline.balancing.pick(offers),
            parking=lambda: self.parking,
            connect=lambda offer: self.pooling.connection(offer),
        )
        self.breaking = Breaking(
            self.wire,
            lambda: self.registry,
            lambda: self.configured.figures.shares,
            lambda: bounds.breaker_settings(self.configured.config),
            route_of=lambda key: self.assembly.route(key),
            on_change=self._registered,
            is_hedge_due=self._is_hedge_due,
        )
        self.pooling = Pooling(
            self.wire,
            config,
            registry=lambda: self.registry,
            transport=lambda: self.transport,
            parking=lambda: self.parking,
            has_calls=self.own.has_calls,
        )
        self.answering = Answering(self, config)
        self.admitting = Admitting(
            self.wire,
            config,
            self.bytes_in_flight,
            parking=lambda: self.parking,
            swap=lambda: self.lane.swap(self.admitting.entry(self.configured.pipeline.entry), self.assembly.snapshot),
        )
        self.configured = Configured(
            config,
            self.wire,
            self.doubts,
            self.own.mirror_stage,
            lambda: self.parking,
            self.breaking.stage,
            fanout=self.own.fanout_stage,
            answers=self.answering.stages,
            connect=self.pooling.stage,
            hedge_delays=lambda: self.hedge_delays,
            admission=self.admitting.stage,
        )
        self.registry = Registry(
            bounds.thresholds(config),
            config.routes.max,
            hosts_overlap=lambda one, other: services_overlap(self.configured.terms.hosts, one, other),
            required=config.services.required,
            gauges=Gauges(reset=self._reset_gauge),
        )
        self.registry.reserved = self.configured.terms.reserved
        self.registry.before_drop = self._keep_counts
        self.assembly = Assembly(
            self.configured.terms,
            config.routes.max,
            reset=self._reset_route,
            set_group=self.wire.set_group,
        )
        self.request_marks = RequestMarks(self.assembly.groups, lambda number: self.wire.group_figures(number).requests)
        self.lane = ExpressLane(
            self.wire,
            self.configured.pipeline.entry,
            self.assembly.snapshot,
            self.counts,
            name_of=self._name_of,
            reason_header=config.edge.reason_header,
            mend=lambda exchange, verdict: self.tasks.mend(exchange, verdict),
        )
        self.tasks = TaskLane(
            self.wire,
            bounds.task_settings(config),
            self.counts,
            self.bytes_in_flight,
            render=self.lane.render,
            choose_again=lambda exchange: self.configured.pipeline.path.choose_again(exchange, self.lane.snapshot),
            go_on=lambda exchange, stage: self.configured.pipeline.path.go_on(exchange, stage, self.lane.snapshot),
            send_credit=self._send_credit,
            frame_bits=lambda connection: DIALLED if self.transport.is_dialled(connection) else 0,
            recall=self._recall,
            secured=self._tls.session if self._tls else _not_secured,
            name_of=self._name_of,
        )
        self.tasks.tell_failures(self.breaking.told)
        self.own.tell_failure = self.breaking.told
        self.lane.to_task, self.lane.to_wait, self.lane.cut = self.tasks.take, self.tasks.wait, self.tasks.cut
        self.lane.make_attempts = self._make_attempts
        self.tasks.tell_ends(self.lane.endings)
        self.transport = FramedTransport[Change](
            self.wire,
            self.registry,
            bounds.framed_settings(config, name),
            check=bounds.allow_list(config).check,
            on_change=self._registered,
            calls=self.own,
        )
        self.change_workers = self.transport.change_workers
        self.recording = Recording(self, config)
        self._rule_notes = RuleNotes()
        self.standing = Standing(self.configured.figures.shares, config.balancing.slow_start_ms / 1000)

    @cached_property
    def overview(self) -> "Overview":
        """What the admin pages tell; loaded with the first connection that asks for one."""
        from proxy.overview.overview import Overview

        return Overview(self, self._secured)

    @cached_property
    def parking(self) -> "Parking":
        """Exchanges that wait for something else than their answers; loaded with the first one."""
        from proxy.request.parked import Parking
        from proxy.transport.send_again import make_send_again

        return Parking(
            self.wire,
            self.own.takers,
            self.lane,
            after=lambda exchange, stage, snapshot: self.configured.pipeline.path.after(exchange, stage, snapshot),
            send=make_send_again(self.wire, self.configured.notes.choose, self.lane.endings),
        )

    @cached_property
    def attempt_budgets(self) -> "AttemptBudgets":
        """What all attempts beyond the first share, by service: retries, and hedges."""
        from proxy.gateway.resending import make_budgets

        return make_budgets(self)

    @cached_property
    def hedge_delays(self) -> "HedgeDelays":
        """When requests get a second attempt beside the first; loaded with the first profile that says so."""
        from proxy.gateway.resending import make_hedge_delays

        return make_hedge_delays(self)

    def _is_hedge_due(self, exchange: int, connection: int) -> bool:
        """Whether the time of an attempt that is over is that for a hedge: where none is ever made, it is not."""
        if "hedge_delays" not in self.__dict__:
            return False
        from proxy.gateway.resending import is_hedge_due

        return is_hedge_due(self, exchange, connection)

    def _make_attempts(self) -> "Retrying":
        from proxy.gateway.resending import make_retrying

        return make_retrying(self)

    def _name_of(self, connection: int) -> str:
        instance = self.registry.maybe_instance(connection)
        peer = self.wire.peer(connection)
        return f"{instance.service}/{instance.instance} at {peer}" if instance else peer

    def _service_of(self, connection: int) -> str | None:
        instance = self.registry.maybe_instance(connection)
        return instance.service if instance else None

    def _recall(self, exchange: int, connection: int, handed: Handed) -> Exchange:
        """Return what was decided about a request that was sent, and that nothing was kept of."""
        self.lane.forget(exchange)  # its answer has begun: it is not sent again
        sent = Exchange(self.wire, self.lane.snapshot)
        sent.begin(exchange, handed.method, 0, b"", self.lane.snapshot)
        left_ms = handed.remaining_ms or self.lane.snapshot.limits.deadline_ms  # the answer has begun: nothing is due
        sent.deadline_ms = self.wire.age_ms(exchange) + left_ms
        instance = self.registry.maybe_instance(connection) or Instance("gone", "gone", connection, 0.0)
        key = self.assembly.key(handed.route)
        declared = instance.endpoints.get(key, NOTHING_DECLARED) if key else NOTHING_DECLARED
        sent.offer = instance.offer(declared, connection)
        route = self.assembly.route(key) if key else None
        if route is not None:
            sent.route = route
        return sent

    def _tick(self, now: float) -> None:
        """Do what time does."""
        self.transport.tick(now)
        self.request_marks.tick(now)
        self.standing.tick(now, self.registry.instances)
        self.breaking.tick(now)

    def _keep_counts(self, instance: Instance, connection: int) -> None:
        """Add what was counted of a connection to what its instance keeps: the pool will dial others."""
        if instance.ring is None or not self.wire.settings.measures:
            return
        from proxy.overview.times import past_with

        instance.past = past_with(self.wire, instance.past, connection)

    def _reset_route(self, route: int) -> None:
        self.wire.reset_route(route)
        self.counts.reset_route(route)

    def _reset_gauge(self, gauge: int) -> None:
        self.wire.gauge_answers[gauge] = 0

    def _send_credit(self, connection: int) -> int:
        instance = self.registry.maybe_instance(connection)
        return instance.credit_bytes if instance else 0

    def _registered(self, change: Change) -> None:
        """Services came, went, or are other than before."""
        if not change.is_routes:
            return
        self.standing.tick(trio.current_time(), self.registry.instances)
        registered = self.registry.routes
        touched = {*change.added, *change.removed, *change.changed}
        self.assembly.change(registered, touched)
        self.lane.snapshot = self.assembly.snapshot
        self.breaking.registered(change)
        self._rule_notes.tell(self.configured.terms.policies)
        if any(offer.streams for key in touched & registered.keys() for offer in registered[key].offers):
            self.tasks.open_streams()

    async def change(self, config: GatewayConfig) -> None:
        """Follow another configuration, but for what needs a restart. Raises `SettingsError`: nothing was changed."""
        await self.answering.prepare(config)
        self.pooling.prepare(config)
        await self.recording.prepare(config)
        await self.configured.change(config, self.assembly, lambda: self.registry.routes, self._configured_anew)

    def _configured_anew(self) -> None:
        config = self.configured.config
        self.lane.swap(self.admitting.entry(self.configured.pipeline.entry), self.assembly.snapshot)
        self._rule_notes.tell(self.configured.terms.policies)
        self.lane.reason_header = config.edge.reason_header
        self.registry.required = config.services.required
        self.registry.reserved = self.configured.terms.reserved
        self.standing.slow_start_s = config.balancing.slow_start_ms / 1000
        self.own.change(config)
        self.answering.change(config)
        self.admitting.change(config)
        self.breaking.changed()
        if "attempt_budgets" in self.__dict__:
            from proxy.gateway.resending import budget_terms

            self.attempt_budgets.change(budget_terms(config))
        allow_list = bounds.allow_list(config)
        self.transport.let_in(allow_list.check)
        self.transport.recheck(allow_list.check_names)
        self.transport.hello_rate = bounds.hello_rate(config)
        self.pooling.change(config)
        self.recording.change(config)

    async def run(
        self, listeners: Listeners, *, task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve on these sockets, which are taken over, until cancelled."""
        addresses = listeners.addresses
        decide = make_decide(
            self.lane,
            self.tasks,
            self.transport,
            self.wire.arena,
            self.wire.requests,
            self.own,
            self._tls,
            self.breaking,
        )
        try:
            with listeners:
                async with wire_running(self.wire, decide), trio.open_nursery() as nursery:
                    if listeners.admin is not None:
                        await nursery.start(serve_admin, listeners.admin, lambda: self.overview.admin_state())
                    await nursery.start(self.tasks.run)
                    listeners.open(self.wire)
                    if self.certificates is not None:
                        nursery.start_soon(self.certificates.run)
                    nursery.start_soon(run_ticks, self._tick)
                    nursery.start_soon(self.configured.identities.run)
                    nursery.start_soon(self.pooling.run)
                    nursery.start_soon(self.admitting.run)
                    nursery.start_soon(self.own.run)
                    nursery.start_soon(self.answering.run)
                    nursery.start_soon(self.recording.run)
                    task_status.started(addresses)
        finally:
            self.wire.close_all()

    def _give_up_parked(self) -> int:
        """Answer whatever is parked, and return how many that were."""
        if "parking" not in self.__dict__:
            return 0
        count = len(self.parking)
        self.parking.give_up_all()
        return count

    async def drain(self, timeout_s: float, spread_s: float = 0.0) -> None:
        """Take nothing new, let what is in flight end, and say goodbye to the services; then it can be cancelled.

        spread_s: within which clients' connections are told to close, each at a moment of its own.
        """
        self.is_draining = True
        self.transport.leave(round(timeout_s * 1000))
        ends_at = trio.current_time() + timeout_s
        await drain_edge(self.wire, self.lane, self.tasks, timeout_s, spread_s, give_up_parked=self._give_up_parked)
        await self.answering.drain(ends_at)
        self.transport.drain()
        await self.own.drain(ends_at)
        self.wire.flush()
        await self.recording.finish()
        if self.on_drained is not None:
            await self.on_drained()


def _not_secured(_: int) -> None:
    """No connection has a TLS session."""
