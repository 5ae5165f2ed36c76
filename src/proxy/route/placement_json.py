"""Reads JSON into nodes: the form for a placement map with very many tenants, since it is read much faster than YAML.

The standard library's reader says no lines. Where something is wrong with a file it is read again, with the lines on
which its keys stand first.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from penstock.settings.nodes import Duplicate, Node, UnreadableError

_KEY_OR_LINE_END = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:|\n')


def read_json(text: str, duplicates: list[Duplicate], lines: Mapping[str, int]) -> Node:
    """Return what a text says, every scalar as text. Keys that a table has twice are added to the duplicates.

    lines: of the keys, as `key_lines` finds them; a node without a line has 0.

    Raises:
        UnreadableError: it is no JSON, or too deep.
    """

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            duplicates.extend(Duplicate(key, 0, lines.get(key, 0)) for key, count in counts.items() if count > 1)
        return found

    try:
        root = json.loads(text, object_pairs_hook=table, parse_int=str, parse_float=str)
        return _node(root, lines, 0)
    except json.JSONDecodeError as error:
        raise UnreadableError(error.lineno, f"is no JSON: {error.msg}", "correct the line") from None
    except RecursionError:
        raise UnreadableError(0, "is nested too deeply", "a placement map has three levels") from None


def key_lines(text: str) -> dict[str, int]:
    """Return the line on which each key stands first."""
    lines: dict[str, int] = {}
    line = 1
    for found in _KEY_OR_LINE_END.finditer(text):
        if found[1] is not None:
            lines.setdefault(found[1], line)
        line += found[0].count("\n")
    return lines


def _node(value: Any, lines: Mapping[str, int], line: int) -> Node:
    if isinstance(value, dict):
        return Node(line, {key: _node(inner, lines, lines.get(key, line)) for key, inner in value.items()})
    if isinstance(value, list):
        return Node(line, [_node(inner, lines, line) for inner in value])
    return Node(line, "" if value is None else str(value).lower() if isinstance(value, bool) else str(value))
