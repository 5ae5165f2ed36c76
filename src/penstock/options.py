"""What an endpoint may say about itself besides method and path: in code, and in the file that overrides the code.

Every decorator of `Service` takes these as keyword arguments; they are listed here once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from frames.endpoint import EndpointOffer, check_endpoints
from frames.errors import GreetingError
from frames.frame import FaultCode
from frames.greeting_rules import Checker
from penstock.errors import RegistrationError

__all__ = ["Access", "AnyOptions", "Claims", "EndpointOptions", "SocketOptions", "check_offer", "make_offer"]

Access = Literal["public", "authenticated"]
Claims = Mapping[str, Sequence[str]]


class AnyOptions(TypedDict, total=False):
    """What a handler of any kind may say."""

    access: Access | None
    """`public`: anybody may ask; `authenticated`: whoever proved an identity. Left out: as the service says."""
    claims: Claims
    """What the identity must claim: for each name the values of which one is needed; none: any value."""
    rate_limits: Sequence[str]
    """How often it may be asked: `100/s by tenant`, at most four of them."""
    deadline_ms: int | None
    """This endpoint's own limit; the gateway's still holds."""


class EndpointOptions(AnyOptions, total=False):
    """What a handler of requests may say."""

    idempotent: bool
    """May be sent again when it is not known whether it was carried out. GET, HEAD, PUT and DELETE are by definition
    (RFC 9110, section 9.2.2)."""
    streams: bool
    """Bodies are read by `call.stream()` as they come, and answers may be sent piece by piece."""
    body_bytes: int | None
    """The longest body of a request; a longer one is answered 413 by the gateway."""


class SocketOptions(AnyOptions, total=False):
    """What a handler of WebSockets may say."""

    subprotocols: Sequence[str]
    """Those that it speaks, the preferred one first."""
    message_bytes_max: int
    """A longer message closes the socket with 1009. Default: 1 MiB."""
    compression: bool
    """permessage-deflate, for clients that offer it. Default: yes."""


IDEMPOTENT = frozenset(("GET", "HEAD", "PUT", "DELETE"))
"""RFC 9110, section 9.2.2; OPTIONS, which services answer seldom, must say so."""


def make_offer(
    number: int,
    method: str,
    path: str,
    options: EndpointOptions,
    *,
    access: Access | None = None,
    upgrades: tuple[str, ...] = (),
) -> EndpointOffer:
    """Return what HELLO says of an endpoint. access: where the options name none. Raises `RegistrationError`."""
    where = f"{method} {path}"
    _check_names(where, options)
    claims = _claims(where, options.get("claims", {}))
    if claims and access == "public":
        access = "authenticated"  # the service's default is for endpoints that want nothing more
    offer = EndpointOffer(
        id=number,
        method=method,
        path=path,
        deadline_ms=options.get("deadline_ms"),
        idempotent=options.get("idempotent", method in IDEMPOTENT),
        streams=options.get("streams", False),
        upgrades=upgrades,
        access=options.get("access") or access,
        claims=claims,
        body_bytes=options.get("body_bytes"),
        rate_limits=_rate_limits(where, options.get("rate_limits", ())),
    )
    check_offer(where, offer)
    return offer


def check_offer(where: str, offer: EndpointOffer) -> None:
    """Raise `RegistrationError` for what no gateway would accept."""
    try:
        check_endpoints(Checker("", FaultCode.INVALID_HELLO), (offer,))
    except GreetingError as error:
        what = str(error).removeprefix(": endpoints[0]").removeprefix(".")
        raise RegistrationError(f"{where}: {what.strip()}") from error


def _check_names(where: str, options: Mapping[str, Any]) -> None:
    known = EndpointOptions.__optional_keys__
    for name in options:
        if name not in known:
            from penstock.settings.errors import did_you_mean

            raise TypeError(f"{where}: there is no option {name!r}; {did_you_mean(name, known)}")


def _claims(where: str, claims: Claims) -> dict[str, tuple[str, ...]]:
    if not isinstance(claims, Mapping):
        raise RegistrationError(f'{where}: claims is a {type(claims).__name__}; write claims={{"scope": ["read"]}}')
    return {str(name): _texts(where, f"claims[{name!r}]", values) for name, values in claims.items()}


def _rate_limits(where: str, limits: Sequence[str]) -> tuple[str, ...]:
    """Return the limits as they were written; wrong ones are told here, and not by a gateway."""
    texts = _texts(where, "rate_limits", limits)
    if texts:
        from penstock.settings.rate import parse_rate_limit
        from penstock.settings.types import BadValueError

        try:
            for text in texts:
                parse_rate_limit(text)
        except BadValueError as error:
            raise RegistrationError(f"{where}: rate_limits: {error}") from error
    return texts


def _texts(where: str, name: str, values: Sequence[str]) -> tuple[str, ...]:
    """Return a list of texts; a single text, whose characters would pass for one, is refused."""
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise RegistrationError(f"{where}: {name} is {values!r}; write a list of texts")
    return tuple(values)
