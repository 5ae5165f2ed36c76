"""Puts the stops together: the only file that knows their order.

The path of a request, each stage with the reason for its place:

    context     first, so that every answer, refusals included, carries the ids that the client knows
    match       before anything that depends on the route
    deadline    before time is spent on choosing and queueing
    pick        last of the decisions, since load is judged by what is true now
    send        nothing may be decided after it: a service may have started

Lifetimes nest as the path does: the wire and all its sockets, beside it the ticks and the admin pages, and within all
of them the wait for a signal.
"""

import logging
import re
import signal
import socket
from collections.abc import AsyncIterator
from functools import partial
from itertools import chain
from typing import NamedTuple

import trio

from frames.wire import SocketKind, Wire, WireSettings
from proxy.admin.server import serve_admin
from proxy.batch import make_decide
from proxy.config import GatewayConfig
from proxy.edge.context import read_context
from proxy.edge.express import ExpressLane
from proxy.edge.listen import open_listener
from proxy.errors import ReasonCounts
from proxy.overview import Overview
from proxy.policy.deadline import set_deadline
from proxy.route.match import match_route
from proxy.route.table import RouteTable
from proxy.snapshot import Limits, RouteIndexes, Snapshot, make_snapshot
from proxy.targets.allow import AllowList
from proxy.targets.choose import make_pick
from proxy.targets.health import HealthThresholds
from proxy.targets.instance import Change
from proxy.targets.registry import Registry
from proxy.transport.framed import FramedTransport, run_ticks
from proxy.transport.port import FramedSettings
from proxy.transport.send import make_send

_log = logging.getLogger("penstock.gateway")

DRAIN_POLL_S = 0.02


class Addresses(NamedTuple):
    """Where a running gateway can be reached, as ``(host, port)``."""

    edge: tuple[str, int]
    services: tuple[str, int]
    admin: tuple[str, int]


