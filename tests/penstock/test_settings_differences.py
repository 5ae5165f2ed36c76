"""What differs between two values, by what they mean."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
import pytest

from penstock.settings import Registry, Secret, Setting
from penstock.settings.differences import Difference, differences
from penstock.settings.tables import NOWHERE, ListOf, Places, Table, TableList, TextMap
from penstock.settings.types import Count, SecretText, Text

WORD = Text("[a-z]*", "a word", "word")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    size: Annotated[int, Setting(Count(), "1", "what", "why")]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, Setting(WORD, "", "what", "why")]
    key: Annotated[Secret, Setting(SecretText(), "", "what", "why")]
    part: Annotated[Part | None, Setting(Table(Part), "", "what", "why")]
    where: Places = NOWHERE


class Everything(msgspec.Struct, frozen=True):
    items: Annotated[tuple[Item, ...], Setting(TableList(Item, "item"), "", "what", "why")]
    near: Annotated[Mapping[str, tuple[str, ...]], Setting(TextMap(ListOf(WORD)), "", "what", "why")]
    words: Annotated[tuple[str, ...], Setting(ListOf(WORD), "", "what", "why")]


REGISTRY = Registry(Everything)


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("words", "a, b", "a, c", ["words: a, b -> a, c"]),
        ("words", "", "a", ["words: (none) -> a"]),
        (
            "near",
            "{a: [b], c: [d]}",
            "{a: [b, e], f: []}",
            ["near.a: b -> b, e", "near.c is gone: d", "near.f is new: (none)"],
        ),
        ("items", "[{name: a}]", "[{name: a, part: {}}]", ["items[a].part: (none) -> {}"]),
        ("items", "[{name: a, part: {}}]", "[{name: a, part: {size: 2}}]", ["items[a].part.size: 1 -> 2"]),
        ("items", "[{name: a, key: x}]", "[{name: a, key: y}]", ["items[a].key: *** -> ***"]),
        (
            "items",
            "[{name: a, key: x}]",
            "[{name: b, key: x}]",
            ['items[a] is gone: {name: a, key: "***"}', 'items[b] is new: {name: b, key: "***"}'],
        ),
        ("items", "[{key: x}]", "[{key: x}, {part: {}}]", ["items[1] is new: {part: {}}"]),
        ("items", "[{name: a}, {name: b}]", "[{name: b}, {name: a}]", ["items order: a, b -> b, a"]),
        ("items", "[{name: a}, {name: b}]", "[{name: b}]", ["items[a] is gone: {name: a}"]),
    ],
)
def test_differences(name: str, old: str, new: str, expected: list[str]) -> None:
    setting = REGISTRY[name]
    assert [str(each) for each in differences(setting, setting.parse(old), setting.parse(new))] == expected
    assert differences(setting, setting.parse(new), setting.parse(new)) == ()


def test_what_only_stands_elsewhere_does_not_differ() -> None:
    setting = REGISTRY["items"]
    value = setting.parse("[{name: a}]")
    moved = setting.kind.located(value, lambda path: f"p.yaml:{len(path)}")
    assert moved[0].where.table == "p.yaml:1"
    assert differences(setting, value, moved) == ()


def test_a_difference_is_a_sentence() -> None:
    assert str(Difference("a", None, "")) == "a is new: (none)"
    assert str(Difference("a", "", None)) == "a is gone: (none)"
