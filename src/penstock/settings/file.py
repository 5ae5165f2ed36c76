"""Reads a settings file, YAML or TOML, into values that know their line."""

from collections.abc import Mapping
from pathlib import Path

from .errors import Problem, SettingsError, did_you_mean
from .load import Found, SettingsFile
from .nodes import Duplicate, Node, UnreadableError
from .registry import Registry
from .toml_nodes import read_toml
from .yaml_nodes import read_yaml

FILE_BYTES_MAX = 1 << 20  # a file of settings has a few kilobytes; what is larger was named by mistake


def read_settings_file(path: Path, registry: Registry, text: bytes | None = None) -> SettingsFile:
    """Return what the file says. A file that cannot be read, or is neither YAML nor TOML, raises `SettingsError`.

    text: what it is taken to say, in place of what stands in it.

    Unknown keys do not raise; they are among the problems of what is returned, to be told together with the others.
    """
    duplicates: list[Duplicate] = []
    root = _root(path, text, duplicates)
    problems = [_duplicate(path, duplicate) for duplicate in duplicates]
    values: dict[str, Found] = {}
    if isinstance(root.value, dict):
        _collect(root.value, "", path, registry, values, problems)
    elif root.value != "":
        problems.append(_problem("bad_file", "settings", path, root.line, "not a table", "write edge: {listen: ...}"))
    return SettingsFile(values, tuple(problems))


def _root(path: Path, content: bytes | None, duplicates: list[Duplicate]) -> Node:
    text = _decoded(path, _read(path) if content is None else content)
    try:
        return read_toml(text) if path.suffix == ".toml" else read_yaml(text, duplicates)
    except UnreadableError as error:
        raise _failure("bad_file", path, error.line, error.why, error.fix) from None


def _duplicate(path: Path, duplicate: Duplicate) -> Problem:
    why = f"the key is on line {duplicate.first_line} already"
    return _problem("duplicate_key", duplicate.key, path, duplicate.line, why, "keep one of the two")


def _problem(code: str, what: str, path: Path, line: int, why: str, fix: str) -> Problem:
    return Problem(code, what, f"{path}:{line}" if line else str(path), why, fix)


def _failure(code: str, path: Path, line: int, why: str, fix: str) -> SettingsError:
    return SettingsError([_problem(code, "settings file", path, line, why, fix)])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise _failure("file_missing", path, 0, "there is no such file", "name an existing file by --config") from None
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        raise _failure("file_unreadable", path, 0, why, "name a file that this user may read") from None


def _decoded(path: Path, content: bytes) -> str:
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
            values[name] = Found(node.plain(), f"{path}:{node.line}", node, str(path))
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
