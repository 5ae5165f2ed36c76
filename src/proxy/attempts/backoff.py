"""How long to wait before another attempt: by chance, and by what the service asks for."""

from collections.abc import Callable
from typing import Final

from frames.fields import find_named
from frames.limits import FIELD_ENTRY_BYTES, RESPONSE_FIXED_BYTES
from proxy.attempts.profiles import Profile

PUSHBACK_MS_MAX: Final = 86_400_000
"""What is longer is as good as never; so no number that a service writes is too large to be counted with."""


def backoff_ms(profile: Profile, attempt: int, rand: Callable[[], float]) -> int:
    """Return how long to wait after this attempt: anything from nothing to a bound that doubles ("full jitter").

    So those that failed together do not come back together, which a wait of a fixed length would make them do.
    """
    bound = min(profile.backoff_max_ms, profile.backoff_ms << min(attempt - 1, 16))
    return int(rand() * (bound + 1))


def pushback_ms(payload: bytes, now_s: Callable[[], float]) -> int:
    """Return what a RESPONSE asks for by Retry-After (RFC 9110, section 10.2.3); 0 where it asks for nothing.

    payload: of the frame; now_s: seconds since 1970, asked for only where a date is given.
    """
    count = int.from_bytes(payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    value = find_named(payload, RESPONSE_FIXED_BYTES, count, text_at, b"retry-after")
    if not value:
        return 0
    text = value.decode("latin-1").strip()
    seconds = float(text[:9]) if text.isascii() and text.isdigit() else _seconds_until(text, now_s)
    return max(0, min(PUSHBACK_MS_MAX, round(seconds * 1000)))


def _seconds_until(date: str, now_s: Callable[[], float]) -> float:
    from email.utils import parsedate_to_datetime  # what hardly any service needs

    try:
        return parsedate_to_datetime(date).timestamp() - now_s()
    except (ValueError, OverflowError):
        return 0.0
