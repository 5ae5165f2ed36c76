"""The switch of faults on purpose."""

from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.types import Flag


class FaultsConfig(msgspec.Struct, frozen=True):
    """Faults that the gateway injects into requests, as rules say."""

    enabled: Annotated[
        bool,
        Setting(
            Flag(),
            "false",
            "whether the `faults` of rules are injected; while it is off, a configuration that has any is refused",
            "what harms requests on purpose takes two decisions: a rule, and this",
        ),
    ]
