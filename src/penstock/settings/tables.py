"""Structured kinds: tables whose keys are settings themselves, lists of a kind, and maps from names to values.

    class Limit(msgspec.Struct, frozen=True, kw_only=True):
        name: Annotated[str, Setting(Text(...), "", "what it is called", "...", required=True)]
        timeout_ms: Annotated[int | None, Setting(Duration("ms"), "", "how long it may take", "none of its own")]
        where: Places = NOWHERE

    limits: Annotated[tuple[Limit, ...], Setting(TableList(Limit), "", "what is limited", "nothing is")]

In a file they are tables and lists. In a variable or a flag they are YAML on one line, or JSON. All that is wrong is
told, each with its own place. A key's name is the field's, without the unit, unless ``name=`` says otherwise. A key
that is not given has its default; where that is empty and the field may be None, it is None. A secret may be given as
``..._file``, too. A field `where`, with no setting, is filled with the places of what was given.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from .errors import BadValueError, BadValuesError, Step, did_you_mean, shortened
from .flow import parse_flow, render_flow
from .registry import Setting, fields_of
from .secrets import read_secret
from .types import SECRET_SHOWN, Kind, Place, Raw, TextKind

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class Places(msgspec.Struct, frozen=True, eq=False):
    """Where a table stands, and each of its keys that was given: ``file:line``, or a variable and the path in it.

    Equal to any other: that a table has moved is no change of what it says.
    """

    table: str = ""
    keys: Mapping[str, str] = {}

    def __eq__(self, other: object) -> bool:
        """Whether the other is of this type, too."""
        return isinstance(other, Places)

    def __hash__(self) -> int:
        """Return the same for all."""
        return 0

    def of(self, key: str) -> str:
        """Return the place of a key, or of the table where the key is not given."""
        return self.keys.get(key, self.table)


NOWHERE = Places()


def _shown(raw: Raw, kind: Kind[Any]) -> str:
    if kind.has_secrets:
        return SECRET_SHOWN
    if not isinstance(raw, str):
        return ""
    return shortened(raw)


class _Faults:
    """Collects what is wrong with the parts of a value."""

    def __init__(self) -> None:
        self._faults: list[BadValueError] = []

    def part(self, step: Step, raw: Raw, kind: Kind[Any], parse: Callable[[Raw], Any]) -> Any:
        """Return the value of a part; None where it is wrong."""
        try:
            return parse(raw)
        except BadValueError as bad:
            self._faults += [fault.within(step, _shown(raw, kind)) for fault in bad.faults]
            return None

    def add(self, fault: BadValueError) -> None:
        self._faults.append(fault)

    def tell(self) -> None:
        """Raise what there is."""
        if self._faults:
            raise self._faults[0] if len(self._faults) == 1 else BadValuesError(self._faults)


class Table(Kind[S]):
    """A table whose keys are the settings of a struct. check: says what is wrong with keys that are right one by one,
    with paths from the table: ``BadValueError("they add up to 90", "...", path=("weights",))``.
    """

    label = "table"

    def __init__(
        self, struct: type[S], *, label: str = "", check: Callable[[S], Iterable[BadValueError]] | None = None
    ) -> None:
        self.struct = struct
        self.label = label or self.label
        self._check = check

    @cached_property
    def settings(self) -> Mapping[str, Setting]:
        """The keys' settings, by field."""
        entries = dict(fields_of(self.struct))
        return {field: entry for field, entry in entries.items() if isinstance(entry, Setting)}

    @cached_property
    def keys(self) -> Mapping[str, Setting]:
        """The keys' settings, by key."""
        return {setting.name: setting for setting in self.settings.values()}

    @property
    def has_secrets(self) -> bool:
        """Whether one of the keys has."""
        return any(setting.kind.has_secrets for setting in self.keys.values())

    @property
    def example(self) -> str:
        """The keys that must be there, or the first."""
        needed = [setting for setting in self.keys.values() if setting.required] or [*self.keys.values()][:1]
        return "{" + ", ".join(f"{setting.name}: {_inner_example(setting.kind)}" for setting in needed) + "}"

    def parse(self, raw: Raw) -> S:
        """Read a table, or its text. An empty text is an empty table."""
        table = _structured(raw, self) if raw != "" else {}
        if not isinstance(table, Mapping):
            raise BadValueError(f"a {self.label} is a table of keys and values", f"write {self.example}")
        faults = _Faults()
        values = {field: self._value(setting, table, faults) for field, setting in self.settings.items()}
        for key in table:
            if key not in self._accepted:
                faults.add(self._unknown(key))
        faults.tell()
        value = self.struct(**values)
        for fault in self._check(value) if self._check else ():
            faults.add(fault)
        faults.tell()
        return value

    @cached_property
    def _accepted(self) -> frozenset[str]:
        return frozenset(self.keys) | {f"{setting.name}_file" for setting in self.keys.values() if setting.is_secret}

    def _value(self, setting: Setting, table: Mapping[str, Raw], faults: _Faults) -> Any:
        name, file_name = setting.name, f"{setting.name}_file"
        raw = table.get(name, "")
        path = table.get(file_name, "") if setting.is_secret else ""
        if raw != "" and path != "":
            why = f"{name} is there too, and only one of them can count"
            faults.add(BadValueError(why, "keep one of the two", path=(file_name,), code="secret_twice", shown=""))
        elif path != "":
            return faults.part(file_name, path, setting.kind, lambda path: setting.parse(read_secret(str(path))))
        elif raw != "":
            return faults.part(name, raw, setting.kind, setting.parse)
        elif setting.required:
            fix = f"write {name}: {_inner_example(setting.kind)}"
            faults.add(BadValueError("it must be given", fix, path=(name,), code="missing_key", shown=""))
        return setting.absent

    def _unknown(self, key: str) -> BadValueError:
        known = ", ".join(self.keys)
        near = did_you_mean(key, self._accepted, otherwise=f"remove it, or write one of {known}")
        return BadValueError("there is no such key", near, path=(key,), code="unknown_key", shown="")

    def plain(self, value: S) -> Raw:
        """Return the keys that differ from their defaults, or must be given."""
        return {
            setting.name: setting.kind.plain(getattr(value, field))
            for field, setting in self.settings.items()
            if setting.required or getattr(value, field) != setting.absent
        }

    def render(self, value: S) -> str:
        """Return it on one line."""
        return render_flow(self.plain(value))

    def located(self, value: S, place: Place) -> S:
        """Fill in the places, of inner tables too."""
        changed: dict[str, Any] = {
            field: setting.kind.located(getattr(value, field), _beneath(place, setting.name))
            for field, setting in self.settings.items()
            if getattr(value, field) is not None
        }
        if "where" in self.struct.__struct_fields__ and "where" not in self.settings:
            given = [setting for field, setting in self.settings.items() if getattr(value, field) != setting.absent]
            changed["where"] = Places(place(()), {setting.name: place((setting.name,)) for setting in given})
        return msgspec.structs.replace(value, **changed)


