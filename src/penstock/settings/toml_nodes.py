"""Reads TOML into nodes. The standard library's reader tells no lines, so they are looked up in the text: a key has the
line on which it stands, and that of its table when it has none of its own.
"""

import re
from typing import Any

from .errors import Step
from .nodes import Node, UnreadableError

_Lines = dict[tuple[Step, ...], int]


def read_toml(text: str) -> Node:
    """Return what a text says.

    Raises:
        UnreadableError: it is no TOML, or too deep.
    """
    import tomllib

    try:
        return Node(1, _table(tomllib.loads(text), (), _lines(text)))
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"line (\d+)", str(error))
        raise UnreadableError(int(match[1]) if match else 0, f"is no TOML: {error}", "correct the line") from None
    except RecursionError:
        raise UnreadableError(0, "is nested too deeply", "settings have a few levels") from None


def _lines(text: str) -> _Lines:
    """Return the line of each key that stands on one, and of each table of an array, by its path."""
    lines: _Lines = {}
    lengths: dict[tuple[Step, ...], int] = {}
    table: tuple[Step, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line):
            table = _resolve(_parts(header[2]), lengths, is_item=header[1] == "[[")
            lines.setdefault(table, number)
        elif key := re.match(r"\s*([A-Za-z0-9_.\"' -]+?)\s*=", line):
            lines.setdefault(table + _parts(key[1]), number)
    return lines


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip(" \"'") for part in name.split("."))


def _resolve(parts: tuple[str, ...], lengths: dict[tuple[Step, ...], int], *, is_item: bool) -> tuple[Step, ...]:
    """Return the path of a header: where an array of tables is on the way, its last table is meant."""
    path: tuple[Step, ...] = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in lengths:
            path = (*path, lengths[path] - 1)
    path = (*path, parts[-1])
    if not is_item:
        return path
    lengths[path] = lengths.get(path, 0) + 1
    return (*path, lengths[path] - 1)


def _table(table: dict[str, Any], path: tuple[Step, ...], lines: _Lines) -> dict[str, Node]:
    return {key: _node(value, (*path, key), lines) for key, value in table.items()}


def _node(value: Any, path: tuple[Step, ...], lines: _Lines) -> Node:
    line = next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), 0)
    if isinstance(value, dict):
        return Node(line, _table(value, path, lines))
    if isinstance(value, list):
        items = [_node(item, (*path, index), lines) for index, item in enumerate(value)]
        return Node(line or (items[0].line if items else 0), items)
    return Node(line, str(value).lower() if isinstance(value, bool) else str(value))
