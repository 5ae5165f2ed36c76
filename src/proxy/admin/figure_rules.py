"""How figures of several workers become figures of all, said where the fields are.

    requests: int = 0            a total: it only rises. The sum is told, with what workers had that have ended
    waiting: int = now()         how much there is now. The sum is told; of a worker that has ended there is none
    routes: int = alike()        the same in every worker, or nearly so: the highest is told
    peak: int = highest()        the most since the start: the highest is told, also of those that have ended
    left: float = lowest(None)   the lowest is told

A mapping is put together name by name, a sequence by what its elements are about, and None is nobody's.
"""

import operator
from collections.abc import Callable
from dataclasses import field
from typing import Any, Final, NamedTuple


class Rule(NamedTuple):
    """How values of one field are put together, two at a time."""

    combine: Callable[[Any, Any], Any]
    is_kept: bool
    """Whether what a worker had counts when it has ended."""
    key: Callable[[Any], Any] | None = None
    """Of a sequence: what says that two of its elements are about the same thing."""
    by_name: "Callable[[str], Rule] | None" = None
    """Of a mapping: the rule of what has this name."""


RULE: Final = "rule"
TOTAL: Final = Rule(operator.add, is_kept=True)
NOW: Final = Rule(operator.add, is_kept=False)
HIGHEST: Final = Rule(max, is_kept=True)


def _of_wire(name: str) -> Rule:
    if name.endswith("_max"):
        return HIGHEST
    return NOW if name.endswith("_now") else TOTAL


BY_KEY: Final = Rule(operator.add, is_kept=True, key=operator.attrgetter("key"))
BY_KEY_NOW: Final = BY_KEY._replace(is_kept=False)
WIRE: Final = Rule(operator.add, is_kept=True, by_name=_of_wire)
"""Of the wire's counters, whose names say what they are."""


def by_rule(rule: Rule, default: Any = ...) -> Any:
    """Return a field with a rule of its own. default: a value, or what makes one; ...: it has to be given."""
    if default is ...:
        return field(metadata={RULE: rule})
    if callable(default):
        return field(default_factory=default, metadata={RULE: rule})
    return field(default=default, metadata={RULE: rule})


def now(default: Any = 0) -> Any:
    """Return a field of how much there is now."""
    return by_rule(NOW, default)


def alike(default: Any = 0) -> Any:
    """Return a field that is about the same in every worker."""
    return by_rule(Rule(max, is_kept=False), default)


def highest(default: Any = 0) -> Any:
    """Return a field of the most since the start."""
    return by_rule(HIGHEST, default)


def lowest(default: Any = 0) -> Any:
    """Return a field of which the least is what matters."""
    return by_rule(Rule(min, is_kept=False), default)


def each(default: Any = ()) -> Any:
    """Return a field that is a sequence of figures, of which those with the same ``key`` are put together."""
    return by_rule(BY_KEY, default)
