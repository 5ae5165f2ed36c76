"""Settings of breakers: when an instance, or one of its endpoints, is not asked for a while."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import msgspec

from penstock.settings import Problem, Setting
from penstock.settings.numbers import Percent
from penstock.settings.types import Count, Duration

from .listeners import conflict

_MS = Duration("ms")
_time = partial(Setting, _MS, at_most="1h")


class BreakersConfig(msgspec.Struct, frozen=True):
    """When breakers open, and for how long. All of it takes effect on reload."""

    failures: Annotated[
        int,
        Setting(
            Count(),
            "7",
            "failures in a row of an endpoint of an instance, above 499 or no answer, after which it is out; 0: never",
            "what is by chance seldom comes seven times in a row, and seven requests are soon there",
            at_least="0",
            at_most="10000",
        ),
    ]
    success: Annotated[
        float,
        Setting(
            Percent(),
            "80%",
            "the part of the last requests that must have gone well; below, and with twice as many failures as other"
            " instances have, it is out; 0%: never",
            "an instance that loses every fifth request is worth less than the load that the others get",
        ),
    ]
    requests: Annotated[
        int,
        Setting(
            Count(),
            "100",
            "how many requests are the last ones; none is older than a minute",
            "the same decision whatever the rate of requests is",
            at_least="5",
            at_most="10000",
        ),
    ]
    requests_min: Annotated[
        int,
        Setting(
            Count(),
            "10",
            "how many of them there must be to be judged by",
            "two bad ones of three say nothing",
            at_least="2",
            at_most="10000",
        ),
    ]
    silence_ms: Annotated[
        int,
        _time(
            "500ms",
            "how long nothing may be heard of an instance that was asked, while others of its service are; 0: any time",
            "one that hangs is out within a second; whoever usually takes longer is given eight times as long as that",
            at_least="0ms",
        ),
    ]
    slow_factor: Annotated[
        int,
        Setting(
            Count(),
            "10",
            "as many times the median time of the others, on average, an instance is out; 0: never",
            "the choice gives less to who is slower, so this is for what is ill",
            at_least="0",
            at_most="1000",
        ),
    ]
    open_ms: Annotated[
        int,
        _time(
            "1s",
            "how long one that is out stays out; twice as long each time that it was not well again, and up to a half"
            " more by chance",
            "a short trouble costs a second",
            at_least="10ms",
        ),
    ]
    open_max_ms: Annotated[
        int,
        _time("1m", "the longest time that it stays out", "it is asked once a minute at least", at_least="10ms"),
    ]
    ramp_ms: Annotated[
        int,
        _time(
            "10s",
            "how long it takes until it gets its whole share again, from a tenth on",
            "caches are cold, and it may not be well yet",
            at_least="0ms",
        ),
    ]
    panic: Annotated[
        float,
        Setting(
            Percent(),
            "50%",
            "the part of the instances that must be left; below, breakers are not heeded and all are used; 0%: as long"
            " as any is left",
            "those that are left would be overloaded, and where most fail it is not the instances",
        ),
    ]


def check_breakers(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with values that are right one by one."""
    shortest, longest = values["breakers.open"], values["breakers.open_max"]
    if shortest > longest:
        why = f"{_MS.render(shortest)} is more than breakers.open_max, {_MS.render(longest)}"
        yield conflict("breakers.open", "breakers.open_max", origins, why, "lower it, or raise breakers.open_max")
    least, most = values["breakers.requests_min"], values["breakers.requests"]
    if least > most:
        why = f"{least} is more than breakers.requests, {most}: there are never so many to be judged by"
        fix = "lower it, or raise breakers.requests"
        yield conflict("breakers.requests_min", "breakers.requests", origins, why, fix)
