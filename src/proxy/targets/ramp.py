"""The ramp: how what comes back gets its share again, little by little.

Who was away has cold caches, and may not be well yet: a part of the requests shows it at a part of the harm.
"""

from typing import Final

RAMP_LEAST: Final = 0.1
"""Of its share, what it begins with: enough to be measured."""


def ramp_share(began_at: float, ramp_s: float, now: float) -> float:
    """Return which part of its share is given now: it grows evenly from `RAMP_LEAST` to 1 within ramp_s."""
    if now >= began_at + ramp_s:
        return 1.0
    return max(RAMP_LEAST, (now - began_at) / ramp_s)
