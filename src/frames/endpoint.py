"""Endpoints as a HELLO lists them: what each says, the rules that hold for it, and the digest of the list.

The digest stands for the list in a slim HELLO (docs/protocol.md, section 5). Both sides make it of the same bytes:
the list as JSON in its canonical form, which ``canonical_endpoints`` returns.

The shape of a path template is ruled in ``template.py``.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from frames.frame import FaultCode, Method
from frames.greeting_rules import Checker
from frames.limits import (
    BODY_BYTES_MAX,
    CLAIM_CHARACTERS_MAX,
    CLAIM_VALUE_CHARACTERS_MAX,
    CLAIM_VALUES_MAX,
    CLAIMS_MAX,
    ENDPOINT_MAX,
    ENDPOINTS_MAX,
    RATE_LIMIT_CHARACTERS_MAX,
    RATE_LIMITS_MAX,
    REMAINING_MS_MAX,
    UPGRADES_MAX,
)
from frames.template import TemplateError, check_template, quoted, template_shape

METHODS: Final = {method.name: method for method in Method}
"""REQUEST's methods by their text in an endpoint."""

NEVER_UPGRADED: Final = "h2c"
"""Would tunnel HTTP past every rule of the gateway."""

PUBLIC: Final = "public"
AUTHENTICATED: Final = "authenticated"
"""The two values of ``access``."""

