"""What a HELLO declares and claims, judged where the protocol leaves it to the gateway: rate limits, paths, ids."""

from collections.abc import Callable, Mapping

from frames.errors import GreetingError
from frames.frame import FaultCode, Method
from frames.greeting import EndpointOffer, Hello
from frames.template import quoted, shown
from penstock.settings.rate import parse_rate_limit
from penstock.settings.types import BadValueError
from proxy.targets.instance import Instance, RouteKey
from proxy.targets.routes import Routes

PROBLEM_CHARACTERS_MAX = 300


def check_declared(hello: Hello) -> None:
    """Raise GreetingError, INVALID_HELLO, for the first rate limit that means nothing here."""
    for endpoint in hello.listed:
        for text in endpoint.rate_limits:
            try:
                parse_rate_limit(text)
            except BadValueError as error:
                raise GreetingError(
                    FaultCode.INVALID_HELLO,
                    f"HELLO: a rate limit of {endpoint.method} {quoted(endpoint.path)}:"
                    f" {shown(str(error), PROBLEM_CHARACTERS_MAX)}",
                ) from None


def check_owners(
    service: str,
    endpoints: Mapping[RouteKey, EndpointOffer],
    routes: Routes,
    reserved: Mapping[tuple[Method, str], str],
    overlap: Callable[[str, str], bool],
) -> None:
    """Raise GreetingError, FORBIDDEN, when the service claims a method and path that another one has.

    reserved: those that the configuration gives to a service; overlap: whether a request may be meant for either of
    two services.
    """
    for key, endpoint in endpoints.items():
        holder = reserved.get(key[:2])
        if holder not in (None, service) and overlap(service, str(holder)):
            raise GreetingError(
                FaultCode.FORBIDDEN,
                f"the service {quoted(service)} may not register {endpoint.method} {quoted(endpoint.path)}:"
                f" fanouts in the gateway's configuration gives it to {quoted(str(holder))}; use another path",
            )
        for owner in routes.owners(key[0], key[1]):
            if owner != service and overlap(service, owner):
                raise GreetingError(
                    FaultCode.FORBIDDEN,
                    f"the service {quoted(service)} may not register {endpoint.method} {quoted(endpoint.path)}:"
                    f" it belongs to the service {quoted(owner)}, until its last instance has left; use another"
                    " path, or give the two services different hosts in PENSTOCK_ROUTES_HOSTS of the gateway",
                )


def check_ids(instance: Instance, hello: Hello) -> None:
    """Raise GreetingError when an id means another endpoint than before: a request may be on its way to that."""
    given = instance.given_ids()
    for index, endpoint in enumerate(hello.listed):
        before = given.get(endpoint.id)
        if before is not None and before[:2] != endpoint.shape:
            raise GreetingError(
                FaultCode.INVALID_HELLO,
                f"HELLO: endpoints[{index}].id is {endpoint.id}, which stood for {before[0].name} {quoted(before[1])}"
                " on this connection; give each endpoint an id of its own",
            )
