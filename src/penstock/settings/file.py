"""Reads a settings file, YAML or TOML, into values that know their line.

YAML is composed, not constructed: the text of each scalar is taken as it stands, so that ``no`` is no boolean, ``1:30``
no number and ``10s`` needs no quotes, and every node keeps its line. TOML has no such nodes in the standard library;
there the line of a key is looked up in the text, and is that of its table when the key has no line of its own.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import Problem, SettingsError, did_you_mean
from .load import Found, SettingsFile
from .registry import Registry
from .types import Raw

if TYPE_CHECKING:
    import yaml

FILE_BYTES_MAX = 1 << 20  # a file of settings has a few kilobytes; what is larger was named by mistake
NODES_MAX = 65_536  # aliases may stand for far more than the file's size
DEPTH_MAX = 16


class Node(msgspec.Struct, frozen=True):
    """A value of a file and its line, counted from 1."""

    line: int
    value: "str | list[Node] | dict[str, Node]"

    def plain(self) -> Raw:
        """Return the value without lines."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return {key: node.plain() for key, node in self.value.items()}


def read_settings_file(path: Path, registry: Registry) -> SettingsFile:
    """Return what the file says. A file that cannot be read, or is neither YAML nor TOML, raises `SettingsError`.

    Unknown keys do not raise; they are among the problems of what is returned, to be told together with the others.
    """
    text = _read(path)
    problems: list[Problem] = []
    root = _read_toml(path, text) if path.suffix == ".toml" else _read_yaml(path, text, problems)
    values: dict[str, Found] = {}
    if isinstance(root.value, dict):
        _collect(root.value, "", path, registry, values, problems)
    elif root.value != "":
        problems.append(_problem("bad_file", "settings", path, root.line, "not a table", "write edge: {listen: ...}"))
    return SettingsFile(values, tuple(problems))


def _problem(code: str, what: str, path: Path, line: int, why: str, fix: str) -> Problem:
    return Problem(code, what, f"{path}:{line}" if line else str(path), why, fix)


def _failure(code: str, path: Path, line: int, why: str, fix: str) -> SettingsError:
    return SettingsError([_problem(code, "settings file", path, line, why, fix)])


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise _failure("file_missing", path, 0, "there is no such file", "name an existing file by --config") from None
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        raise _failure("file_unreadable", path, 0, why, "name a file that this user may read") from None
    if len(content) > FILE_BYTES_MAX:
        raise _failure("bad_file", path, 0, "is larger than 1MiB", "name a settings file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _failure("bad_file", path, line, "is not UTF-8 text", "save it as UTF-8") from None


def _collect(
    table: Mapping[str, Node],
    prefix: str,
    path: Path,
    registry: Registry,
    values: dict[str, Found],
    problems: list[Problem],
) -> None:
    """Sort a table's keys into settings, sections and mistakes."""
    for key, node in table.items():
        name = prefix + key
        if "." not in key and name in registry.file_names():
            values[name] = Found(node.plain(), f"{path}:{node.line}")
        elif not prefix and name in registry.sections:
            if isinstance(node.value, dict):
                _collect(node.value, f"{name}.", path, registry, values, problems)
            elif node.value != "":
                why, fix = "a section holds settings", f"write {name}: {{...}}"
                problems.append(_problem("bad_section", name, path, node.line, why, fix))
        else:
            problems.append(
                _problem("unknown_key", name, path, node.line, "there is no such setting", _near(name, registry))
            )


def _near(name: str, registry: Registry) -> str:
    if "." in name and name in registry.file_names():
        section, _, key = name.partition(".")
        return f"write it nested: {section}: {{{key}: ...}}"
    return did_you_mean(name, [*registry.file_names(), *registry.sections])


def _read_yaml(path: Path, text: str, problems: list[Problem]) -> Node:
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return Node(1, "") if root is None else _YamlReader(path, problems).convert(root, 0)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        why = f"is no YAML: {error.problem or error.context}"
        raise _failure("bad_file", path, line, why, "correct the line") from None
    except yaml.YAMLError as error:
        why = f"is no YAML: {str(error).splitlines()[0]}"
        raise _failure("bad_file", path, 0, why, "save it as plain UTF-8 text") from None
    except RecursionError:
        raise _failure("bad_file", path, 0, "is nested too deeply", "settings have two levels") from None


class _YamlReader:
    """Converts composed nodes, bounded in depth and in number."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self._path = path
        self._problems = problems
        self._nodes = 0

    def convert(self, node: "yaml.Node", depth: int) -> Node:
        """Return the node; two equal keys are a problem, told with the line of the second."""
        import yaml

        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > NODES_MAX or depth > DEPTH_MAX:
            raise _failure("bad_file", self._path, line, "is too large when its aliases are followed", "use no aliases")
        if isinstance(node, yaml.MappingNode):
            return Node(line, self._table(node, depth))
        if isinstance(node, yaml.SequenceNode):
            return Node(line, [self.convert(item, depth + 1) for item in node.value])
        return Node(line, "" if node.tag == "tag:yaml.org,2002:null" else str(node.value))

    def _table(self, node: "yaml.MappingNode", depth: int) -> dict[str, Node]:
        table: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in table:
                why, fix = f"the key is on line {table[key].line} already", "keep one of the two"
                self._problems.append(_problem("duplicate_key", key, self._path, line, why, fix))
            value = self.convert(value_node, depth + 1)
            table[key] = Node(line, value.value)
        return table


def _read_toml(path: Path, text: str) -> Node:
    import tomllib

    try:
        return Node(1, _toml_table(tomllib.loads(text), (), _toml_lines(text)))
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"line (\d+)", str(error))
        raise _failure(
            "bad_file", path, int(match[1]) if match else 0, f"is no TOML: {error}", "correct the line"
        ) from None
    except RecursionError:
        raise _failure("bad_file", path, 0, "is nested too deeply", "settings have two levels") from None


def _toml_lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line of each key that stands on one, by its path."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = tuple(part.strip(" \"'") for part in header[1].split("."))
            lines.setdefault(table, number)
        elif key := re.match(r"\s*([A-Za-z0-9_.\"' -]+?)\s*=", line):
            lines.setdefault(table + tuple(part.strip(" \"'") for part in key[1].split(".")), number)
    return lines


def _toml_table(table: dict[str, Any], path: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> dict[str, Node]:
    return {key: _toml_node(value, (*path, key), lines) for key, value in table.items()}


def _toml_node(value: Any, path: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> Node:
    line = next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), 0)
    if isinstance(value, dict):
        return Node(line, _toml_table(value, path, lines))
    if isinstance(value, list):
        return Node(line, [_toml_node(item, path, lines) for item in value])
    return Node(line, str(value).lower() if isinstance(value, bool) else str(value))
