"""Admitting: lets requests wait in front of a gate, lets them in when places come free, and sends them away in time.

Places come free when the wire takes in answers, of which Python learns nothing. So while anybody waits, and only then,
each turn of the wire is looked at: who waits in vain leaves, and whoever is next goes on. Limits are learned in a task
of their own, ten times a second and not for each request, and only while there are gates.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, NoReturn, Protocol
from weakref import WeakValueDictionary

import trio

from frames.frame import Method
from frames.wire_values import GroupFigures
from penstock.telemetry.occasional import Occasional
from proxy.admission.adaptive import INTERVAL_S, AdaptiveLimit
from proxy.admission.gate import START, Gate, ServiceLimit
from proxy.admission.line import Waiter
from proxy.admission.priority import Priority
from proxy.admission.refusals import Cause, Tally
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.route_policy import Concurrency, RoutePolicy
from proxy.request.stage import PARKED, Answer, Lane, Stage

_log = logging.getLogger("penstock.admission")

TIMES_MAX: Final = 1_000_000


class AdmissionPort(Protocol):
    """What is asked of the wire."""

    @property
    def route_in_flight(self) -> Sequence[int]:
        """Requests that are with a service now, by route."""
        ...

    @property
    def group_in_flight(self) -> Sequence[int]:
        """The same by service."""
        ...

    @property
    def on_turn(self) -> list[Callable[[], None]]:
        """What is called once in each turn."""
        ...

    def group_figures(self, group: int, /) -> GroupFigures:
        """Return what was counted of a service."""
        ...

    def age_ms(self, exchange: int, /) -> int:
        """Return the milliseconds since a request began to come."""
        ...


class ParkingPort(Protocol):
    """Where requests wait: `proxy.request.parked.Parking`."""

    def park(
        self,
        exchange: Exchange,
        stage: Stage,
        *,
        on_gone: Callable[[Exchange], None] | None,
        on_expired: Callable[[Exchange], None] | None,
        wait_ms: int | None,
    ) -> Exchange | None:
        """Let one wait; None: it cannot be kept."""
        ...

    def answer(self, exchange: int, answer: Answer, /) -> None:
        """Answer one that waits."""
        ...

    def resume(self, exchange: Exchange, /) -> None:
        """Let one go on."""
        ...


class LimitedRoute(Protocol):
    """A route (`proxy.route.table.Route`) whose policy has a limit. It remembers its gate."""

    gate: Any

    @property
    def index(self) -> int:
        """Of the wire's counters."""
        ...

    @property
    def group(self) -> int:
        """Its service, for the wire."""
        ...

    @property
    def service(self) -> str:
        """The service's name."""
        ...

    @property
    def method(self) -> int:
        """``Method``."""
        ...

    @property
    def template(self) -> str:
        """Of its path."""
        ...

    @property
    def policy(self) -> RoutePolicy:
        """All that holds for it."""
        ...


class Standing(NamedTuple):
    """How it stands with a gate now. route: its template, empty where the limit is the service's alone.

    The limits are None for none; latency_s is 0 where it is not known.
    """

    service: str
    route: str
    route_max: int | None
    service_max: int | None
    in_flight: int
    waiting: int
    is_standing: bool
    latency_s: float


