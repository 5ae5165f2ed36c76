"""Settings of how often something may be asked."""

from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.later import Later
from penstock.settings.rate import RateLimit
from penstock.settings.types import Choice, Count

_ADMIT: Later[tuple[RateLimit, ...]] = Later("proxy.config.structured", "ADMIT", (), "list of rate limits")


class RatesConfig(msgspec.Struct, frozen=True):
    """What holds for every request, and how rates are counted."""

    admit: Annotated[
        tuple[RateLimit, ...],
        Setting(
            _ADMIT,
            "",
            "limits for all requests that have a route, like `1000/s by address`, before it is looked at who asks",
            "only the operator knows what is too much; what is kept from all is nothing by default",
        ),
    ]
    keys_max: Annotated[
        int,
        Setting(
            Count(),
            "100000",
            "tenants, principals, addresses and so on that are counted at once; "
            "where all are live, newcomers of a limit are counted together",
            "some twenty megabytes, and more than ask within one period at most sites",
            at_least="1",
            at_most="10000000",
        ),
    ]
    on_store_failure: Annotated[
        str,
        Setting(
            Choice("open", "closed"),
            "open",
            "what happens to requests that cannot be counted: `open` lets them through, `closed` refuses them",
            "a limit protects from too much, and is no reason to stop everything",
        ),
    ]
