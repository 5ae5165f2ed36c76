"""Send: hands the request to the wire (last stage)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from frames.wire_values import NO_IDENTITY, WireResult
from proxy.errors import DEADLINE, INTERNAL, NO_INSTANCE, SERVICE_CONGESTED
from proxy.request.exchange import ANSWER_SPOILED, NEEDS_TASK, Exchange
from proxy.request.stage import TASK_LANE, Answer, Lane, Stage

BY_TASK = NEEDS_TASK | ANSWER_SPOILED
"""In an exchange's flags: it goes on in the task lane."""

_ANSWERS = {
    WireResult.FULL: Answer(SERVICE_CONGESTED),
    WireResult.NO_CONNECTION: Answer(NO_INSTANCE),  # it was lost within this batch: nothing was sent
    WireResult.LATE: Answer(DEADLINE),
    WireResult.NO_EXCHANGE: None,  # the client is gone, and an event says so
}
_UNSENT = (WireResult.FULL, WireResult.NO_CONNECTION)
"""It is the instance that cannot take it."""


if TYPE_CHECKING:

    class SendPort(Protocol):
        """What sends a request; the wire is one, a test has its own."""

        @property
        def send(self) -> "SendCall":
            """The call itself."""
            ...

    class SendCall(Protocol):
        """(exchange, connection, route, endpoint, gauge, how, deadline_ms, attempt_ms, identity) -> WireResult."""

        def __call__(
            self,
            exchange: int,
            connection: int,
            route: int,
            endpoint: int,
            gauge: int,
            how: int,
            deadline_ms: int,
            attempt_ms: int,
            identity: Any,
            /,
        ) -> int:
            """Send the request as one REQUEST frame."""
            ...


def make_send(port: "SendPort", note: Callable[[Exchange], object] = lambda exchange: None) -> Stage:
    """Return the stage that sends over this port. note: told where the candidates were not the route's own."""
    send = port.send

    def send_request(exchange: Exchange) -> Answer | Lane | None:
        offer, caller, route = exchange.offer, exchange.caller, exchange.route
        if exchange.offers is not route.offers:
            note(exchange)
        if exchange.flags & BY_TASK:
            return TASK_LANE
        result = send(
            exchange.id,
            offer.connection,
            route.index,
            offer.endpoint_id,
            offer.gauge,
            offer.streams | route.how,
            exchange.deadline_ms,
            route.attempt_ms,
            NO_IDENTITY if caller is None else caller.wire,
        )
        if not result:
            return None
        return send_elsewhere(exchange, result) if result in _UNSENT else _refusal(result)

    def send_elsewhere(exchange: Exchange, result: int) -> Answer | None:
        """Send to another of the candidates: nothing has left yet, so this is a choice made anew, and no retry."""
        caller, route, refused = exchange.caller, exchange.route, exchange.offer
        for offer in exchange.offers:
            if offer is refused or offer.instance.ring is not None:  # a pool gives its connections itself
                continue
            result = send(
                exchange.id,
                offer.connection,
                route.index,
                offer.endpoint_id,
                offer.gauge,
                offer.streams | route.how,
                exchange.deadline_ms,
                route.attempt_ms,
                NO_IDENTITY if caller is None else caller.wire,
            )
            if result not in _UNSENT:
                exchange.offer = offer
                break
        return _refusal(result) if result else None

    return send_request


def _refusal(result: int) -> Answer | None:
    return _ANSWERS.get(WireResult(result), Answer(INTERNAL))
