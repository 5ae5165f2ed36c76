"""Settings of sending requests again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from penstock.settings import Setting
from penstock.settings.later import Later
from penstock.settings.numbers import Percent
from penstock.settings.types import Count, Duration, Size

if TYPE_CHECKING:
    from .retry_profiles import ProfileTable
else:  # what a gateway without profiles of its own does not load
    ProfileTable = Any

_PROFILES: Later[Mapping[str, ProfileTable]] = Later("proxy.config.retry_profiles", "PROFILES", {}, "map of profiles")


class RetriesConfig(msgspec.Struct, frozen=True):
    """How many requests may be sent again, what is kept for it, and profiles beside `read`, `mutation` and `none`."""

    budget: Annotated[
        float,
        Setting(
            Percent(),
            "20%",
            "of a service's requests, how many may be sent once more, hedges included",
            "enough for one instance of five that is gone, and no storm when all are",
        ),
    ]
    budget_floor: Annotated[
        int,
        Setting(
            Count(),
            "10",
            "how many more a second may be, however few requests there are",
            "a part of a few requests is less than one",
            at_most="100000",
        ),
    ]
    budget_window_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "10s",
            "for how long a request counts for the budget",
            "as long as a service takes to come back, and no longer: what was allowed an hour ago says nothing",
            at_least="100ms",
            at_most="10m",
        ),
    ]
    buffer_bytes: Annotated[
        int,
        Setting(
            Size(),
            "64KiB",
            "the longest request, head and body, that is kept to be sent again; 0B: none is",
            "nearly all requests are shorter, and a copy of a longer one costs more than it saves",
            at_most="1MiB",
            restart=True,
        ),
    ]
    buffer_total_bytes: Annotated[
        int,
        Setting(
            Size(),
            "64MiB",
            "all copies together; above, a request is sent without one, and is not sent again",
            "a thousand of the longest, and tens of thousands of usual ones",
            at_most="64GiB",
            restart=True,
        ),
    ]
    profiles: Annotated[
        Mapping[str, ProfileTable],
        Setting(
            _PROFILES,
            "",
            "profiles that a rule may name in `retries`, by name",
            "`read`, `mutation` and `none` do for most",
        ),
    ]
