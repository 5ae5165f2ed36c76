"""Settings of the process: the admin listener, requests in progress, draining, the batch loop, reloading."""

from typing import Annotated

import msgspec

from penstock.settings import Address, Secret, Setting
from penstock.settings.address import ListenAddress
from penstock.settings.types import Count, Duration, SecretText

_MS = Duration("ms")


class AdminConfig(msgspec.Struct, frozen=True):
    """Where operators ask for /health, /ready and /metrics."""

    listen: Annotated[
        Address,
        Setting(
            ListenAddress(),
            "127.0.0.1:9901",
            "where the admin pages are: /health, /ready, /metrics, and what `penstock` asks",
            "apart from the edge, so that no client reaches it by mistake",
            restart=True,
        ),
    ]
    token: Annotated[
        Secret,
        Setting(
            SecretText(),
            "",
            "what must be shown for every admin page but /health and /ready; needed where admin.listen is not loopback",
            "none is needed on loopback, where only this machine can ask",
        ),
    ]


class ExchangesConfig(msgspec.Struct, frozen=True):
    """Requests in progress."""

    max: Annotated[
        int,
        Setting(
            Count(),
            "65536",
            "requests in progress at once",
            "bounds the table's memory; a request above it is answered 503",
            at_least="1",
            at_most="1048576",
            restart=True,
        ),
    ]


class DrainConfig(msgspec.Struct, frozen=True):
    """Ending in good order."""

    timeout_ms: Annotated[
        int,
        Setting(
            _MS,
            "30s",
            "how long to wait at the end for what was begun",
            "the longest deadline: what was begun can end; then it is cancelled",
            at_most="1h",
        ),
    ]
    spread_ms: Annotated[
        int,
        Setting(
            _MS,
            "5s",
            "within which connections are told to close, each at a moment of its own; at most drain.timeout",
            "clients that are sent away together would come back together, elsewhere",
            at_most="1h",
        ),
    ]

    @property
    def spread_within_timeout_ms(self) -> int:
        """The spread, cut to the timeout: a default may be above a timeout that was lowered."""
        return min(self.spread_ms, self.timeout_ms)


class WireConfig(msgspec.Struct, frozen=True):
    """The batch loop."""

    linger_us: Annotated[
        int,
        Setting(
            Duration("us"),
            "200us",
            "how long a batch waits for more before it gives way to other work",
            "less than a network's delay, and batches grow under load",
            at_least="0us",
            at_most="5ms",
            restart=True,
        ),
    ]


class ReloadConfig(msgspec.Struct, frozen=True):
    """Reading the settings again while running."""

    watch_ms: Annotated[
        int,
        Setting(
            _MS,
            "1s",
            "how often the settings file, and files that it names, are looked at; 0s: never, only when asked",
            "a change counts at once, and looking costs nothing",
            at_most="1h",
        ),
    ]