_UPGRADE = re.compile(r"[a-z0-9._-]{1,32}")
_PRINTABLE = re.compile(r"[\x20-\x7e]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class EndpointOffer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One endpoint that a service offers: method and path, how it wants to be called, and by whom.

    The order of the members is that of the canonical form.
    """

    id: int
    method: str
    path: str
    deadline_ms: int | None = None
    idempotent: bool = False
    streams: bool = False
    upgrades: tuple[str, ...] = ()
    access: str | None = None
    """``public`` or ``authenticated``; None: the gateway's operator says."""
    claims: Mapping[str, tuple[str, ...]] = {}
    """By name: the values of which one is needed; empty: any value."""
    body_bytes: int | None = None
    """The longest body of a request."""
    rate_limits: tuple[str, ...] = ()
    """Such as ``100/s by tenant``."""

    @property
    def shape(self) -> tuple[Method, str]:
        """What makes it this endpoint and no other: the method, and the path with its parameters unnamed."""
        return METHODS[self.method], template_shape(self.path)


_encode = msgspec.json.Encoder().encode


def canonical_endpoints(endpoints: tuple[EndpointOffer, ...]) -> bytes:
    """Return the list as JSON that is the same for all who mean the same.

    Endpoints stand in the order of the list; their members in the order of section 5, without those that have their
    default; the members of ``claims`` by name. There is no space, and nothing is escaped that need not be (RFC 8259,
    section 7).
    """
    return _encode([_sorted_claims(endpoint) if len(endpoint.claims) > 1 else endpoint for endpoint in endpoints])


def endpoints_digest(endpoints: tuple[EndpointOffer, ...]) -> str:
    """Return the SHA-256 of the canonical list, as 64 lower-case hexadecimal digits."""
    return sha256(canonical_endpoints(endpoints)).hexdigest()


def check_endpoints(check: Checker, endpoints: tuple[EndpointOffer, ...]) -> None:
    """Raise GreetingError for the first endpoint that breaks a rule, alone or beside the others."""
    check.count("endpoints", len(endpoints), ENDPOINTS_MAX)
    at_id: dict[int, int] = {}
    at_shape: dict[tuple[Method, str], int] = {}
    for index, endpoint in enumerate(endpoints):
        where = f"endpoints[{index}]"
        _check_endpoint(check, where, endpoint)
        if at_id.setdefault(endpoint.id, index) != index:
            check.refuse(f"{where}.id is {endpoint.id}, which endpoints[{at_id[endpoint.id]}] has already")
        shape = endpoint.shape
        if at_shape.setdefault(shape, index) != index:
            check.refuse(
                f"{where} is {endpoint.method} {quoted(endpoint.path)}, which endpoints[{at_shape[shape]}] offers"
                " already"
            )


def _sorted_claims(endpoint: EndpointOffer) -> EndpointOffer:
    return replace(endpoint, claims=dict(sorted(endpoint.claims.items())))


def _check_endpoint(check: Checker, where: str, endpoint: EndpointOffer) -> None:
    check.within(f"{where}.id", endpoint.id, 0, ENDPOINT_MAX)
    if endpoint.method not in METHODS:
        check.refuse(f"{where}.method is {quoted(endpoint.method)}, and not one of {', '.join(METHODS)}")
    try:
        check_template(endpoint.path)
    except TemplateError as error:
        check.refuse(f"{where}.path is {quoted(endpoint.path)}: it {error}")
    if endpoint.deadline_ms is not None:
        check.within(f"{where}.deadline_ms", endpoint.deadline_ms, 1, REMAINING_MS_MAX)
    if endpoint.body_bytes is not None:
        check.within(f"{where}.body_bytes", endpoint.body_bytes, 0, BODY_BYTES_MAX)
    if endpoint.upgrades:
        _check_upgrades(check, where, endpoint)
    if endpoint.access is not None or endpoint.claims:
        _check_access(check, where, endpoint)
    if endpoint.rate_limits:
        _check_rate_limits(check, where, endpoint)


def _check_upgrades(check: Checker, where: str, endpoint: EndpointOffer) -> None:
    check.count(f"{where}.upgrades", len(endpoint.upgrades), UPGRADES_MAX)
    for index, upgrade in enumerate(endpoint.upgrades):
        check.form(f"{where}.upgrades[{index}]", upgrade, _UPGRADE, "1 to 32 of a-z 0-9 '.' '_' '-'")
        if upgrade == NEVER_UPGRADED:
            check.refuse(f"{where}.upgrades[{index}] is 'h2c', which is never forwarded")
    if not endpoint.streams or endpoint.method != Method.GET.name:
        check.refuse(f"{where} has upgrades, and needs streams and the method GET for them")


def _check_access(check: Checker, where: str, endpoint: EndpointOffer) -> None:
    if endpoint.access not in {None, PUBLIC, AUTHENTICATED}:
        check.refuse(f"{where}.access is {quoted(endpoint.access or '')}, and not one of {PUBLIC}, {AUTHENTICATED}")
    if endpoint.access == PUBLIC and endpoint.claims:
        check.refuse(
            f"{where} is public and has claims, which nobody without an identity can meet; take one of the two away"
        )
    check.count(f"{where}.claims", len(endpoint.claims), CLAIMS_MAX)
    for name, values in endpoint.claims.items():
        if not 0 < len(name) <= CLAIM_CHARACTERS_MAX:
            check.refuse(
                f"{where}.claims has a name of {len(name):,} characters, and they must have 1 to {CLAIM_CHARACTERS_MAX}"
            )
        check.count(f"{where}.claims[{quoted(name)}]", len(values), CLAIM_VALUES_MAX)
        for index, value in enumerate(values):
            check.length(f"{where}.claims[{quoted(name)}][{index}]", value, CLAIM_VALUE_CHARACTERS_MAX)


def _check_rate_limits(check: Checker, where: str, endpoint: EndpointOffer) -> None:
    """Check the form only: what a limit means is judged by the gateway, whose language it is."""
    check.count(f"{where}.rate_limits", len(endpoint.rate_limits), RATE_LIMITS_MAX)
    for index, text in enumerate(endpoint.rate_limits):
        at = f"{where}.rate_limits[{index}]"
        check.length(at, text, RATE_LIMIT_CHARACTERS_MAX)
        check.form(at, text, _PRINTABLE, "printable ASCII, such as '100/s by tenant'")


def check_digest(check: Checker, digest: str | None, endpoints: tuple[EndpointOffer, ...] | None) -> None:
    """Raise GreetingError when a HELLO has neither endpoints nor digest, or another digest than its endpoints have."""
    if digest is None:
        if endpoints is None:
            check.refuse("endpoints is missing, and so is the digest that may stand in its place")
        return
    check.form("digest", digest, _DIGEST, "64 of 0-9 a-f, the SHA-256 of the endpoints")
    if endpoints is not None and endpoints_digest(endpoints) != digest:
        check.refuse("digest is not that of the endpoints beside it", FaultCode.INVALID_HELLO)