class Gateway:
    """One gateway: a wire, the lane over it, and the services that dialled in."""

    def __init__(self, config: GatewayConfig, name: str) -> None:
        """Put the gateway together. name: its instance id, told to services."""
        self._config = config
        self.wire = Wire(wire_settings(config), linger_us=config.wire.linger_us)
        self.counts = ReasonCounts()
        self.registry = Registry(thresholds(config), config.routes.max)
        self._indexes = RouteIndexes(config.routes.max)
        self._limits = Limits(config.edge.deadline_ms, config.edge.deadline_max_ms)
        stages = (
            read_context,
            match_route,
            set_deadline,
            make_pick(self.wire.in_flight, self.wire.latency_us),
            make_send(self.wire),
        )
        self.lane = ExpressLane(
            self.wire,
            stages,
            Snapshot(RouteTable(), self._limits),
            self.counts,
            name_of=self._name_of,
            reason_header=config.edge.reason_header,
        )
        self.transport = FramedTransport[Change](
            self.wire,
            self.registry,
            framed_settings(config, name),
            check=AllowList(config.services.allow, config.services.token.reveal()).check,
            on_change=self._swap_snapshot,
        )
        self.overview = Overview(self.wire, self.lane, self.registry, self.counts)

    def _name_of(self, connection: int) -> str:
        instance = self.registry.maybe_instance(connection)
        peer = self.wire.peer(connection)
        return f"{instance.service}/{instance.instance} at {peer}" if instance else peer

    def _swap_snapshot(self, change: Change) -> None:
        if not change.is_routes:
            return
        registered = self.registry.routes
        indexes, reused = self._indexes.assign(registered)
        for index in reused:
            self.wire.reset_route(index)
        self.lane.snapshot = make_snapshot(registered, indexes, self._limits, self.lane.snapshot.revision + 1)

    async def run(
        self,
        edge: socket.socket,
        services: socket.socket,
        admin: socket.socket,
        *,
        task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve on these listening sockets, which are taken over, until cancelled."""
        addresses = Addresses(*(listener.getsockname()[:2] for listener in (edge, services, admin)))
        decide = make_decide(self.lane, self.transport, self.wire.arena, self.wire.requests)
        try:
            with edge, services, admin:  # closed here, unless somebody below has taken them over
                async with trio.open_nursery() as nursery:
                    await nursery.start(serve_admin, admin, self.overview.admin_state())
                    self.wire.listen(edge, SocketKind.EDGE)
                    self.wire.listen(services, SocketKind.FRAMED)
                    nursery.start_soon(run_ticks, self.transport)
                    nursery.start_soon(self.wire.run, decide)
                    task_status.started(addresses)
        finally:
            self.wire.close_all()

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new, let what is in flight end, and say goodbye to the services; then it can be cancelled."""
        self.overview.is_draining = True
        self.wire.stop_listening(SocketKind.EDGE)
        self.wire.drain_edge()
        with trio.move_on_after(timeout_s) as scope:
            while self.wire.counters()["edge_open_now"]:  # noqa: ASYNC110 - connections end in C, where no event is set
                await trio.sleep(DRAIN_POLL_S)
        if scope.cancelled_caught:
            left = self.wire.sent_exchanges()
            _log.warning("%d requests were still in progress after %g s and are given up", len(left), timeout_s)
            for exchange in left:
                self.lane.shut_down(exchange)
        self.transport.drain()
        self.wire.flush()


def wire_settings(config: GatewayConfig) -> WireSettings:
    """Return the bounds of the wire that the settings ask for."""
    edge = config.edge
    return WireSettings(
        edge_connections_max=edge.max_connections,
        framed_connections_max=config.services.max_connections,
        exchanges_max=config.exchanges.max,
        routes_max=config.routes.max,
        framed_output_bytes_max=config.services.output_bytes,
        head_ms=edge.head_timeout_ms,
        body_bytes_per_second=edge.body_rate_bytes_per_second,
        idle_ms=edge.idle_timeout_ms,
        idle_jitter_percent=round(edge.idle_jitter * 100),
        write_ms=edge.write_timeout_ms,
        linger_ms=edge.linger_ms,
        head_bytes_max=edge.head_bytes,
        fields_max=edge.head_fields,
        target_bytes_max=edge.target_bytes,
        body_bytes_max=edge.body_bytes,
    )


def thresholds(config: GatewayConfig) -> HealthThresholds:
    """Return after how much silence a service is how."""
    services = config.services
    return HealthThresholds(
        heartbeat_s=services.heartbeat_ms / 1000,
        degraded_s=services.degraded_after_ms / 1000,
        unhealthy_s=services.unhealthy_after_ms / 1000,
        removed_s=services.removed_after_ms / 1000,
    )


def framed_settings(config: GatewayConfig, name: str) -> FramedSettings:
    """Return what the gateway says to services, and how long it waits for them."""
    return FramedSettings(
        gateway=name,
        heartbeat_s=config.services.heartbeat_ms / 1000,
        hello_s=config.services.hello_timeout_ms / 1000,
        drain_s=config.drain.timeout_ms / 1000,
    )


async def serve(config: GatewayConfig, *, task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED) -> None:
    """Run a gateway until SIGTERM or SIGINT, then drain it. A second signal ends it at once.

    Raises:
        ListenError: an address cannot be listened on.
        OSError: memory or descriptors are short.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        listeners = open_listeners(config)
        gateway = Gateway(config, gateway_name(socket.gethostname(), listeners[0].getsockname()[1]))
        async with trio.open_nursery() as nursery:
            addresses: Addresses = await nursery.start(partial(gateway.run, *listeners))
            _log.info("edge on %s:%d, services on %s:%d, admin on %s:%d", *chain(*addresses))
            task_status.started(addresses)
            await _drain_on_signal(gateway, signals, config.drain.timeout_ms / 1000)
            nursery.cancel_scope.cancel()


def gateway_name(host: str, port: int) -> str:
    """Return this gateway's instance id: its host and the edge's port. A host may have any name, an id may not."""
    return f"{re.sub('[^A-Za-z0-9._-]', '-', host)[:58]}-{port}"


def open_listeners(config: GatewayConfig) -> tuple[socket.socket, socket.socket, socket.socket]:
    """Open the three listeners, or none of them."""
    opened: list[socket.socket] = []
    places = (
        (config.edge.listen, "edge.listen"),
        (config.services.listen, "services.listen"),
        (config.admin.listen, "admin.listen"),
    )
    try:
        for address, name in places:
            opened.append(open_listener(address, name))
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    edge, services, admin = opened
    return edge, services, admin


async def _drain_on_signal(gateway: Gateway, signals: AsyncIterator[int], timeout_s: float) -> None:
    number = await anext(signals)
    _log.info("%s: draining for up to %g s; a second signal ends at once", signal.Signals(number).name, timeout_s)
    async with trio.open_nursery() as nursery:

        async def end_at_once() -> None:
            await anext(signals)
            _log.warning("a second signal: ending at once")
            nursery.cancel_scope.cancel()

        nursery.start_soon(end_at_once)
        await gateway.drain(timeout_s)
        nursery.cancel_scope.cancel()
