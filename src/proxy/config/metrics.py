"""Settings of what is measured, and how much of it is told."""

from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.types import Count, Flag


class MetricsConfig(msgspec.Struct, frozen=True):
    """Metrics. That they can be had at all is a matter of `admin.listen`."""

    enabled: Annotated[
        bool,
        Setting(
            Flag(),
            "true",
            "whether times are taken for people, and records of requests kept: how long each took at the edge, in the "
            "gateway, at each instance; what became of the last ones",
            "what is not measured cannot be seen afterwards; it costs less than one part in twenty",
            restart=True,
        ),
    ]
    routes_max: Annotated[
        int,
        Setting(
            Count(),
            "1000",
            "routes that have series of their own; those beyond are told together",
            "one has some sixty series: beyond, they would outweigh what they tell",
            at_most="65536",
        ),
    ]
    instances_max: Annotated[
        int,
        Setting(
            Count(),
            "500",
            "instances of services that have series of their own; those beyond are told together",
            "one has some twenty series, and is another one after each restart",
            at_most="4096",
        ),
    ]
