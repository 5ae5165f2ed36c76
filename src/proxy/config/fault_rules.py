"""Settings of faults on purpose, which are part of a rule: what is done to which part of its requests."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

import msgspec

from penstock.settings import Setting
from penstock.settings.errors import BadValueError
from penstock.settings.http import FieldName
from penstock.settings.numbers import Percent
from penstock.settings.tables import NOWHERE, Places, TextMap
from penstock.settings.types import Count, Duration, Rate, Size, Text
from proxy.request.route_policy import Fault, FaultKind

DELAY_MAX: Final = "1h"


class FaultTable(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, and whom it hits: all that is given must hold."""

    delay_ms: Annotated[
        int | None, Setting(Duration("ms"), "", "how long the request waits", "no delay", at_most=DELAY_MAX)
    ]
    jitter_ms: Annotated[
        int,
        Setting(Duration("ms"), "0ms", "up to so much is added to the delay", "each waits as long", at_most=DELAY_MAX),
    ]
    abort_status: Annotated[
        int | None,
        Setting(
            Count(),
            "",
            "the status that the gateway answers, in place of a service",
            "no answer of its own",
            at_least="400",
            at_most="599",
            name="abort",
        ),
    ]
    cut_bytes: Annotated[
        int | None,
        Setting(
            Size(),
            "",
            "after so many bytes of the answer the connection is reset; 0B: no service is asked",
            "no reset",
            name="cut",
        ),
    ]
    slow_bytes_per_second: Annotated[
        int | None,
        Setting(Rate(), "", "the rate at which the answer is written", "as fast as it goes", at_least="1B"),
    ]
    percent: Annotated[
        float, Setting(Percent(), "100%", "the part of the requests that it hits", "all that the fault is for")
    ]
    headers: Annotated[
        Mapping[str, str],
        Setting(
            TextMap(Text(".{1,1024}", "a text", "yes"), key=FieldName()),
            "",
            "fields that the request must have",
            "no field is asked for",
        ),
    ]
    where: Places = NOWHERE


_KINDS: Final = {
    "delay_ms": FaultKind.DELAY,
    "abort_status": FaultKind.ABORT,
    "cut_bytes": FaultKind.CUT,
    "slow_bytes_per_second": FaultKind.SLOW,
}


def check_fault(fault: FaultTable) -> Iterator[BadValueError]:
    """Yield what is wrong with a fault whose keys are right one by one."""
    given = [kind.value for field, kind in _KINDS.items() if getattr(fault, field) is not None]
    if len(given) != 1:
        why = f"{' and '.join(given)} are two faults" if given else "it does not say what is to be done"
        yield BadValueError(why, "write one of delay, abort, cut and slow; for two faults, two entries", shown="")
    if fault.jitter_ms and fault.delay_ms is None:
        yield BadValueError("jitter is of a delay, and there is none", "add delay, or leave it out", path=("jitter",))


def make_fault(table: FaultTable) -> Fault:
    """Return the fault of a table that was read."""
    field, kind = next((field, kind) for field, kind in _KINDS.items() if getattr(table, field) is not None)
    return Fault(
        kind=kind,
        amount=getattr(table, field),
        jitter_ms=table.jitter_ms,
        percent=table.percent,
        headers=tuple((name.lower().encode(), value.encode()) for name, value in table.headers.items()),
    )
