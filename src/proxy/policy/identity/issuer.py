"""What a token of an issuer must say, and the identity that it proves (RFC 7519, section 4.1; RFC 8725, section 3).

All of it is asked before the signature is looked at: it costs little, and what fails here needs no key. It is believed
only when the signature has been verified.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from penstock.settings.identity import TENANT_FORM, Issuer
from proxy.request.caller import Identity

from .causes import Cause, RefusedError
from .compact import Token

CLAIMS_BYTES_MAX: Final = 4_096
"""The longest JSON of claims that goes to a service with each request."""
PRINCIPAL_BYTES_MAX: Final = 256
SERVICE_PREFIX: Final = "service:"
"""What principals of services begin with (docs/protocol.md, section 8): nobody else's may."""

TIME_MAX_S: Final = 1e12
"""Some thirty thousand years: a time beyond it is none."""

_encode = msgspec.json.Encoder().encode


class Proof(msgspec.Struct, frozen=True, eq=False):
    """What credentials prove. told: the claims as JSON, as services are told them."""

    identity: Identity
    told: bytes = b"{}"

    def __repr__(self) -> str:
        """Who it is."""
        return f"<Proof of {self.identity!r}>"


def check_token(token: Token, issuer: Issuer, now_s: float, skew_s: float) -> Proof:
    """Return what a token proves if its signature is right.

    now_s: Unix time; skew_s: how far the issuer's clock may be from ours.

    Raises:
        RefusedError: its issuer is another, or what it says is not enough.
    """
    if token.algorithm not in issuer.algorithms:
        raise RefusedError(Cause.ALGORITHM)
    if issuer.typ and not is_type(token.type, issuer.typ):
        raise RefusedError(Cause.HEADER)
    claims = token.claims
    if claims.get("iss") != issuer.issuer:
        raise RefusedError(Cause.ISSUER)
    _check_audience(claims.get("aud"), issuer.audience)
    expires_at_s = _check_times(claims, now_s, skew_s)
    identity = Identity(
        principal=check_principal(claims.get(issuer.principal_claim), issuer.principal_prefix),
        claims=claims,
        tenants=_tenants(claims, issuer.tenant_claim),
        expires_at_s=expires_at_s,
        issuer=issuer.name,
    )
    return Proof(identity, tell_claims(claims, issuer.pass_claims))


def is_type(said: str | None, wanted: str) -> bool:
    """Whether a `typ` is the wanted one, with or without ``application/`` (RFC 7515, section 4.1.9)."""
    return said is not None and _media_type(said) == _media_type(wanted)


def _media_type(text: str) -> str:
    return text.lower().removeprefix("application/")


def _check_audience(said: object, wanted: tuple[str, ...]) -> None:
    named = [said] if isinstance(said, str) else said
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise RefusedError(Cause.AUDIENCE)
    if not any(name in wanted for name in named):
        raise RefusedError(Cause.AUDIENCE)


def _check_times(claims: Mapping[str, Any], now_s: float, skew_s: float) -> float:
    """Return when it ends, skew included. Without an end nobody could take it back, so there must be one."""
    expires_s = _time(claims, "exp")
    if expires_s is None:
        raise RefusedError(Cause.CLAIMS)
    if now_s >= expires_s + skew_s:
        raise RefusedError(Cause.EXPIRED)
    for name in ("nbf", "iat"):
        begins_s = _time(claims, name)
        if begins_s is not None and begins_s > now_s + skew_s:
            raise RefusedError(Cause.NOT_YET)
    return expires_s + skew_s


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > TIME_MAX_S:
        raise RefusedError(Cause.CLAIMS)
    return value


def check_principal(said: object, prefix: str = "") -> str:
    """Return the principal: text that can stand in a log line, and that is no service's."""
    if not isinstance(said, str) or not said:
        raise RefusedError(Cause.CLAIMS)
    principal = prefix + said
    if not principal.isprintable() or len(principal.encode()) > PRINCIPAL_BYTES_MAX:
        raise RefusedError(Cause.CLAIMS)
    if principal.lower().startswith(SERVICE_PREFIX):
        raise RefusedError(Cause.CLAIMS)
    return principal


def _tenants(claims: Mapping[str, Any], name: str) -> frozenset[str] | None:
    """Return the tenants that it names. Where it should name them and does not, it may act for none."""
    if not name:
        return None
    said = claims.get(name, [])
    named = [said] if isinstance(said, str) else said
    if not isinstance(named, list) or not all(isinstance(one, str) and TENANT_FORM.fullmatch(one) for one in named):
        raise RefusedError(Cause.CLAIMS)
    return frozenset(named)


def tell_claims(claims: Mapping[str, Any], names: tuple[str, ...] = ()) -> bytes:
    """Return the JSON that services are told: of all claims, or of those that are named.

    Raises:
        RefusedError: it is too long. A part of them would be taken for all, so nothing is left out unasked.
    """
    told = _encode({name: claims[name] for name in names if name in claims} if names else claims)
    if len(told) > CLAIMS_BYTES_MAX:
        raise RefusedError(Cause.CLAIMS_TOO_LARGE)
    return told