class Admission:
    """All gates, and all who wait in front of them."""

    def __init__(
        self, wire: AdmissionPort, parking: Callable[[], ParkingPort], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """parking: asked for with the first one who waits; clock: seconds."""
        self._wire = wire
        self._parking = parking
        self._clock = clock
        self._services: WeakValueDictionary[tuple[str, int | None, int, bool], ServiceLimit] = WeakValueDictionary()
        self._gates: WeakValueDictionary[tuple[str, Concurrency, int], Gate] = WeakValueDictionary()
        self._busy: deque[Gate] = deque()
        self._waiting: dict[int, tuple[Gate, Waiter]] = {}
        self._is_wanted = trio.Event()
        self._failed = Occasional()
        self.passing = 0
        """The exchange that has just been let in from a line: it is not asked to wait again."""
        self.tallies: dict[str, Tally] = {}
        """By service: what became of those that did not go on at once."""

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Admission {len(self._gates)} gates, {len(self._waiting)} waiting>"

    @property
    def waiting(self) -> int:
        """How many wait, all together."""
        return len(self._waiting)

    # ---- gates ----

    def gate_of(self, route: LimitedRoute) -> Gate:
        """Return the gate of a route, which remembers it. A route that is made again finds the same one."""
        policy = route.policy.concurrency
        if policy is None:
            raise ValueError(f"{route!r} has no limit")
        index = route.index if policy.route_max is not None else 0
        key = (route.service, policy, index)
        gate = self._gates.get(key)
        if gate is None or gate.group != route.group:
            times = self._service(route, policy)
            name = f"{Method(route.method).name} {route.template}" if policy.route_max is not None else ""
            gate = self._gates[key] = Gate(policy, index, name, times, self._tally(route.service))
        route.gate = gate
        return gate

    def _service(self, route: LimitedRoute, policy: Concurrency) -> ServiceLimit:
        """Return the limit of a service. It is shared by all gates for which the same is said of it."""
        key = (route.service, policy.service_max, policy.service_min, policy.is_adaptive)
        service = self._services.get(key)
        if service is None or service.group != route.group:
            figures, now_s = self._wire.group_figures(route.group), self._clock()
            most = TIMES_MAX if policy.service_max is None else policy.service_max
            least = policy.service_min if policy.is_adaptive else most
            adaptive = AdaptiveLimit(least, most, START if policy.is_adaptive else most, figures, now_s)
            service = self._services[key] = ServiceLimit(route.service, route.group, adaptive)
        self._is_wanted.set()
        return service

    def _tally(self, service: str) -> Tally:
        return self.tallies.setdefault(service, Tally())

    def standings(self) -> list[Standing]:
        """Return how it stands with each gate, in the order of their services."""
        gates = sorted(self._gates.values(), key=lambda gate: (gate.service, gate.route))
        return [self.standing(gate) for gate in gates]

    def standing(self, gate: Gate) -> Standing:
        """Return how it stands with a gate."""
        wire, policy = self._wire, gate.policy
        is_of_route = policy.route_max is not None
        return Standing(
            service=gate.service,
            route=gate.name,
            route_max=policy.route_max,
            service_max=gate.service_limit if policy.service_max is not None else None,
            in_flight=wire.route_in_flight[gate.route] if is_of_route else wire.group_in_flight[gate.group],
            waiting=gate.line.waiting,
            is_standing=gate.patience.is_standing(self._clock()),
            latency_s=gate.latency_s,
        )

    # ---- who finds no place ----

    def wait(self, exchange: Exchange, gate: Gate, stage: Stage, priority: Priority) -> Answer | Lane:
        """Let a request wait for its place, or refuse it. stage: after which it goes on."""
        now_s = self._clock()
        if exchange.flags & NEEDS_TASK or not exchange.id or not gate.line.size:
            return gate.tally.refuse(Cause.FULL, is_standing=gate.patience.is_standing(now_s))
        left_s = (exchange.deadline_ms - self._wire.age_ms(exchange.id)) / 1000
        leaves_s = now_s + left_s - gate.latency_s
        if leaves_s <= now_s:
            return gate.tally.refuse(Cause.HOPELESS, is_standing=gate.patience.is_standing(now_s))
        caller = exchange.caller
        waiter = Waiter(None, caller.tenant if caller is not None else b"", priority, now_s, leaves_s)
        room = gate.patience.room(now_s, gate.latency_s, min(gate.service_limit, gate.route_limit))
        sent_away = gate.line.enter(waiter, room)
        if sent_away is waiter:
            return gate.tally.refuse(Cause.LINE_FULL, is_standing=True)
        if sent_away is not None:
            self._send_away(gate, sent_away, Cause.LINE_FULL)
        wait_s = min(gate.patience.wait_s(now_s, gate.latency_s), leaves_s - now_s)
        kept = self._parking().park(
            exchange, stage, on_gone=self._gone, on_expired=self._expired, wait_ms=max(1, int(wait_s * 1000) + 1)
        )
        if kept is None:
            gate.line.leave(waiter)
            return gate.tally.refuse(Cause.FULL, is_standing=gate.patience.is_standing(now_s))
        waiter.what = kept
        self._waiting[kept.id] = (gate, waiter)
        gate.patience.note(gate.line.waiting, now_s)
        if gate.is_open:
            self._close(gate)
        return PARKED

    def _close(self, gate: Gate) -> None:
        """Somebody waits: nobody goes on past the line, and each turn is looked at."""
        gate.is_open = False
        if not self._busy:
            self._wire.on_turn.append(self.turn)
        self._busy.append(gate)

    def _gone(self, exchange: Exchange) -> None:
        gate, waiter = self._waiting.pop(exchange.id)
        gate.line.leave(waiter)

    def _expired(self, exchange: Exchange) -> None:
        """Its time to wait has passed, or its deadline, which is no sooner."""
        gate, waiter = self._waiting[exchange.id]
        now_s = self._clock()
        # The wire's clock is that of the step before, so the time may be over there a little sooner than here.
        late_s = waiter.entered_s + gate.patience.wait_s(now_s, gate.latency_s)
        cause = Cause.HOPELESS if waiter.leaves_s <= max(now_s, late_s) else Cause.TOO_SLOW
        gate.patience.note_late(now_s)
        gate.line.leave(waiter)
        self._send_away(gate, waiter, cause)

    def _send_away(self, gate: Gate, waiter: Waiter, cause: Cause) -> None:
        exchange: Exchange = waiter.what
        del self._waiting[exchange.id]
        is_standing = gate.patience.is_standing(self._clock())
        self._parking().answer(exchange.id, gate.tally.refuse(cause, is_standing=is_standing))

    # ---- each turn, while anybody waits ----

    def turn(self) -> None:
        """Send away who waits in vain, and let in as many as there are places."""
        try:
            self._turn(self._clock())
        except Exception as error:  # it must not end the traffic of all
            held_back = self._failed.held_back(type(error).__name__)
            if held_back is not None:
                _log.exception("who waits could not be looked at (%d more)", held_back)

    def _turn(self, now_s: float) -> None:
        busy = self._busy
        for gate in tuple(busy):  # an end of one may be what others have waited for, who then come here
            self._send_away_late(gate, now_s)
        has_let_in = True
        while has_let_in:  # one each, in turns: several gates may share one limit
            has_let_in = False
            for gate in tuple(busy):
                has_let_in |= self._let_in(gate, now_s)
        for _ in range(len(busy)):
            gate = busy.popleft()
            gate.patience.note(gate.line.waiting, now_s)
            gate.is_open = not gate.line.waiting
            if not gate.is_open:
                busy.append(gate)
        busy.rotate(-1)
        if not busy:
            self._wire.on_turn.remove(self.turn)

    def _send_away_late(self, gate: Gate, now_s: float) -> None:
        for waiter in gate.line.dead(now_s):
            self._send_away(gate, waiter, Cause.HOPELESS)
        late = gate.line.late(now_s - gate.patience.wait_s(now_s, gate.latency_s))
        if late:
            gate.patience.note_late(now_s)
        for waiter in late:
            self._send_away(gate, waiter, Cause.TOO_SLOW)

    def _let_in(self, gate: Gate, now_s: float) -> bool:
        """Let in who is next, if there is a place. Returns whether somebody was."""
        wire = self._wire
        if not gate.line.waiting or not gate.has_place(wire.route_in_flight, wire.group_in_flight):
            return False
        waiter = gate.line.take(newest_first=gate.patience.is_standing(now_s))
        if waiter is None:
            return False
        exchange: Exchange = waiter.what
        del self._waiting[exchange.id]
        gate.tally.admitted += 1
        gate.tally.waited_s += now_s - waiter.entered_s
        self.passing = exchange.id
        try:
            self._parking().resume(exchange)
        finally:
            self.passing = 0
        return True

    # ---- what is learned ----

    async def run(self) -> NoReturn:
        """Learn, until cancelled, while there are gates."""
        while True:
            await self._is_wanted.wait()
            await trio.sleep(INTERVAL_S)
            self.learn()
            if not self._services:
                self._is_wanted = trio.Event()

    def learn(self) -> None:
        """Take in what was counted of each service by now."""
        wire, now_s = self._wire, self._clock()
        for service in list(self._services.values()):
            adaptive = service.adaptive
            before = adaptive.limit
            adaptive.learn(wire.group_figures(service.group), wire.group_in_flight[service.group], now_s)
            if adaptive.limit != before:
                for gate in service.gates:
                    gate.follow()
        if self._busy:
            self.turn()
