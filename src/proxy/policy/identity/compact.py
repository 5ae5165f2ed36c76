"""A signed token as it came: a JWS in compact form that holds claims (RFC 7515, section 7.1; RFC 7519, section 7.2).

It is read strictly, since what two readers take differently lets one of them be deceived: exactly three parts,
base64url without padding or space and with one spelling only (RFC 4648, section 3.5), UTF-8, JSON objects without a
member that is there twice, numbers that are finite. Nothing here is believed yet: the signature is not looked at.

Header parameters that name keys (`jku`, `jwk`, `x5u`, `x5c`) are not looked at: keys come from the configuration
(RFC 8725, section 3.10). No extension is understood, so one that must be is refused (RFC 7515, section 4.1.11).
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, NoReturn

import msgspec

from .causes import Cause, RefusedError

TOKEN_BYTES_MAX: Final = 8_192
"""What fits into a request head beside other fields; larger ones are refused unread."""
KEY_ID_CHARACTERS_MAX: Final = 256
_PARTS: Final = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class Token(msgspec.Struct, frozen=True, eq=False):
    """What a token says of itself. Its ``repr`` shows nothing of it."""

    algorithm: str
    key_id: str | None
    type: str | None
    claims: Mapping[str, Any]
    signed: bytes
    """What the signature is of."""
    signature: bytes

    def __repr__(self) -> str:
        """Nothing but what it is."""
        return "<Token>"


def parse_token(text: bytes) -> Token:
    """Return what a token says.

    Raises:
        RefusedError: TOO_LARGE, MALFORMED, or HEADER for an extension.
    """
    if len(text) > TOKEN_BYTES_MAX:
        raise RefusedError(Cause.TOO_LARGE)
    match = _PARTS.fullmatch(text)
    if match is None:
        raise RefusedError(Cause.MALFORMED)
    header, payload, signature = match.groups()
    parameters, claims = _object(_decoded(header)), _object(_decoded(payload))
    if "crit" in parameters or "b64" in parameters:
        raise RefusedError(Cause.HEADER)
    return Token(
        algorithm=_text(parameters, "alg") or "none",
        key_id=_text(parameters, "kid"),
        type=_text(parameters, "typ"),
        claims=claims,
        signed=text[: len(header) + 1 + len(payload)],
        signature=_decoded(signature),
    )


def _decoded(part: bytes) -> bytes:
    """Decode base64url that has one spelling only."""
    try:
        decoded = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        raise RefusedError(Cause.MALFORMED) from None
    if urlsafe_b64encode(decoded).rstrip(b"=") != part:
        raise RefusedError(Cause.MALFORMED)
    return decoded


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        raise RefusedError(Cause.MALFORMED) from None
    if not isinstance(value, dict):
        raise RefusedError(Cause.MALFORMED)
    return value


def _text(parameters: Mapping[str, Any], name: str) -> str | None:
    value = parameters.get(name)
    if name in parameters and (not isinstance(value, str) or len(value) > KEY_ID_CHARACTERS_MAX):
        raise RefusedError(Cause.MALFORMED)
    return value


def parse_json(text: bytes) -> Any:
    """Return what JSON says, read strictly: for tokens and for JWK sets.

    Raises:
        ValueError: it is no JSON (`json.JSONDecodeError`) or no UTF-8, has a member twice, a number that is not finite,
            or half a character.
        RecursionError: it is nested too deeply.
    """
    import json  # by the first token: most of this is imported by gateways that look at none

    value = json.loads(
        text.decode("utf-8"), object_pairs_hook=_members, parse_float=_finite, parse_constant=_no_constant
    )
    try:
        msgspec.json.encode(value)  # what cannot be written again: half of a surrogate pair, more than 64 bits
    except OverflowError:
        raise ValueError("a number is too large") from None
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")
