"""Whether an identity claims what a route wants."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from proxy.request.route_policy import Claim

_SPACED: Final = frozenset({"scope", "scp"})
"""Claims whose text is a list, separated by spaces (RFC 8693, section 4.2)."""


def claims_met(claims: Mapping[str, Any], wanted: Iterable[Claim]) -> bool:
    """Whether all that is wanted is claimed."""
    return all(_is_met(find_claim(claims, claim.name), claim) for claim in wanted)


def unmet_claims(claims: Mapping[str, Any], wanted: Iterable[Claim]) -> tuple[Claim, ...]:
    """Return what is wanted and not claimed: for operators, never for clients."""
    return tuple(claim for claim in wanted if not claims_met(claims, (claim,)))


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim's value, None without one. A dot reaches into an object, unless a claim has just that name."""
    if name in claims or "." not in name:
        return claims.get(name)
    value: Any = claims
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _is_met(value: Any, wanted: Claim) -> bool:
    texts = _texts(value, wanted.name)
    if wanted.values:
        return any(text in wanted.values for text in texts)
    return value is not False and (bool(texts) or (isinstance(value, Mapping) and bool(value)))


def _texts(value: Any, name: str) -> list[str]:
    """Return what is claimed, as texts: null, nothing and objects are none."""
    if isinstance(value, str) and name in _SPACED:
        return value.split()
    values = value if isinstance(value, list | tuple) else [value]
    return [text for each in values if (text := _text(each))]


def _text(value: Any) -> str:
    """Return a text, a number or a truth value as text."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, bool | int | float) else ""