def _beneath(place: Place, step: Step) -> Place:
    return lambda path: place((step, *path))


def _structured(raw: Raw, kind: Kind[Any]) -> Raw:
    return parse_flow(raw, kind.label, kind.example) if isinstance(raw, str) else raw


def _inner_example(kind: Kind[Any]) -> str:
    """Return an example as it stands within brackets."""
    return kind.example if isinstance(kind, Table | ListOf | TextMap) else kind.example.partition(" or ")[0]


class ListOf(Kind[tuple[T, ...]], Generic[T]):
    """Several values of one kind, in their order. item: what one of them is called; unique: whether two may be equal.

    Of texts, a variable may hold them separated by commas, without brackets.
    """

    def __init__(self, kind: Kind[T], item: str = "", *, unique: bool = True) -> None:
        self.kind = kind
        self.item = item or kind.label
        self.label = f"list of {self.item}{'es' if self.item.endswith('s') else 's'}"
        self._unique = unique

    @property
    def has_secrets(self) -> bool:
        """Whether its values have."""
        return self.kind.has_secrets

    @property
    def example(self) -> str:
        """A list of one."""
        return f"[{_inner_example(self.kind)}]"

    def parse(self, raw: Raw) -> tuple[T, ...]:
        """Read a list, or its text."""
        items = self._items(raw) if isinstance(raw, str) else raw
        if not isinstance(items, list):
            raise BadValueError(f"a {self.label} is a list", f"write {self.example}")
        faults = _Faults()
        values = tuple(faults.part(index, item, self.kind, self.kind.parse) for index, item in enumerate(items))
        faults.tell()
        if self._unique:
            self._refuse_twice(values)
        return values

    def _items(self, text: str) -> Raw:
        text = text.strip()
        if not text:
            return []
        if isinstance(self.kind, TextKind) and not text.startswith("["):
            return [item.strip() for item in text.split(",")]
        return parse_flow(text, self.label, self.example)

    def _refuse_twice(self, values: tuple[T, ...]) -> None:
        alike: dict[str, list[int]] = {}  # values need not be hashable, and comparing all with all takes too long
        for index, value in enumerate(values):
            others = alike.setdefault(repr(value), [])
            first = next((other for other in others if values[other] == value), None)
            if first is not None:
                why = f"it is there twice, as the one with index {first} already"
                raise BadValueError(why, f"name each {self.item} once", path=(index,), shown=self._shown(value))
            others.append(index)

    def _shown(self, value: T) -> str:
        return "" if self.kind.has_secrets else _shown(self.kind.plain(value), self.kind)

    def plain(self, value: tuple[T, ...]) -> Raw:
        """Return the list."""
        return [self.kind.plain(item) for item in value]

    def render(self, value: tuple[T, ...]) -> str:
        """Return it on one line; of texts, separated by commas where no text has one."""
        if isinstance(self.kind, TextKind):
            texts = [self.kind.render(item) for item in value]
            if not any("," in text or text.startswith("[") for text in texts):
                return ", ".join(texts)
        return render_flow(self.plain(value)) if value else ""

    def located(self, value: tuple[T, ...], place: Place) -> tuple[T, ...]:
        """Fill in the places of the items."""
        return tuple(self.kind.located(item, _beneath(place, index)) for index, item in enumerate(value))


