"""What the generator of the load is told: JSON that the runner writes, and `python -m loadtests.client` reads.

The generator answers with lines of JSON, each an object with one key:

    {"ready": true}           it could reach what it is to load; then it waits for the line `begin` on its input
    {"interval": {...}}       `record.Interval`, soon after each has ended
    {"notable": {...}}        `record.Notable`, as they happen
    {"requests": [...]}       `record.RequestCounts`, once, at the end: its last line
    {"error": "..."}          in place of the last line: why it could not go on, in one line, with the fix

SIGINT and SIGTERM end it early; it tells its counts then, too. When its input ends, whoever wanted to know has gone,
and so does it.
"""

from pathlib import Path
from typing import Final

import msgspec

from loadtests.record import Interval, Notable, Phase, RequestCounts

BEGIN: Final = b"begin\n"


class Address(msgspec.Struct, frozen=True):
    """Where somebody listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """host:port."""
        return f"{self.host}:{self.port}"


class Order(msgspec.Struct, kw_only=True, frozen=True):
    """What to send, and where to."""

    edge: Address
    services: Address | None
    """Where services connect to: for users that speak frames; None where the stand is somebody else's."""
    tls_edge: Address | None = None
    """Where the edge speaks TLS; None: nowhere."""
    authority: str = ""
    """A file of authorities that sign the edge's certificate; empty: those that this machine trusts."""
    shape: str
    """The file of the shape."""
    users: dict[str, float]
    """Kinds of users (modules of loadtests/users) by weight; empty: those of the shape."""
    phases: list[Phase]
    """What is to be when, in seconds from `begin`. In a quiet one nothing is sent, and no connection is held."""
    interval_s: float = 1.0
    seed: int = 1
    token: str = ""
    """Sent as `Authorization: Bearer` with each request; empty: none."""
    rate_factor: float = 1.0
    """Of rates and numbers of users that the shape says: smaller for a smaller machine."""


class Said(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line that the generator writes."""

    ready: bool = False
    interval: Interval | None = None
    notable: Notable | None = None
    requests: list[RequestCounts] | None = None
    error: str = ""


def read_order(path: Path) -> Order:
    """Return the order in a file."""
    return msgspec.json.decode(path.read_bytes(), type=Order)
