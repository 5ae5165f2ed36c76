"""What the gateway asks services by itself, put together: calls of services, copies for mirrors, and descriptions.

Most gateways do none of it for long, so the code is imported when it is first needed. Until then the batch finds
nobody in ``takers``, and the transport's words go nowhere.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from frames.frame import DIALLED
from frames.wire import Wire
from frames.wire_values import Event
from proxy.config import GatewayConfig
from proxy.edge.respond import Rendered, respond
from proxy.gateway.bounds import own_index
from proxy.policy.limits import BytesInFlight
from proxy.request.exchange import Exchange
from proxy.request.outcomes import Told, nobody_is_told
from proxy.request.reason_counts import ReasonCounts
from proxy.request.snapshot import Snapshot
from proxy.request.stage import Answer, Result, for_routes
from proxy.route.split import make_mirrored
from proxy.targets.instance import Instance

if TYPE_CHECKING:
    from proxy.admin.openapi import Descriptions
    from proxy.calls.relay import Relay
    from proxy.calls.rights import Rights
    from proxy.edge.mirror import Mirror
    from proxy.fanout.asking import Asker
    from proxy.fanout.routes import FanOuts
    from proxy.request.offer import Offer
    from proxy.request.originated import Originated
    from proxy.request.parked import Parking
    from proxy.route.choice import Candidates

DRAIN_POLL_S: Final = 0.02

Placed = Callable[[Exchange, "Candidates"], "tuple[Offer, ...] | Answer"]
"""Which of some candidates have the tenant of a request."""


class OwnRequests:
    """Relay, mirror and descriptions, made when they are first needed.

    It stands for the relay where the transport tells of calls.
    """

    def __init__(
        self,
        wire: Wire,
        config: GatewayConfig,
        budget: BytesInFlight,
        counts: ReasonCounts,
        *,
        name_of: Callable[[int], str | None],
        instances: Callable[[], Iterable[Instance]],
        is_dialled: Callable[[int], bool],
        snapshot: Callable[[], Snapshot],
        choose: Callable[[Exchange], Answer | None],
        placed: Placed,
        pick: "Callable[[Sequence[Offer]], Offer | None]",
        parking: "Callable[[], Parking]",
        connect: "Callable[[Offer], int]",
    ) -> None:
        """name_of: the service on a connection; is_dialled: whether the gateway has dialled it.

        instances, snapshot: of now; choose: runs the stages that say who gets an exchange whose route and caller are
        known.
        """
        self._wire = wire
        self._config = config
        self._window_bytes = config.services.credit_bytes
        self._count_max = max(1, config.exchanges.max // 4)  # the others are for clients
        self._counter = own_index(config)
        self._budget = budget
        self._counts = counts
        self._name_of = name_of
        self._instances = instances
        self._is_dialled = is_dialled
        self._snapshot = snapshot
        self._choose = choose
        self._placed = placed
        self._pick = pick
        self._parking = parking
        self._connect = connect
        self._is_wanted = trio.Event()
        self._mirrored = make_mirrored()
        self.tell_failure: Told = nobody_is_told
        """Told by gauge, kind and microseconds of what fails; to be set before the first request."""
        self.takers: dict[int, Callable[[Event], None]] = {}
        """Who takes the events of an exchange that the gateway has begun."""

        @for_routes(lambda route: route.policy.mirror is not None)
        def mirror(exchange: Exchange) -> None:
            self.mirror.copy(exchange)

        self.mirror_stage = mirror
        """The stage behind send."""

        @for_routes(lambda route: route.fanout is not None)
        def fan_out(exchange: Exchange) -> Result:
            return self.fan_outs.ask(exchange, fan_out)

        self.fanout_stage = fan_out
        """The stage of routes that ask several."""

    async def run(self) -> NoReturn:
        """Keep deadlines until cancelled."""
        await self._is_wanted.wait()
        await self.originated.run()

    # ---- made when they are needed ----

    @cached_property
    def originated(self) -> "Originated":
        """The exchanges that the gateway has begun."""
        from proxy.request.originated import Originated

        self._is_wanted.set()
        made = Originated(
            self._wire,
            self.takers,
            self._budget,
            window_bytes=self._window_bytes,
            count_max=self._count_max,
            frame_bits=lambda connection: DIALLED if self._is_dialled(connection) else 0,
        )
        made.tell_failure = self.tell_failure
        return made

    @cached_property
    def relay(self) -> "Relay":
        """The calls of services."""
        from proxy.calls.relay import Relay
        from proxy.route.of_service import ServiceTables

        return Relay(
            self._wire,
            self.originated,
            self._budget,
            self._counts,
            rights=self._rights(),
            name_of=self._name_of,
            snapshot=self._snapshot,
            table_of=ServiceTables().table,
            choose=self._choose,
            render=self._render,
        )

    @cached_property
    def mirror(self) -> "Mirror":
        """The copies of requests."""
        from proxy.edge.mirror import Mirror

        return Mirror(self._wire, self.originated, self._copy_to, self._pick, counter=self._counter)

    @cached_property
    def descriptions(self) -> "Descriptions":
        """What services say of themselves."""
        from proxy.gateway.describing import make_descriptions

        return make_descriptions(
            self.originated,
            self._wire.flush_soon,
            self._counter,
            instances=self._instances,
            snapshot=self._snapshot,
            config=lambda: self._config,
        )

    @cached_property
    def asker(self) -> "Asker":
        """What legs are asked with: of routes that ask several, and of the page that shows every instance."""
        from proxy.fanout.asking import Asker

        return Asker(self.originated, self._budget, trio.current_time, self._wire.flush_soon)

    @cached_property
    def fan_outs(self) -> "FanOuts":
        """Routes that ask several."""
        from proxy.edge.copied import context_of
        from proxy.fanout.legs import LegMaker
        from proxy.fanout.routes import FanOuts
        from proxy.route.of_service import ServiceTables

        legs = LegMaker(
            self._wire,
            table_of=ServiceTables().table,
            choose=self._choose,
            context_of=partial(context_of, self._wire),
            connect=self._connect,
        )
        return FanOuts(self.asker, legs, self._parking)

    def change(self, config: GatewayConfig) -> None:
        """Follow another configuration."""
        self._config = config
        if "fan_outs" in self.__dict__:
            self.fan_outs.forget()
        if "relay" in self.__dict__:
            self.relay.rights = self._rights()

    def _rights(self) -> "Rights":
        from proxy.calls.rights import Rights

        return Rights(self._config.services.calls)

    def _render(self, answer: Answer, request_id: bytes, correlation_id: bytes) -> Rendered:
        return respond(
            answer.reason,
            request_id=request_id,
            correlation_id=correlation_id,
            detail=answer.detail,
            retry_after_s=answer.retry_after_s,
            headers=answer.headers,
        )

    def _copy_to(self, exchange: Exchange) -> "tuple[Sequence[Offer], int] | None":
        candidates = self._mirrored(exchange)
        if candidates is None:
            return None
        in_flight_max = exchange.route.choice.mirror.in_flight_max
        if not exchange.route.policy.placement:
            return candidates.offers, in_flight_max
        offers = self._placed(exchange, candidates)
        return () if isinstance(offers, Answer) else offers, in_flight_max

    # ---- what the transport and the batch tell ----

    def call(self, connection: int, exchange: int, flags: int, payload: bytes) -> None:
        """Take a REQUEST of a service."""
        self.relay.call(connection, exchange, flags, payload)

    def cancel(self, connection: int, exchange: int) -> None:
        """Take a CANCEL of a service for what it has asked."""
        if "relay" in self.__dict__:
            self.relay.cancel(connection, exchange)

    def lost(self, connection: int) -> None:
        """A service's connection is gone."""
        if "relay" in self.__dict__:
            self.relay.lost(connection)

    def room(self, connection: int) -> None:
        """A service's connection has room again."""
        if "relay" in self.__dict__:
            self.relay.room(connection)

    async def drain(self, ends_at: float) -> None:
        """Wait until no call is under way, or the time is over (of Trio's clock). Then answer those that are left."""
        with trio.move_on_at(ends_at):
            while self.calls_in_flight:  # noqa: ASYNC110 - seldom, and once
                await trio.sleep(DRAIN_POLL_S)
        if self.calls_in_flight:
            self.relay.give_up_all()

    def has_calls(self, connection: int) -> bool:
        """Whether a service has asked something by a connection that is not answered yet."""
        return "relay" in self.__dict__ and self.relay.has_calls(connection)

    @property
    def calls_in_flight(self) -> int:
        """Calls of services that are not answered yet."""
        return len(self.relay) if "relay" in self.__dict__ else 0
