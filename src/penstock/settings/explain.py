"""Shows settings: what they are, where each comes from, and why its default is so. Secrets are stars everywhere."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from .errors import Step, path_text
from .flow import render_flow
from .load import Loaded, Origins
from .registry import Registry, Setting
from .tables import ListOf, Table, TextMap
from .types import Kind

_VALUE_WIDTH: Final = 32
"""Of the column of values in a terminal; longer ones stand out."""


class Row(msgspec.Struct, frozen=True):
    """One setting as shown: texts, with secrets as stars."""

    name: str
    value: str
    origin: str
    default: str
    bounds: str
    variable: str
    what: str
    reason: str
    applies: str
    """When another value takes effect: ``reload`` or ``restart``."""


def rows(registry: Registry, loaded: Loaded[Any]) -> list[Row]:
    """Return a row for each setting, in the registry's order."""
    return [_row(setting, loaded) for setting in registry]


def _row(setting: Setting, loaded: Loaded[Any]) -> Row:
    return Row(
        name=setting.name,
        value=setting.kind.render(loaded.values[setting.name]),
        origin=loaded.origins[setting.name],
        default=setting.default,
        bounds=setting.bounds,
        variable=setting.variable,
        what=setting.what,
        reason=setting.reason,
        applies=setting.applies,
    )


def as_json(shown: list[Row]) -> str:
    """Return the rows as a JSON list, indented."""
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()


def places(registry: Registry, loaded: Loaded[Any]) -> list[tuple[str, str, str]]:
    """Return (name, value, place) of each setting, and of each key within tables that somebody gave."""
    return [
        line
        for setting in registry
        for line in _places(setting.kind, loaded.values[setting.name], setting.name, (), loaded.origins)
    ]


def _places(
    kind: Kind[Any], value: Any, setting: str, path: tuple[Step, ...], origins: Origins
) -> Iterator[tuple[str, str, str]]:
    """Go down as far as there are tables."""
    kind = kind.actual
    inner: list[tuple[Kind[Any], Any, Step]] = []
    if value and isinstance(kind, ListOf) and isinstance(kind.kind, Table):
        inner = [(kind.kind, item, index) for index, item in enumerate(value)]
    elif value and isinstance(kind, TextMap):
        inner = [(kind.kind, item, key) for key, item in value.items()]
    elif value is not None and isinstance(kind, Table):
        inner = [
            (entry.kind, getattr(value, field), entry.name)
            for field, entry in kind.settings.items()
            if getattr(value, field) != entry.absent
        ]
    if not inner:
        text = "" if value is None else kind.render(value)
        yield setting + path_text(path), _or_none(text), origins.place(setting, *path)
    for part, item, step in inner:
        yield from _places(part, item, setting, (*path, step), origins)


def as_text(shown: list[Row], columns: int, bold: bool) -> str:
    """Return the rows for a terminal: name, value and origin, then what it is, the default and its reason.

    A value that is too long for its line has lines of its own below it.
    """
    name_width = max((len(row.name) for row in shown), default=0)
    value_width = min(_VALUE_WIDTH, max((len(_or_none(row.value)) for row in shown), default=0))
    return "\n".join(line for row in shown for line in _text_lines(row, name_width, value_width, columns, bold))


def _or_none(text: str) -> str:
    return text or "(none)"


def _text_lines(row: Row, name_width: int, value_width: int, columns: int, bold: bool) -> Iterator[str]:
    name, value = row.name.ljust(name_width), _or_none(row.value)
    is_below = len(value) > value_width and name_width + len(value) + len(row.origin) + 4 > columns
    beside = "(below)" if is_below else value
    yield f"{_strong(name) if bold else name}  {beside.ljust(value_width)}  {row.origin}".rstrip()
    if is_below:
        yield from _wrapped(value, columns, "    = ")
    yield from textwrap.wrap(
        f"{row.what}; default {_or_none(row.default)}: {row.reason}; takes effect on {row.applies}",
        max(columns, 40),
        initial_indent="    ",
        subsequent_indent="    ",
    )


