"""Reads placement maps from files, and says all that is wrong with them, with file and line."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from penstock.settings.errors import Problem, SettingsError, did_you_mean
from penstock.settings.nodes import Duplicate, Node, UnreadableError
from penstock.settings.yaml_nodes import read_yaml
from proxy.route.placement import PlacementMap, Shard

YAML_BYTES_MAX: Final = 1 << 20
JSON_BYTES_MAX: Final = 32 << 20
"""Some hundred thousand tenants."""
PROBLEMS_MAX: Final = 50
"""Of one file; whoever has made more of them mends these first."""

_KIND = re.compile(r"[a-z][a-z0-9_]{0,53}_placement")
_REVISION = re.compile(r"[0-9]{1,15}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAMED = "1 to 64 of A-Z a-z 0-9 . _ -"
_KEYS: Final = ("kind", "revision", "shards", "tenants", "default")


def read_placement(paths: Iterable[Path]) -> tuple[PlacementMap, ...]:
    """Return the maps of some files. Raises `SettingsError` with all that is wrong with them."""
    problems: list[Problem] = []
    by_kind: dict[str, PlacementMap] = {}
    for path in paths:
        placement = _Reader(path, problems).read()
        if placement is None:
            continue
        other = by_kind.setdefault(placement.kind, placement)
        if other is not placement:
            why = f"{other.origin} is a map of this kind already"
            problems.append(
                Problem("duplicate_placement", placement.kind, str(path), why, "name one file for each kind")
            )
    if problems:
        raise SettingsError(problems)
    return tuple(by_kind.values())


class _Reader:
    """Reads one file, and notes down what is wrong with it."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self._path = path
        self._all_problems = problems
        self._problems: list[Problem] = []

    def read(self) -> PlacementMap | None:
        """Return the map; None where anything is wrong with it."""
        is_json = self._path.suffix == ".json"
        try:
            text = _read_text(self._path, JSON_BYTES_MAX if is_json else YAML_BYTES_MAX)
            placement = self._read(text, is_json, {})
            if self._problems and is_json:
                from proxy.route.placement_json import key_lines

                self._problems.clear()
                self._read(text, is_json, key_lines(text))
        except UnreadableError as error:
            placement = None
            self._refuse("bad_file", "placement map", error.line, error.why, error.fix)
        self._all_problems += self._problems[:PROBLEMS_MAX]
        return None if self._problems else placement

    def _read(self, text: str, is_json: bool, lines: Mapping[str, int]) -> PlacementMap | None:
        duplicates: list[Duplicate] = []
        if is_json:
            from proxy.route.placement_json import read_json

            root = read_json(text, duplicates, lines)
        else:
            root = read_yaml(text, duplicates)
        for duplicate in duplicates:
            why = f"the key is on line {duplicate.first_line} already"
            self._refuse("duplicate_key", duplicate.key, duplicate.line, why, "keep one of the two")
        if isinstance(root.value, dict):
            return self._map(root.value)
        fix = "write kind, revision, shards and tenants"
        self._refuse("bad_placement", "placement map", root.line, "is no table", fix)
        return None

    def _map(self, table: dict[str, Node]) -> PlacementMap:
        for key in [key for key in table if key not in _KEYS]:
            fix = did_you_mean(key, _KEYS, otherwise=f"write {', '.join(_KEYS)}")
            self._refuse("unknown_key", key, table[key].line, "a placement map has no such key", fix)
        kind = self._text(table, "kind", _KIND, "a name that ends in _placement", "aggregate_placement")
        revision = self._text(table, "revision", _REVISION, "a whole number", "1")
        shards = {name: Shard(name, self._instances(name, node)) for name, node in self._table(table, "shards").items()}
        tenants = {
            tenant.encode("ascii", "replace"): self._shard(f"tenants.{tenant}", node, shards)
            for tenant, node in self._table(table, "tenants").items()
        }
        default = table.get("default")
        return PlacementMap(
            kind=kind,
            revision=int(revision or 0),
            shards=shards,
            tenants={tenant: shard for tenant, shard in tenants.items() if shard is not None},
            default=None if default is None or default.value == "" else self._shard("default", default, shards),
            origin=str(self._path),
        )

    def _text(self, table: dict[str, Node], key: str, form: re.Pattern[str], meaning: str, example: str) -> str:
        node = table.get(key)
        if node is None:
            self._refuse("missing_key", key, 1, "is missing", f"write {key}: {example}")
            return ""
        if not isinstance(node.value, str) or not form.fullmatch(node.value):
            self._refuse("bad_value", key, node.line, f"{_shown(node)} is not {meaning}", f"write {key}: {example}")
            return ""
        return node.value

    def _table(self, table: dict[str, Node], key: str) -> dict[str, Node]:
        """Return a table by names of valid form."""
        node = table.get(key)
        if node is None:
            self._refuse("missing_key", key, 1, "is missing", f"write {key}: {{...}}, or {key}: {{}} for none")
            return {}
        if not isinstance(node.value, dict):
            if node.value != "":
                self._refuse("bad_value", key, node.line, f"{_shown(node)} is no table", f"write {key}: {{...}}")
            return {}
        for name, inner in node.value.items():
            if not _NAME.fullmatch(name):
                self._refuse("bad_value", key, inner.line, f"{name!r} is not {_NAMED}", "use these characters only")
        return node.value

    def _instances(self, shard: str, node: Node) -> frozenset[str]:
        what = f"shards.{shard}"
        if not isinstance(node.value, list):
            self._refuse("bad_value", what, node.line, f"{_shown(node)} is no list", f"write {shard}: [billing-a]")
            return frozenset()
        names: set[str] = set()
        for item in node.value:
            if not isinstance(item.value, str) or not _NAME.fullmatch(item.value):
                why = f"{_shown(item)} is no name of an instance"
                self._refuse("bad_value", what, item.line, why, f"write {_NAMED}, as PENSTOCK_INSTANCE has it")
            elif item.value in names:
                self._refuse("bad_value", what, item.line, f"{item.value!r} is there twice", "name each instance once")
            else:
                names.add(item.value)
        return frozenset(names)

    def _shard(self, what: str, node: Node, shards: Mapping[str, Shard]) -> Shard | None:
        shard = shards.get(node.value) if isinstance(node.value, str) else None
        if shard is None:
            fix = did_you_mean(str(node.value), shards, otherwise="name one of shards, or add it there")
            self._refuse("unknown_shard", what, node.line, f"{_shown(node)} is no shard of this map", fix)
        return shard

    def _refuse(self, code: str, what: str, line: int, why: str, fix: str) -> None:
        where = f"{self._path}:{line}" if line else str(self._path)
        self._problems.append(Problem(code, what, where, why, fix))


def _shown(node: Node) -> str:
    if not isinstance(node.value, str):
        return "a list" if isinstance(node.value, list) else "a table"
    return repr(node.value if len(node.value) <= 64 else f"{node.value[:64]}...")


def _read_text(path: Path, bytes_max: int) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(bytes_max + 1)
        if len(content) > bytes_max:
            fix = "make it smaller; JSON may have 32MiB"
            raise UnreadableError(0, f"is larger than {bytes_max >> 20}MiB", fix)
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise UnreadableError(0, "there is no such file", "name an existing file in placement.maps") from None
    except OSError as error:
        fix = "name a file that this user may read"
        raise UnreadableError(0, f"cannot be read: {error.strerror}", fix) from None
    except UnicodeDecodeError:
        raise UnreadableError(0, "is not UTF-8 text", "save it as UTF-8") from None
