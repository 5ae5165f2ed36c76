"""Settings of routes: how many there may be, what a slash at the end means, and which services a host has."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.later import Later
from penstock.settings.types import Choice, Count

_HOSTS: Later[Mapping[str, tuple[str, ...]]] = Later("proxy.config.structured", "HOSTS", {}, "map")


class RoutesConfig(msgspec.Struct, frozen=True):
    """What the services offer, all together."""

    max: Annotated[
        int,
        Setting(
            Count(),
            "4096",
            "endpoints of all services together",
            "bounds the memory of counts by route",
            at_least="1",
            at_most="65536",
            restart=True,
        ),
    ]
    trailing_slash: Annotated[
        str,
        Setting(
            Choice("strict", "redirect", "same"),
            "strict",
            "what a slash at the end of a path is: another path (strict), a reason to redirect, or nothing (same)",
            "one path has one spelling, so no rule is slipped past by another one",
        ),
    ]
    hosts: Annotated[
        Mapping[str, tuple[str, ...]],
        Setting(
            _HOSTS,
            "",
            "by host, `*.example.com` or `*`: the services that it has; another host is answered 421",
            "with none given, every host has all services",
        ),
    ]
