"""How an instance is: from what it says of itself, and from how long it has been silent.

    silence        0 s        15 s         30 s          90 s
    health         healthy    degraded     unhealthy     removed

An instance that announced that it goes is draining, until it is gone. An instance that says of itself that it is
degraded is.
"""

from enum import Enum
from typing import Final

import msgspec

from frames.frame import HealthStatus
from frames.limits import HEARTBEATS_MISSED_MAX


class Health(Enum):
    """How an instance is, from the best on."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"  # chosen only when no healthy one is there
    UNHEALTHY = "unhealthy"  # listed, never chosen
    DRAINING = "draining"  # the same: it goes
    REMOVED = "removed"  # silent for so long that its connection is closed


CHOOSABLE: Final = frozenset((Health.HEALTHY, Health.DEGRADED))
"""Which instances may be sent a request at all."""


class HealthThresholds(msgspec.Struct, frozen=True, kw_only=True):
    """After how much silence an instance is how, in seconds.

    heartbeat_s is how often a peer is expected to say something; what is sooner than three of them would call a
    healthy instance degraded after one lost heartbeat. ValueError when the numbers do not fit together.
    """

    heartbeat_s: float = 5.0
    degraded_s: float = 15.0
    unhealthy_s: float = 30.0
    removed_s: float = 90.0

    def __post_init__(self) -> None:
        """Check the numbers against each other."""
        if not self.heartbeat_s > 0:
            raise ValueError(f"the heartbeat interval is {self.heartbeat_s:g} s: make it longer than 0 s")
        least = HEARTBEATS_MISSED_MAX * self.heartbeat_s
        if not self.degraded_s > 0.999 * least:  # 3 x 0.1 is more than 0.3, as floats go
            raise ValueError(
                f"instances would be degraded after {self.degraded_s:g} s of silence, sooner than"
                f" {HEARTBEATS_MISSED_MAX} heartbeats of {self.heartbeat_s:g} s: make it at least {least:g} s,"
                " or the heartbeat faster"
            )
        if not self.degraded_s < self.unhealthy_s < self.removed_s:
            raise ValueError(
                f"degraded after {self.degraded_s:g} s, unhealthy after {self.unhealthy_s:g} s, removed after"
                f" {self.removed_s:g} s of silence: each must be longer than the one before"
            )

    def patience(self, peer_heartbeat_s: float) -> float:
        """Return by what the thresholds are to be multiplied for a peer with this heartbeat interval; at least 1.

        A peer chooses its own interval, and is degraded after three of them at the soonest (docs/protocol.md, section
        6).
        """
        return max(1.0, HEARTBEATS_MISSED_MAX * peer_heartbeat_s / self.degraded_s)


def health_of(thresholds: HealthThresholds, silent_s: float, reported: HealthStatus, *, is_going: bool) -> Health:
    """Return how an instance is. silent_s: since it was last heard; is_going: it said GOAWAY, or was told so."""
    if silent_s >= thresholds.removed_s:
        return Health.REMOVED
    if is_going or reported is HealthStatus.DRAINING:
        return Health.DRAINING
    if silent_s >= thresholds.unhealthy_s:
        return Health.UNHEALTHY
    if silent_s >= thresholds.degraded_s or reported is HealthStatus.DEGRADED:
        return Health.DEGRADED
    return Health.HEALTHY
