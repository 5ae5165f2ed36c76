"""Settings of a rule's ``balance``: how one of several instances is chosen for its routes."""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.tables import NOWHERE, Places, TextMap
from penstock.settings.types import BadValueError, Text, TextKind
from penstock.settings.words import Word
from proxy.request.route_policy import Balance, BalancePolicy, Key, KeyKind

from .balancing import Multiple
from .splits import RequestKey

INSTANCE_NAME = Text(r"[A-Za-z0-9._-]{1,64}", "1 to 64 of A-Z a-z 0-9 . _ -", "billing-1")
_WEIGHT = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,3})?")
_LEAST, _MOST = 0.1, 10.0

BALANCE_KEY = RequestKey(*(kind for kind in KeyKind if kind is not KeyKind.NONE))
"""The kind of ``by``."""


class Weight(TextKind[float]):
    """How much an instance gets, against 1 of every other: 0, or from 0.1 to 10."""

    label = "weight"
    example = "2"

    def parse_text(self, text: str) -> float:
        """Read a number."""
        value = float(text) if _WEIGHT.fullmatch(text) else -1.0
        if value and not _LEAST <= value <= _MOST:
            raise BadValueError(f"{text!r} is no weight", "write a number from 0.1 to 10, or 0 for nothing")
        return value

    def render(self, value: float) -> str:
        """Return the number."""
        return f"{value:.10g}"


class BalanceTable(msgspec.Struct, frozen=True, kw_only=True):
    """How one of several instances is chosen."""

    policy: Annotated[
        BalancePolicy | None, Setting(Word(BalancePolicy), "", "by what one is chosen", "balancing.policy")
    ]
    by: Annotated[Key | None, Setting(BALANCE_KEY, "", "what consistent_hash goes by", "balancing.by")]
    load_factor: Annotated[
        float | None,
        Setting(
            Multiple(),
            "",
            "how many times its fair share of the requests in flight an instance may have by consistent_hash",
            "balancing.load_factor",
            at_least="1",
            at_most="100",
        ),
    ]
    weights: Annotated[
        Mapping[str, float],
        Setting(
            TextMap(Weight(), key=INSTANCE_NAME),
            "",
            "by instance: how much it gets, 0.1 to 10; with 0 nothing while there is another one",
            "all have 1",
        ),
    ]
    where: Places = NOWHERE


def make_balance(table: BalanceTable) -> Balance:
    """Return the balance of a table that was read."""
    return Balance(
        policy=table.policy, key=table.by or Key(), load_factor=table.load_factor, weights=dict(table.weights)
    )