def _wrapped(value: str, columns: int, indent: str) -> list[str]:
    """Break between words only, so that what is copied is still right."""
    return textwrap.wrap(
        value,
        max(columns, 40),
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _strong(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m"


def as_yaml(registry: Registry, loaded: Loaded[Any], *, is_changed_only: bool = False) -> str:
    """Return the settings as a file would say them, each with its origin in a comment. Secrets are stars."""
    lines: list[str] = []
    section = ""
    for setting in registry:
        origin = loaded.origins[setting.name]
        if is_changed_only and origin == "default":
            continue
        head, dot, key = setting.name.rpartition(".")
        if head != section and head:
            lines.append(f"{head}:")
        section, indent = head, "  " if dot else ""
        lines.append(f"{indent}# {origin}; takes effect on {setting.applies}")
        lines.append(f"{indent}{key}:{_yaml_value(setting.kind, loaded.values[setting.name], indent)}")
    return "\n".join(lines)


def _yaml_value(kind: Kind[Any], value: Any, indent: str) -> str:
    """Return the text after a key: of a list of tables, each has a line."""
    plain = "" if value is None or not (text := kind.render(value)) else text
    actual = kind.actual
    if plain and isinstance(actual, ListOf) and isinstance(actual.kind, Table):
        return "".join(f"\n{indent}  - {actual.kind.render(item)}" for item in value)
    return f" {render_flow(kind.plain(value) if plain else '')}"


def reference(registry: Registry, *, is_reloaded: bool = True) -> str:
    """Return the reference table of a registry in Markdown, by section, with the keys of tables.

    is_reloaded: whether there is anything to tell about when another value takes effect.
    """
    sections: dict[str, list[Setting]] = {}
    for setting in registry:
        sections.setdefault(setting.name.partition(".")[0] if "." in setting.name else "", []).append(setting)
    return "\n".join(
        line for section, settings in sections.items() for line in _section_lines(section, settings, is_reloaded)
    )


def _section_lines(section: str, settings: Iterable[Setting], is_reloaded: bool) -> Iterator[str]:
    yield f"### {section}" if section else "### (top level)"
    yield ""
    columns: tuple[str, ...] = ("setting", "what", "variable", "kind", "default", "bounds", "why this default")
    columns += ("takes effect on",) if is_reloaded else ()
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---' for _ in columns)} |"
    for setting in settings:
        variable = f"`{setting.variable}`" + (f", `{setting.variable}_FILE`" if setting.is_secret else "")
        cells = (
            f"`{setting.name}`",
            setting.what,
            variable,
            setting.kind.label,
            _code(setting.default),
            setting.bounds or "any",
            setting.reason,
            *((setting.applies,) if is_reloaded else ()),
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    for setting in settings:
        for path, table in tables_of(setting.kind, setting.name):
            yield from _table_lines(path, table)


def tables_of(kind: Kind[Any], path: str) -> Iterator[tuple[str, Table[Any]]]:
    """Yield the tables within a kind, each with its path: ``rules[].split``."""
    kind = kind.actual
    if isinstance(kind, ListOf):
        yield from tables_of(kind.kind, f"{path}[]")
    elif isinstance(kind, TextMap):
        yield from tables_of(kind.kind, f"{path}.*")
    elif isinstance(kind, Table):
        yield path, kind
        for key, setting in kind.keys.items():
            yield from tables_of(setting.kind, f"{path}.{key}")


def _table_lines(path: str, table: Table[Any]) -> Iterator[str]:
    yield f"Keys of `{path}`:"
    yield ""
    yield "| key | what | kind | default | bounds | when it is not given |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for key, setting in table.keys.items():
        name = f"`{key}`" + (f", `{key}_file`" if setting.is_secret else "")
        given = ("must be given", "") if setting.required else (_code(setting.default), setting.reason)
        yield f"| {' | '.join((name, setting.what, setting.kind.label, given[0], setting.bounds or 'any', given[1]))} |"
    yield ""


def _code(text: str) -> str:
    return f"`{text}`" if text else "none"
