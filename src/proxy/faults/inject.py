"""Inject: does to a request on purpose what its rule's faults say (stage, where ``faults.enabled`` is on).

It comes before an instance is chosen, so that what is refused or cut here reaches no service and blames none, and
before whatever keeps answers, so that no fault is kept. A delay is waited for within the request's deadline.

    delay    the request waits, without its client knowing why
    abort    the gateway answers, with the reason ``fault_injected`` and the status of the rule
    cut      the connection is reset: at once, or within the answer
    slow     the answer is written at a rate
"""

import logging
import random
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Final, Protocol

import msgspec
import trio

from penstock.telemetry.occasional import Occasional
from proxy.errors import FAULT_CUT, FAULT_INJECTED, Reason
from proxy.faults.draw import NOTHING, Drawn, draw
from proxy.request.exchange import ANSWER_SPOILED, FAULTS_DRAWN, Exchange
from proxy.request.route_policy import FaultKind
from proxy.request.stage import PARKED, Answer, Await, Result, Stage, for_routes

_log: Final = logging.getLogger("penstock.faults")

Counts = Counter[tuple[str, str]]
"""How often a fault was injected, by service and kind."""

_CUT: Final = Answer(FAULT_CUT)


class ParkingLot(Protocol):
    """Where a request waits without a task: `proxy.request.parked.Parking`."""

    def park(
        self, exchange: Exchange, stage: Stage, *, on_expired: Callable[[Exchange], None], wait_ms: int
    ) -> Exchange | None:
        """Park a request; None: it cannot be kept."""
        ...

    def resume(self, exchange: Exchange, /) -> None:
        """Run the stages behind the one that has parked it."""
        ...


def make_inject_faults(
    counts: Counts | None, parking: Callable[[], ParkingLot], rand: Callable[[], float] = random.random
) -> Stage:
    """Return the stage. counts: what it counts in; None: nothing is injected, for who asks what would happen."""
    told = Occasional()

    @for_routes(lambda route: bool(route.policy.faults))
    def inject_faults(exchange: Exchange) -> Result:
        if counts is None:
            return None
        if exchange.flags & FAULTS_DRAWN:  # its delay is over
            drawn: Drawn = exchange.drawn
        else:
            drawn = draw(exchange.route.policy.faults, lambda headers: _has(exchange, headers), rand)
            if drawn is NOTHING:
                return None
            exchange.drawn = drawn
            exchange.flags |= FAULTS_DRAWN
            if drawn.delay_ms:
                count(exchange, FaultKind.DELAY)
                return delay(exchange, drawn)
        return end(exchange, drawn)

    def delay(exchange: Exchange, drawn: Drawn) -> Result:
        """Let the request wait: parked, so that all that follows is as without the delay; else in a task.

        What has a key is compared with what had it before, body and all, for which it must be at hand.
        """
        has_key = exchange.fields.named_field(exchange.id, b"idempotency-key") is not None
        if drawn == Drawn(drawn.delay_ms) and not has_key:
            lot = parking()
            if lot.park(exchange, inject_faults, on_expired=lot.resume, wait_ms=drawn.delay_ms) is not None:
                return PARKED
        return Await(partial(trio.sleep, drawn.delay_ms / 1000), exchange.deadline_ms)

    def end(exchange: Exchange, drawn: Drawn) -> Answer | None:
        """Do what is to be done behind the delay."""
        if drawn.status is not None:
            count(exchange, FaultKind.ABORT)
            return Answer(_reason(drawn.status))
        if drawn.cut_bytes is not None:
            count(exchange, FaultKind.CUT)
            if drawn.cut_bytes == 0:
                return _CUT
            exchange.flags |= ANSWER_SPOILED
        if drawn.bytes_per_second is not None:
            count(exchange, FaultKind.SLOW)
            exchange.flags |= ANSWER_SPOILED
        return None

    def count(exchange: Exchange, kind: FaultKind) -> None:
        assert counts is not None  # noqa: S101 - nothing is injected without
        route = exchange.route
        counts[route.service, kind.value] += 1
        held_back = told.held_back((route.service, kind))
        if held_back is not None:
            origin = route.policy.origins.get("faults", "the configuration")
            _log.warning(
                "FAULTS ARE ON: %s was injected into %s, as %s says (%d more)",
                kind.value,
                route.service,
                origin,
                held_back,
            )

    return inject_faults


def _has(exchange: Exchange, headers: tuple[tuple[bytes, bytes], ...]) -> bool:
    return all(exchange.fields.named_field(exchange.id, name) == value for name, value in headers)


@cache
def _reason(status: int) -> Reason:
    """Return the reason with a rule's status: there are two hundred at most."""
    return msgspec.structs.replace(FAULT_INJECTED, status=status)
