"""Puts a program's settings together: flag over environment over file over default.

Everything that is wrong is collected and told at once. An empty value is the same as none at all. A value remembers its
origin, for `penstock config` and for the errors of checks that come later.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from .errors import BadValueError, Problem, SettingsError, Step, did_you_mean, path_text, shortened
from .nodes import Node
from .registry import PREFIX, Registry, Setting
from .secrets import read_secret
from .types import SECRET_SHOWN, Raw

S = TypeVar("S")


class Found(msgspec.Struct, frozen=True):
    """A value that a source gave: the text (or list, or table), and where it stands.

    node, file: the same with its lines, where the source is a file.
    """

    raw: Raw
    where: str
    node: Node | None = None
    file: str = ""

    def place(self, path: tuple[Step, ...]) -> str:
        """Return where a part of it stands: ``file:line``, or ``PENSTOCK_RULES[2].split``."""
        if self.node is None or not path:
            return self.where + path_text(path)
        return f"{self.file}:{self.node.line_of(path)}"


class Origins(dict[str, str]):
    """By setting name: a flag, a variable, ``file:line`` or ``default``. Knows the places within values, too."""

    def __init__(self, found: Mapping[str, Found], names: Iterable[str]) -> None:
        self._found = found
        super().__init__({name: found[name].where if name in found else "default" for name in names})

    def place(self, name: str, *path: Step) -> str:
        """Return where a part of a setting's value stands."""
        found = self._found.get(name)
        return found.place(path) if found else "default"

    def let_go(self) -> None:
        """Forget the places within values, which take memory, and are wanted only while settings are looked at.

        It is done bit by bit: a large tree that goes all at once holds up the threads beside this one.
        """
        found, self._found = self._found, {name: Found("", each.where) for name, each in self._found.items()}
        for each in found.values():
            for tree in (each.raw, each.node.value if each.node else ""):
                while isinstance(tree, list) and tree:
                    tree.pop()
                while isinstance(tree, dict) and tree:
                    tree.popitem()

    def with_others(self, others: "Origins", names: Iterable[str]) -> "Origins":
        """Return these, but for some names those of others."""
        names = set(names)
        found = {name: each for name, each in self._found.items() if name not in names}
        found |= {name: each for name, each in others._found.items() if name in names}
        return Origins(found, self)


class SettingsFile(msgspec.Struct, frozen=True):
    """What a settings file says: values by setting name, and what is wrong with the file itself."""

    values: Mapping[str, Found]
    problems: tuple[Problem, ...] = ()


class Loaded(msgspec.Struct, Generic[S], frozen=True):
    """Settings that were loaded. values and origins are by setting name; an origin is a flag, a variable, ``file:line``
    or ``default``.
    """

    settings: S
    values: Mapping[str, Any]
    origins: Origins
    warnings: tuple[Problem, ...] = ()


Check = Callable[[Mapping[str, Any], Origins], list[Problem]]
"""Looks at values and origins that are right one by one, and says what is wrong with them together."""


def load(
    registry: Registry,
    environment: Mapping[str, str],
    *,
    flags: Mapping[str, str] | None = None,
    file: SettingsFile | None = None,
    check: Check | None = None,
    advise: Check | None = None,
) -> Loaded[Any]:
    """Return the settings, or raise `SettingsError` with all that is wrong. What ``advise`` says are warnings.

    flags: texts by setting name (for a secret: the path of its file); environment: as `os.environ`.
    """
    problems = list(file.problems) if file else []
    found = _from_sources(registry, environment, flags or {}, file, problems)
    bad_before = len(problems)
    values = {setting.name: _value(setting, found.get(setting.name), problems) for setting in registry}
    origins = Origins(found, (setting.name for setting in registry))
    if check and len(problems) == bad_before:
        problems += check(values, origins)
    if problems:
        raise SettingsError(problems)
    warnings = _unknown_variables(registry, environment) + (advise(values, origins) if advise else [])
    return Loaded(registry.build(values), values, origins, tuple(warnings))


def _from_sources(
    registry: Registry,
    environment: Mapping[str, str],
    flags: Mapping[str, str],
    file: SettingsFile | None,
    problems: list[Problem],
) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for setting in registry:
        first = (
            _from_flag(setting, flags, problems)
            or _from_environment(setting, environment, problems)
            or _from_file(setting, file, problems)
        )
        if first and first.raw != "":
            found[setting.name] = first
    return found


def _from_flag(setting: Setting, flags: Mapping[str, str], problems: list[Problem]) -> Found | None:
    text = flags.get(setting.name, "")
    if not text:
        return None
    return _from_secret_file(setting, text, setting.flag, problems) if setting.is_secret else Found(text, setting.flag)


def _from_environment(setting: Setting, environment: Mapping[str, str], problems: list[Problem]) -> Found | None:
    text = environment.get(setting.variable, "").strip()
    path = environment.get(f"{setting.variable}_FILE", "").strip() if setting.is_secret else ""
    if text and path:
        why = f"{setting.variable} is set too, and only one of them can count"
        problems.append(Problem("secret_twice", setting.name, f"{setting.variable}_FILE", why, "unset one of the two"))
    elif path:
        return _from_secret_file(setting, path, f"{setting.variable}_FILE", problems)
    return Found(text, setting.variable) if text else None


def _from_file(setting: Setting, file: SettingsFile | None, problems: list[Problem]) -> Found | None:
    if file is None:
        return None
    named = file.values.get(f"{setting.name}_file") if setting.is_secret else None
    if named is None or named.raw == "":
        return file.values.get(setting.name)
    return _from_secret_file(setting, str(named.raw), named.where, problems)


def _from_secret_file(setting: Setting, path: str, where: str, problems: list[Problem]) -> Found | None:
    try:
        return Found(read_secret(path), f"{where}={path}")
    except BadValueError as bad:
        problems.append(Problem(bad.code, setting.name, where, bad.why, bad.fix))
        return None


def _value(setting: Setting, found: Found | None, problems: list[Problem]) -> Any:
    if found is None:
        return setting.absent
    try:
        return setting.kind.located(setting.parse(found.raw), found.place)
    except BadValueError as bad:
        problems += [_problem(setting, found, fault) for fault in bad.faults]
        return None


def _problem(setting: Setting, found: Found, fault: BadValueError) -> Problem:
    shown = fault.shown
    if shown is None and fault.path:
        shown = ""
    elif shown is None:
        shown = SECRET_SHOWN if setting.kind.has_secrets else shortened(str(found.raw))
    name = setting.name + path_text(fault.path)
    return Problem(fault.code, f"{name} = {shown}" if shown else name, found.place(fault.path), fault.why, fault.fix)


def _unknown_variables(registry: Registry, environment: Mapping[str, str]) -> list[Problem]:
    known = registry.variables()
    why = "no setting has this variable, so it has no effect"
    return [
        Problem("unknown_variable", name, "environment", why, did_you_mean(name, known, PREFIX))
        for name, text in sorted(environment.items())
        if text and name.startswith(PREFIX) and name not in known and not registry.is_neighbour(name)
    ]
