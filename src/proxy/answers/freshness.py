"""Whether an answer may be kept for others, and for how long: RFC 9111, as a shared cache is held to it.

The rule of the route says that answers may be kept at all. What the answer says for itself counts before it, where that
is stricter or exact; nothing that it says lets it be kept for longer than the rule's most.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from proxy.answers.directives import Directives, parse_directives, seconds
from proxy.answers.payload import Response
from proxy.request.route_policy import CacheRule

_HEURISTIC: Final = frozenset((200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501))
"""May be kept where they say nothing of it (RFC 9110, section 15.1), 206 excepted, of which nothing is kept here."""
_NEVER: Final = frozenset((206, 304))
"""Parts, and what is about an answer that the client has."""
_MS: Final = 1_000


class NotKept(Enum):
    """Why an answer is not kept. The value is the label of a metric."""

    STATUS = "status"
    NO_STORE = "no_store"
    PRIVATE = "private"
    NO_CACHE = "no_cache"
    AUTHORIZATION = "authorization"
    SET_COOKIE = "set_cookie"
    VARY = "vary"
    STALE = "stale"
    SIZE = "size"
    INVALIDATED = "invalidated"


class Life(NamedTuple):
    """How long an answer lives. Milliseconds from when it came; age_ms: which it had by then."""

    age_ms: int
    fresh_ms: int
    stale_ms: int
    """From when it is not fresh any more: how long it may be given while another one is fetched (RFC 5861)."""
    vary: tuple[bytes, ...]
    """The fields of a request that it depends on, in lower case, in order of the alphabet (section 4.1)."""


def judge(
    response: Response,
    rule: CacheRule,
    asked: Directives,
    *,
    is_authenticated: bool,
    delay_ms: int,
    now_s: Callable[[], float],
) -> Life | NotKept:
    """Return how long an answer to GET may be given to others, or why not at all (sections 3 and 4.2).

    asked: Cache-Control of the request; is_authenticated: whether it said who asks, and the answer would be given to
    others, too; delay_ms: between request and answer; now_s: seconds since 1970, asked for only where a date counts.
    """
    said = parse_directives(response.value(b"cache-control"))
    refusal = _refusal(response, said, asked, is_authenticated=is_authenticated)
    if refusal is not None:
        return refusal
    vary = _vary(response.value(b"vary"))
    if vary is None:
        return NotKept.VARY
    explicit_ms = _explicit_ms(response, said, now_s)
    if explicit_ms is None and response.status not in _HEURISTIC:
        return NotKept.STATUS
    fresh_ms = min(rule.ttl_ms if explicit_ms is None else explicit_ms, rule.ttl_max_ms)
    age_ms = _age_ms(response) + delay_ms
    if age_ms >= fresh_ms:
        return NotKept.STALE
    return Life(age_ms, fresh_ms - age_ms, _stale_ms(said, rule), vary)


def _refusal(response: Response, said: Directives, asked: Directives, *, is_authenticated: bool) -> NotKept | None:
    status = response.status
    if status in _NEVER or status < 200 or (status >= 500 and status != 501):
        return NotKept.STATUS
    if b"no-store" in said or b"no-store" in asked:
        return NotKept.NO_STORE
    if b"private" in said:
        return NotKept.PRIVATE
    if b"no-cache" in said:  # it could be given only after its service was asked, which is no gain here
        return NotKept.NO_CACHE
    if response.has(b"set-cookie"):
        return NotKept.SET_COOKIE
    if is_authenticated and not said.keys() & {b"public", b"s-maxage", b"must-revalidate"}:  # section 3.5
        return NotKept.AUTHORIZATION
    return None


def _vary(value: bytes | None) -> tuple[bytes, ...] | None:
    """Return the names; None where nothing tells which requests it is for."""
    if not value:
        return ()
    names = {name.strip().lower() for name in value.split(b",")} - {b""}
    return None if b"*" in names else tuple(sorted(names))


def _explicit_ms(response: Response, said: Directives, now_s: Callable[[], float]) -> int | None:
    """Return what it says itself (section 4.2.1): s-maxage, max-age, Expires, in this order."""
    for name in (b"s-maxage", b"max-age"):
        lifetime_s = seconds(said, name)
        if lifetime_s is not None:
            return lifetime_s * _MS
    expires = response.value(b"expires")
    if expires is None:
        return None
    expires_s, date = _timestamp(expires), response.value(b"date")
    if expires_s is None:  # above all "0": it has expired (section 5.3)
        return 0
    date_s = _timestamp(date) if date is not None else None
    return max(0, round((expires_s - (now_s() if date_s is None else date_s)) * _MS))


def _timestamp(date: bytes) -> float | None:
    from email.utils import parsedate_to_datetime  # what hardly any service needs

    try:
        return parsedate_to_datetime(date.decode("latin-1")).timestamp()
    except (ValueError, OverflowError):
        return None


def _age_ms(response: Response) -> int:
    """Return the age that it has come with (section 5.1)."""
    value = response.value(b"age")
    if value is None:
        return 0
    first = value.partition(b",")[0].strip()
    return min(int(first[:12]), 2**31) * _MS if first.isdigit() else 0


def _stale_ms(said: Directives, rule: CacheRule) -> int:
    """Return for how long it may be given beyond (section 4.2.4; RFC 5861, section 3)."""
    if said.keys() & {b"must-revalidate", b"proxy-revalidate", b"s-maxage"}:
        return 0
    its_own_s = seconds(said, b"stale-while-revalidate")
    return rule.stale_ms if its_own_s is None else min(its_own_s * _MS, max(rule.stale_ms, rule.ttl_max_ms))
