"""What all parts of the load tests share: where they are, free ports, and durations as people write them."""

import re
import socket
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
HERE: Final = Path(__file__).resolve().parent

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address that nothing listens on, no two alike.

    All are held while they are drawn. They are below those that the kernel gives to connections by itself where that is
    possible, so that none of ours is taken by a connection before its server listens.
    """
    probes: list[socket.socket] = []
    try:
        for port in range(_first_port(), 32_000):
            if len(probes) == count:
                break
            probe = socket.socket()
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                probe.close()
                continue
            probes.append(probe)
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _first_port() -> int:
    """Where to begin to look: drawn, since other runs look, too."""
    import random

    return random.randrange(16_000, 30_000)


def duration_s(text: str) -> float:
    """Return the seconds that a duration says: 90s, 10m, 24h, 1h30m. Raises ValueError with what is right."""
    found = _DURATION.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        raise ValueError(f"{text!r} is no duration; write it like 90s, 10m, 1h30m or 24h")
    return sum(float(number) * _UNITS_S[unit] for number, unit in found)


def shown_duration(seconds: float) -> str:
    """Return a duration for people: 9:58, or 23:10:07."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
