"""Send again: hands a request to the wire that the wire has kept, for who was parked or is tried once more."""

from collections.abc import Callable, Container
from typing import Final, Protocol

from frames.wire_values import SendHow, WireResult
from proxy.errors import INTERNAL, NO_INSTANCE, SERVICE_CONGESTED
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer

FIRST_ATTEMPT: Final = 1

_ANSWERS = {
    WireResult.FULL: Answer(SERVICE_CONGESTED),
    WireResult.NO_CONNECTION: Answer(NO_INSTANCE),  # it was lost since it was chosen: nothing was sent
    WireResult.NO_EXCHANGE: None,  # the client is gone, and an event says so
}


class AgainPort(Protocol):
    """What sends a kept request; the wire is one, a test has its own."""

    def again(
        self,
        exchange: int,
        connection: int,
        route: int,
        endpoint: int,
        gauge: int,
        how: int,
        attempt: int,
        attempt_ms: int,
        /,
    ) -> int:
        """Send the kept request of an undecided exchange, with what is left of its deadline."""
        ...


def make_send_again(
    port: AgainPort, note: Callable[[Exchange], object] = lambda exchange: None, watched: Container[int] = ()
) -> Callable[[Exchange], Answer | None]:
    """Return what sends a kept request for the first time, to where its stages have said. note: as in `send`.

    watched: the exchanges of whose end somebody is told (`proxy.request.ended`). The route may be of another
    configuration than the stage was that watches.
    """

    def send_again(exchange: Exchange) -> Answer | None:
        offer, route = exchange.offer, exchange.route
        if exchange.offers is not route.offers:
            note(exchange)
        result = port.again(
            exchange.id,
            offer.connection,
            route.index,
            offer.endpoint_id,
            offer.gauge,
            route.how | offer.streams | (SendHow.TELL if exchange.id in watched else 0),
            FIRST_ATTEMPT,
            route.attempt_ms,
        )
        return _ANSWERS.get(WireResult(result), Answer(INTERNAL)) if result else None

    return send_again
