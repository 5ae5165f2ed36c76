"""Services that the gateway dials, put together: the pool, what dials, and the stage that takes a connection.

Most gateways are dialled themselves, so the code is imported when there is somebody to be dialled. Until then nothing
of it costs anything: no route has an instance that was dialled, so the stage is in nobody's path.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import trio

from penstock.settings import Address
from proxy.config import GatewayConfig
from proxy.gateway.bounds import pool_limits
from proxy.request.exchange import Exchange
from proxy.request.stage import Result, for_routes

if TYPE_CHECKING:
    from frames.wire import Wire
    from proxy.pooled import PoolStatistics, TargetKey
    from proxy.request.offer import Offer
    from proxy.request.parked import Parking
    from proxy.route.table import Route
    from proxy.targets.connect import Connecting
    from proxy.targets.instance import Change
    from proxy.targets.pool import Pool
    from proxy.targets.pool_values import Ring
    from proxy.targets.registry import Registry
    from proxy.transport.dialled import Dialled
    from proxy.transport.dialling import Dialler
    from proxy.transport.framed import FramedTransport
    from proxy.transport.identity import DialIdentity


class Pooling:
    """Follows the addresses that the configuration names. ``run`` is the parent of the tasks that dial."""

    def __init__(
        self,
        wire: "Wire",
        config: GatewayConfig,
        *,
        registry: "Callable[[], Registry]",
        transport: "Callable[[], FramedTransport[Change]]",
        parking: "Callable[[], Parking]",
        has_calls: Callable[[int], bool],
    ) -> None:
        """Dial nobody before `run`. has_calls: whether a service has asked something by a connection."""
        self._wire = wire
        self._config = config
        self._registry = registry
        self._transport = transport
        self._parking = parking
        self._has_calls = has_calls
        self._pool: Pool | None = None
        self._dialled: Dialled | None = None
        self._connecting: Connecting | None = None
        self._nursery: trio.Nursery | None = None
        self._identity: DialIdentity | None = None
        self._dialler: Dialler | None = None
        self.prepare(config)

        @for_routes(is_pooled)
        def connect(exchange: Exchange) -> Result:
            return None if self._connecting is None else self._connecting.connect(exchange, connect)

        self.stage = connect
        """The stage behind pick."""

    @property
    def statistics(self) -> "PoolStatistics | None":
        """Return the counts of now; None where nobody was ever dialled."""
        return None if self._pool is None else self._pool.statistics()

    def checkout(self, ring: "Ring") -> int:
        """Return a connection of an instance that was dialled, for who does not wait for one; 0: there is none."""
        if self._pool is None or self._dialled is None:
            return 0
        handle = self._pool.checkout(ring)
        if not handle:
            self._dialled.take_turn_soon()  # the next one finds it awake
        return handle

    def connection(self, offer: "Offer") -> int:
        """Return by which connection an offer is reached now, for who does not wait for one; 0: by none."""
        ring = offer.instance.ring
        return offer.connection if ring is None else self.checkout(ring)

    def prepare(self, config: GatewayConfig) -> None:
        """Read what another configuration needs, or raise `SettingsError`; `change` uses it."""
        if not any(address.is_secured for address in config.services.dial):
            self._identity = None
            return
        from proxy.transport.identity import read_identity

        self._identity = read_identity(config.dial_tls)

    def change(self, config: GatewayConfig) -> None:
        """Follow another configuration: dial whom that names, and let go of the others.

        Where the files of TLS are others by now, services are dialled anew, and the connections of before are let go.
        """
        self._config = config
        if self._nursery is None or (self._dialled is None and not config.services.dial):
            return
        if self._dialled is None:
            self._dialled = self._make()
            self._nursery.start_soon(self._dialled.run)
        elif self._pool is not None:
            self._pool.limits = pool_limits(config)
        if self._dialler is not None:
            self._dialler.identity = self._identity
        self._dialled.connect_s = config.pool.connect_timeout_ms / 1000
        self._dialled.set_targets(self._keys(config.services.dial))

    async def run(self) -> None:
        """Keep the connections until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                self.change(self._config)
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def _make(self) -> "Dialled":
        from proxy.targets.connect import Connecting
        from proxy.targets.pool import Pool
        from proxy.transport.dialled import Dialled
        from proxy.transport.dialling import Dialler

        self._dialler = dialler = Dialler(self._wire.tasks_are_lively)
        self._pool = pool = Pool(pool_limits(self._config), self._wire.in_flight)
        self._registry().ring_of = pool.greeted
        dialled = Dialled(
            self._wire,
            self._transport(),
            pool,
            connect=dialler.connect,
            tell=lambda told: connecting.tell(told),
            has_calls=self._has_calls,
        )
        connecting = Connecting(self._wire, pool, self._parking, take_turn_soon=dialled.take_turn_soon)
        self._connecting = connecting
        return dialled

    def _keys(self, addresses: Iterable[Address]) -> "list[TargetKey]":
        from proxy.pooled import TargetKey

        label = "" if self._identity is None else self._identity.label
        return [TargetKey(each.host, each.port, label if each.is_secured else "") for each in addresses]


def is_pooled(route: "Route") -> bool:
    """Whether any instance that has the route was dialled."""
    choice = route.choice
    return choice is not None and any(offer.instance.ring is not None for offer in choice.everywhere)