class TableList(ListOf[S]):
    """A list of tables whose keys are the settings of a struct. check: as of `Table`; item: what one is called."""

    def __init__(
        self, struct: type[S], item: str = "table", *, check: Callable[[S], Iterable[BadValueError]] | None = None
    ) -> None:
        super().__init__(Table(struct, label=item, check=check), item)


class TextMap(Kind[Mapping[str, T]], Generic[T]):
    """Values of one kind by name, in their order. key: what a name must be; any text that is not empty by default."""

    label = "map"

    def __init__(self, kind: Kind[T], *, key: TextKind[str] | None = None, label: str = "") -> None:
        self.kind = kind
        self.key = key
        self.label = label or self.label

    @property
    def has_secrets(self) -> bool:
        """Whether its values have."""
        return self.kind.has_secrets

    @property
    def example(self) -> str:
        """A map of one."""
        return f"{{{self.key.example if self.key else 'name'}: {_inner_example(self.kind)}}}"

    def parse(self, raw: Raw) -> Mapping[str, T]:
        """Read a table, or its text."""
        table = _structured(raw, self) if raw != "" else {}
        if not isinstance(table, Mapping):
            raise BadValueError(f"a {self.label} is a table of names and values", f"write {self.example}")
        faults = _Faults()
        values = {}
        for name, item in table.items():
            key = faults.part(name, name, self.key, self.key.parse) if self.key else name
            if key is not None and key in values:
                faults.add(BadValueError(f"{key} is there twice", "keep one of the two", path=(name,), shown=""))
            values[key] = faults.part(name, item, self.kind, self.kind.parse)
            if not name:
                fix = f"write {self.example}"
                faults.add(BadValueError("a name is missing", fix, path=(name,), shown=""))
        faults.tell()
        return values

    def plain(self, value: Mapping[str, T]) -> Raw:
        """Return the table."""
        return {name: self.kind.plain(item) for name, item in value.items()}

    def render(self, value: Mapping[str, T]) -> str:
        """Return it on one line; nothing where it is empty."""
        return render_flow(self.plain(value)) if value else ""

    def located(self, value: Mapping[str, T], place: Place) -> Mapping[str, T]:
        """Fill in the places of the values."""
        return {name: self.kind.located(item, _beneath(place, name)) for name, item in value.items()}
