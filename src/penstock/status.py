"""What a process says of itself when a gateway asks how it is (docs/protocol.md, section 5, Status)."""

import resource
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

__all__ = ["REASONS_MAX", "STATUS_TARGET", "Readiness", "make_status", "not_ready"]

STATUS_TARGET: Final = "/status.json"
REASONS_MAX: Final = 16
"""As many as somebody may read."""

Readiness = Callable[[], str | None]
"""A check: why the process is not ready, one sentence; None where it is. It must not wait."""


def not_ready(checks: Iterable[Readiness], *, is_draining: bool) -> list[str]:
    """Return why a process is not ready. A check that fails itself is a reason, without what it raised."""
    reasons = ["It is shutting down."] if is_draining else []
    for check in checks:
        try:
            reason = check()
        except Exception:  # whatever the author's function raises; its text may be nobody's to know
            reason = f"The check {getattr(check, '__name__', 'without a name')} failed."
        if reason:
            reasons.append(str(reason))
    return reasons[:REASONS_MAX]


def make_status(reasons: list[str], *, in_flight: int, concurrency: int, uptime_s: float) -> dict[str, Any]:
    """Return what is told. rss_bytes: the most that was ever resident."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "ready": not reasons,
        "reasons": reasons,
        "in_flight": in_flight,
        "concurrency": concurrency,
        "uptime_s": round(uptime_s, 1),
        "cpu_s": round(time.process_time(), 3),
        "rss_bytes": peak if sys.platform == "darwin" else peak * 1024,
    }
