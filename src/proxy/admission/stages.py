"""The stages of admission: what it says about an exchange."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.admission.priority import HEADER, Priority, read_priority
from proxy.request.exchange import FROM_TRUSTED, Exchange
from proxy.request.stage import Answer, Lane, Stage, for_routes

if TYPE_CHECKING:
    from proxy.admission.admitting import Admission, AdmissionPort


def make_limit_concurrency(wire: "AdmissionPort", admission: "Admission", trusts: Callable[[str], bool]) -> Stage:
    """Return the stage that holds the requests of a route to its limits. trusts: whose x-priority is believed.

    It comes when the deadline and the tenant are known, and before anybody is chosen, since that is to be decided when
    the request goes on.
    """
    of_service, of_route = wire.group_in_flight, wire.route_in_flight

    @for_routes(lambda route: route.policy.concurrency is not None)
    def limit_concurrency(exchange: Exchange) -> Answer | Lane | None:
        route = exchange.route
        gate = route.gate or admission.gate_of(route)
        if gate.is_open and of_service[gate.group] < gate.service_limit and of_route[route.index] < gate.route_limit:
            return None
        if exchange.id and exchange.id == admission.passing:
            return None
        return admission.wait(exchange, gate, limit_concurrency, priority_of(exchange, gate.priority, trusts))

    return limit_concurrency


def priority_of(exchange: Exchange, otherwise: Priority, trusts: Callable[[str], bool]) -> Priority:
    """Return what a request says of its priority, where it comes from somebody who is trusted."""
    value = exchange.fields.named_field(exchange.id, HEADER)
    if value is None:
        return otherwise
    is_trusted = exchange.flags & FROM_TRUSTED or trusts(exchange.fields.client_address(exchange.id))
    return read_priority(value, otherwise) if is_trusted else otherwise
