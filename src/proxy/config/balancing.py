"""Settings of how one of several instances is chosen."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec

from penstock.settings import Origins, Problem, Setting
from penstock.settings.later import Later
from penstock.settings.types import BadValueError, Duration, TextKind
from penstock.settings.words import Word
from proxy.request.route_policy import Balance, BalancePolicy, Key

_KEY: Later[Key] = Later("proxy.config.balances", "BALANCE_KEY", Key(), "key")


class Multiple(TextKind[float]):
    """How many times as much: ``1.25`` or ``125%``."""

    label = "multiple"
    example = "1.25"

    def parse_text(self, text: str) -> float:
        """Read a number, or a percentage."""
        number, scale = (text[:-1].rstrip(), 100) if text.endswith("%") else (text, 1)
        if not number.replace(".", "", 1).isdecimal() or not number.isascii() or len(number) > 12:
            raise BadValueError(f"{text!r} is no multiple", "write a number like 1.25, or a percentage like 125%")
        return float(number) / scale

    def render(self, value: float) -> str:
        """Return it as a number."""
        return f"{value:.10g}"


class BalancingConfig(msgspec.Struct, frozen=True):
    """Which of the instances gets a request, where no rule says otherwise."""

    policy: Annotated[
        BalancePolicy,
        Setting(
            Word(BalancePolicy),
            "two_choices",
            "by what one of several instances is chosen",
            "two at random, the less loaded: as good as looking at all of them, and never all to the same one",
        ),
    ]
    by: Annotated[
        Key,
        Setting(
            _KEY,
            "",
            "what consistent_hash goes by: the same asker gets the same instance",
            "only the operator knows by what services keep things in memory",
        ),
    ]
    load_factor: Annotated[
        float,
        Setting(
            Multiple(),
            "1.25",
            "how many times its fair share of the requests in flight an instance may have by consistent_hash",
            "a quarter more than the others is no harm, and few keys have to move for it",
            at_least="1",
            at_most="100",
        ),
    ]
    slow_start_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "10s",
            "how long an instance that has come gets less than its fair share; 0s: not at all",
            "its caches and connections are cold; who is alone gets everything at once",
            at_most="1h",
        ),
    ]

    @property
    def default(self) -> Balance:
        """What holds for routes of which no rule says anything."""
        return Balance(policy=self.policy, key=self.by, load_factor=self.load_factor)


_NO_KEY: Final = "consistent_hash goes by a key, and there is none"
_NO_HASH: Final = "it means something to consistent_hash only, which is not the policy here"


def check_balancing(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    """Yield what is wrong with keys and policies: what a rule leaves open is as the settings say."""
    policy, by = values["balancing.policy"], values["balancing.by"]
    is_hash, fix = policy is BalancePolicy.CONSISTENT_HASH, "write by: tenant, header NAME or parameter NAME"
    if is_hash and by == Key():
        yield Problem("conflict", "balancing.by", origins["balancing.policy"], _NO_KEY, f"set balancing.by; {fix}")
    for index, rule in enumerate(values["rules"]):
        said = rule.balance
        if said is None:
            continue
        name, is_hash_here = f"rules[{index}].balance", (said.policy or policy) is BalancePolicy.CONSISTENT_HASH
        if is_hash_here and not is_hash and said.by is None and by == Key():
            yield Problem("conflict", name, origins.place("rules", index, "balance"), _NO_KEY, fix)
        elif not is_hash_here and (said.by is not None or said.load_factor is not None):
            key = "by" if said.by is not None else "load_factor"
            place = origins.place("rules", index, "balance", key)
            yield Problem(
                "conflict", f"{name}.{key}", place, _NO_HASH, "write policy: consistent_hash, or leave it out"
            )
