"""What differs between two values of a setting, said by what they mean: a moved line is no difference, a rule is found
again by its name, and secrets are stars on both sides.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from .errors import path_text
from .registry import Setting
from .tables import ListOf, Table, TextMap
from .types import Kind

NAME_KEYS = ("name", "principal")
"""The keys that tell the tables of a list apart, where they have one of them."""


class Difference(msgspec.Struct, frozen=True):
    """One difference. name: of the setting, with the path in it; before, after: texts, None where it was not there."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """Return it as a sentence."""
        if self.before is None:
            return f"{self.name} is new: {self.after or '(none)'}"
        if self.after is None:
            return f"{self.name} is gone: {self.before or '(none)'}"
        return f"{self.name}: {self.before or '(none)'} -> {self.after or '(none)'}"


def differences(setting: Setting, old: Any, new: Any) -> tuple[Difference, ...]:
    """Return what differs between two values of a setting."""
    return tuple(_between(setting.kind, old, new, setting.name))


def _between(kind: Kind[Any], old: Any, new: Any, name: str) -> Iterator[Difference]:
    if old == new:
        return
    kind = kind.actual
    if old is None or new is None:
        yield Difference(name, _text(kind, old), _text(kind, new))
    elif isinstance(kind, Table):
        for field, setting in kind.settings.items():
            yield from _between(setting.kind, getattr(old, field), getattr(new, field), f"{name}.{setting.name}")
    elif isinstance(kind, TextMap):
        yield from _between_maps(kind.kind, old, new, name, ".")
    elif isinstance(kind, ListOf) and isinstance(kind.kind, Table):
        yield from _between_lists(kind.kind, old, new, name)
    else:
        yield Difference(name, _text(kind, old), _text(kind, new))


def _text(kind: Kind[Any], value: Any) -> str:
    return "" if value is None else kind.render(value)


def _between_maps(
    kind: Kind[Any], old: Mapping[str, Any], new: Mapping[str, Any], name: str, dot: str = ""
) -> Iterator[Difference]:
    for key in dict.fromkeys((*old, *new)):
        if key not in new:
            yield Difference(f"{name}{dot}{key}", _text(kind, old[key]), None)
        elif key not in old:
            yield Difference(f"{name}{dot}{key}", None, _text(kind, new[key]))
        else:
            yield from _between(kind, old[key], new[key], f"{name}{dot}{key}")


def _between_lists(kind: Table[Any], old: Sequence[Any], new: Sequence[Any], name: str) -> Iterator[Difference]:
    """Tables are found again by their names, or else by their places; their order is told when it has changed."""
    before, after = _keyed(old), _keyed(new)
    yield from _between_maps(kind, before, after, name)
    in_both = [key for key in before if key in after]
    order = [key for key in after if key in before]
    if in_both != order:
        yield Difference(f"{name} order", *(", ".join(key.strip("[]") for key in keys) for keys in (in_both, order)))


def _keyed(tables: Sequence[Any]) -> dict[str, Any]:
    keyed: dict[str, Any] = {}
    for index, table in enumerate(tables):
        name = next((text for key in NAME_KEYS if (text := getattr(table, key, ""))), "")
        key = f"[{name}]"
        keyed[key if name and key not in keyed else path_text((index,))] = table
    return keyed
