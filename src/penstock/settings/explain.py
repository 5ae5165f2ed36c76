"""Shows settings: what they are, where each comes from, and why its default is so. Secrets are stars everywhere."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from .load import Loaded
from .registry import Registry, Setting


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
    )


def as_json(shown: list[Row]) -> str:
    """Return the rows as a JSON list, indented."""
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()


def as_text(shown: list[Row], columns: int, bold: bool) -> str:
    """Return the rows for a terminal: name, value and origin, then what it is, the default and its reason."""
    name_width = max(len(row.name) for row in shown)
    value_width = min(32, max(len(_or_none(row.value)) for row in shown))
    return "\n".join(line for row in shown for line in _text_lines(row, name_width, value_width, columns, bold))


def _or_none(text: str) -> str:
    return text or "(none)"


def _text_lines(row: Row, name_width: int, value_width: int, columns: int, bold: bool) -> Iterator[str]:
    name = row.name.ljust(name_width)
    yield f"{_strong(name) if bold else name}  {_or_none(row.value).ljust(value_width)}  {row.origin}".rstrip()
    yield from textwrap.wrap(
        f"{row.what}; default {_or_none(row.default)}: {row.reason}",
        max(columns, 40),
        initial_indent="    ",
        subsequent_indent="    ",
    )


def _strong(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m"


def reference(registry: Registry) -> str:
    """Return the reference table of a registry in Markdown, by section."""
    sections: dict[str, list[Setting]] = {}
    for setting in registry:
        sections.setdefault(setting.name.partition(".")[0] if "." in setting.name else "", []).append(setting)
    return "\n".join(line for section, settings in sections.items() for line in _section_lines(section, settings))


def _section_lines(section: str, settings: Iterable[Setting]) -> Iterator[str]:
    yield f"### {section}" if section else "### (top level)"
    yield ""
    yield "| setting | what | variable | kind | default | bounds | why this default |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for setting in settings:
        default = f"`{setting.default}`" if setting.default else "none"
        variable = f"`{setting.variable}`" + (f", `{setting.variable}_FILE`" if setting.is_secret else "")
        cells = (
            f"`{setting.name}`",
            setting.what,
            variable,
            setting.kind.label,
            default,
            setting.bounds or "any",
            setting.reason,
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
