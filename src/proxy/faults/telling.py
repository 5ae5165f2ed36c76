"""Tells in the log which faults are on: at the start, and whenever the configuration is another."""

import logging
from collections.abc import Iterable
from typing import Final

from proxy.config.rule import Rule
from proxy.request.policy_words import fault_text

_log: Final = logging.getLogger("penstock.faults")


def tell_faults(rules: Iterable[Rule]) -> None:
    """Warn of each rule that has faults, or that there is none, although they are enabled."""
    harming = [rule for rule in rules if rule.faults]
    for rule in harming:
        said = "; ".join(map(fault_text, rule.faults or ()))
        _log.warning("FAULTS ARE ON: the rule %s harms requests on purpose: %s", rule.label, said)
    if not harming:
        _log.warning("FAULTS ARE ON: faults.enabled is true, though no rule has faults yet")
