"""Settings of concurrency, which is a part of a rule: how many requests may be with a route and with a service."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.errors import BadValueError
from penstock.settings.tables import NOWHERE, Places
from penstock.settings.types import Choice, Count, Duration, TextKind
from proxy.request.route_policy import Concurrency

ADAPTIVE = "adaptive"
LIMIT_MAX = 65_536


class ServiceLimit(TextKind[str]):
    """A whole number of requests, or ``adaptive``."""

    label = "limit"
    example = "a number, like 64, or adaptive"

    def parse_text(self, text: str) -> str:
        """Read the word, or digits."""
        if text.lower() == ADAPTIVE:
            return ADAPTIVE
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= LIMIT_MAX:
            raise BadValueError(
                f"{text!r} is neither a number from 1 to {LIMIT_MAX} nor adaptive", f"write {self.example}"
            )
        return str(int(text))


class ConcurrencyTable(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests may be with each route that a rule is for, and with its service; and who waits for a place."""

    route: Annotated[
        int | None,
        Setting(
            Count(),
            "",
            "requests at once of each route that the rule is for",
            "as many as the service takes",
            at_least="1",
            at_most=str(LIMIT_MAX),
        ),
    ]
    service: Annotated[
        str | None,
        Setting(
            ServiceLimit(),
            "",
            "requests at once of the whole service, beyond which these routes wait; adaptive: learned from its answers",
            "as many as come",
        ),
    ]
    least: Annotated[
        int,
        Setting(
            Count(),
            "1",
            "the lowest adaptive limit",
            "a service that does one thing at a time is one, too",
            at_least="1",
            at_most=str(LIMIT_MAX),
        ),
    ]
    most: Annotated[
        int,
        Setting(
            Count(),
            "1000",
            "the highest adaptive limit",
            "far above what most services do at once, and yet an end",
            at_least="1",
            at_most=str(LIMIT_MAX),
        ),
    ]
    waiting: Annotated[
        int,
        Setting(
            Count(),
            "256",
            "how many may wait for a place; 0: nobody does",
            "a burst finds room, and nobody is far back in the line",
            at_most="65536",
        ),
    ]
    wait_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "100ms",
            "the longest that anybody waits; less in a line that does not empty",
            "a burst is over by then; what lasts is overload, which no waiting helps",
            at_least="1ms",
            at_most="1m",
        ),
    ]
    priority: Annotated[
        str,
        Setting(
            Choice("critical", "high", "normal", "low"),
            "normal",
            "the priority of a request that does not say one by x-priority, or whose word is not taken",
            "most are as others",
        ),
    ]
    where: Places = NOWHERE


def check_concurrency(table: ConcurrencyTable) -> Iterator[BadValueError]:
    """Yield what is wrong with a table whose keys are right one by one."""
    if table.least > table.most:
        why = f"least is {table.least}, which is more than most, {table.most}"
        yield BadValueError(why, "lower least, or raise most", path=("least",))


def make_concurrency(table: ConcurrencyTable) -> Concurrency:
    """Return the limits of a table that was read."""
    is_adaptive = table.service == ADAPTIVE
    fixed = None if table.service is None or is_adaptive else int(table.service)
    return Concurrency(
        route_max=table.route,
        service_max=table.most if is_adaptive else fixed,
        service_min=table.least if is_adaptive else fixed or 1,
        is_adaptive=is_adaptive,
        waiting=table.waiting,
        wait_ms=table.wait_ms,
        priority=table.priority,
    )
