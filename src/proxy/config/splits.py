"""Settings of splits and mirrors, which are parts of a rule: who gets which version."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.errors import BadValueError
from penstock.settings.http import FieldName
from penstock.settings.numbers import Percent
from penstock.settings.tables import NOWHERE, ListOf, Places, TableList, TextMap
from penstock.settings.types import Count, Text, TextKind
from penstock.settings.versions import VersionRange
from proxy.request.route_policy import Case, Key, KeyKind, Mirror, Split

TENANT = Text(r"[A-Za-z0-9._-]{1,64}", "1 to 64 of A-Z a-z 0-9 . _ -", "acme")
_WITH_NAME = (KeyKind.HEADER, KeyKind.COOKIE, KeyKind.PARAMETER)
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_WHOLE = 100.0
_ROUNDING = 1e-6


class RequestKey(TextKind[Key]):
    """By what requests are told apart: ``tenant``, ``header x-user``."""

    label = "key"

    def __init__(self, *kinds: KeyKind) -> None:
        """kinds: those that may be written."""
        self._kinds = {kind.value: kind for kind in kinds}

    @property
    def example(self) -> str:
        """All of them, as a sentence has them."""
        words = [f"{kind.value} NAME" if kind in _WITH_NAME else kind.value for kind in self._kinds.values()]
        return f"{', '.join(words[:-1])} or {words[-1]}"

    def parse_text(self, text: str) -> Key:
        """Read a word, and the name after ``header``, ``cookie`` and ``parameter``."""
        word, _, name = text.partition(" ")
        name = name.strip()
        kind = self._kinds.get(word.lower())
        if kind is None or (name and kind not in _WITH_NAME):
            raise BadValueError(f"{text!r} is no key", f"write {self.example}")
        if kind not in _WITH_NAME:
            return Key(kind)
        if not _COOKIE.fullmatch(name):
            raise BadValueError(f"{text!r} names no {kind.value}", f"write {kind.value} and its name")
        return Key(kind, name.lower() if kind is KeyKind.HEADER else name)

    def render(self, value: Key) -> str:
        """Return the words."""
        return f"{value.kind.value} {value.name}".strip()


SPLIT_KEY = RequestKey(KeyKind.TENANT, KeyKind.PRINCIPAL, KeyKind.ADDRESS, KeyKind.HEADER, KeyKind.COOKIE, KeyKind.NONE)
"""``none`` is for drawing anew for each request."""


class CaseTable(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets a version whatever the weights are: all that is given must hold."""

    version: Annotated[
        str, Setting(VersionRange(), "", "the version that they get", "a case is about one", required=True)
    ]
    headers: Annotated[
        Mapping[str, str],
        Setting(
            TextMap(Text(".{1,1024}", "a text", "beta"), key=FieldName()),
            "",
            "fields that the request must have",
            "no field is asked for",
        ),
    ]
    tenants: Annotated[
        tuple[str, ...], Setting(ListOf(TENANT, "tenant"), "", "the tenants that it is for", "it is for all of them")
    ]
    percent: Annotated[
        float | None, Setting(Percent(), "", "the part that gets it, by the split's key", "all that the case is for")
    ]
    where: Places = NOWHERE


class SplitTable(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the requests gets which version."""

    weights: Annotated[
        Mapping[str, float],
        Setting(
            TextMap(Percent(), key=VersionRange()),
            "",
            "by version or range: its part; they add up to 100",
            "the versions of the rule, or the highest",
        ),
    ]
    key: Annotated[
        Key,
        Setting(
            SPLIT_KEY,
            "none",
            "by what an asker always gets the same",
            "each request is drawn for, which needs nothing of it",
            name="by",
        ),
    ]
    cases: Annotated[
        tuple[CaseTable, ...],
        Setting(TableList(CaseTable, "case"), "", "who gets a version whatever the weights are", "nobody"),
    ]
    where: Places = NOWHERE


class MirrorTable(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of some requests goes to another version, whose answers are thrown away."""

    version: Annotated[
        str, Setting(VersionRange(), "", "the version that gets the copies", "a copy goes to one", required=True)
    ]
    percent: Annotated[
        float, Setting(Percent(), "100%", "the part of the requests that is copied", "all of them tell most")
    ]
    in_flight_max: Annotated[
        int,
        Setting(
            Count(),
            "16",
            "copies at once; above, none is made",
            "a slow copy must cost little",
            at_least="1",
            at_most="4096",
            name="in_flight",
        ),
    ]
    where: Places = NOWHERE


def check_split(split: SplitTable) -> Iterator[BadValueError]:
    """Yield what is wrong with a split whose keys are right one by one."""
    total = sum(split.weights.values())
    if split.weights and abs(total - _WHOLE) > _ROUNDING:
        fix = f"change them by {_WHOLE - total:+.10g} in all"
        yield BadValueError(f"the weights add up to {total:.10g}, not 100", fix, path=("weights",))
    for index, case in enumerate(split.cases):
        if not case.headers and not case.tenants and case.percent is None:
            why = "a case without conditions takes every request, and leaves nothing to the weights"
            yield BadValueError(why, "add headers, tenants or percent", path=("cases", index))


def make_split(table: SplitTable) -> Split:
    """Return the split of a table that was read."""
    return Split(weights=tuple(table.weights.items()), key=table.key, cases=tuple(map(_make_case, table.cases)))


def _make_case(table: CaseTable) -> Case:
    return Case(version=table.version, headers=table.headers, tenants=frozenset(table.tenants), percent=table.percent)


def make_mirror(table: MirrorTable) -> Mirror:
    """Return the mirror of a table that was read."""
    return Mirror(version=table.version, percent=table.percent, in_flight_max=table.in_flight_max)
