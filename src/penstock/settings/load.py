"""Puts a program's settings together: flag over environment over file over default.

Everything that is wrong is collected and told at once. An empty value is the same as none at all. A value remembers its
origin, for `penstock config` and for the errors of checks that come later.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from .errors import Problem, SettingsError, did_you_mean
from .registry import PREFIX, Registry, Setting
from .types import SECRET_SHOWN, BadValueError, Raw

S = TypeVar("S")
SECRET_FILE_BYTES_MAX = 65_536


class Found(msgspec.Struct, frozen=True):
    """A value that a source gave: the text (or list, or table), and where it stands."""

    raw: Raw
    where: str


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
    origins: Mapping[str, str]
    warnings: tuple[Problem, ...] = ()


Check = Callable[[Mapping[str, Any], Mapping[str, str]], list[Problem]]
"""Looks at values and origins that are right one by one, and says what is wrong with them together."""


def load(
    registry: Registry,
    environment: Mapping[str, str],
    *,
    flags: Mapping[str, str] | None = None,
    file: SettingsFile | None = None,
    check: Check | None = None,
) -> Loaded[Any]:
    """Return the settings, or raise `SettingsError` with all that is wrong.

    flags: texts by setting name (for a secret: the path of its file); environment: as `os.environ`.
    """
    problems = list(file.problems) if file else []
    found = _from_sources(registry, environment, flags or {}, file, problems)
    bad_before = len(problems)
    values = {setting.name: _value(setting, found.get(setting.name), problems) for setting in registry}
    origins = {setting.name: found[setting.name].where if setting.name in found else "default" for setting in registry}
    if check and len(problems) == bad_before:
        problems += check(values, origins)
    if problems:
        raise SettingsError(problems)
    return Loaded(registry.build(values), values, origins, tuple(_unknown_variables(registry, environment)))


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
    """Read a secret: the file's text without the space around it."""
    try:
        with Path(path).open("rb") as stream:
            text = stream.read(SECRET_FILE_BYTES_MAX).decode("ascii", "replace").strip()
    except OSError as error:
        why = f"cannot read {path}: {error.strerror}"
        problems.append(Problem("secret_unreadable", setting.name, where, why, "name a file that this user may read"))
        return None
    if not text:
        fix = "write the secret into it, or unset the variable"
        problems.append(Problem("secret_empty", setting.name, where, f"{path} is empty", fix))
        return None
    return Found(text, f"{where}={path}")


def _value(setting: Setting, found: Found | None, problems: list[Problem]) -> Any:
    if found is None:
        return setting.kind.parse(setting.default)
    try:
        return setting.parse(found.raw)
    except BadValueError as bad:
        shown = SECRET_SHOWN if setting.is_secret else found.raw
        problems.append(Problem("bad_value", f"{setting.name} = {shown}", found.where, bad.why, bad.fix))
        return None


def _unknown_variables(registry: Registry, environment: Mapping[str, str]) -> list[Problem]:
    known = registry.variables()
    why = "no setting has this variable, so it has no effect"
    return [
        Problem("unknown_variable", name, "environment", why, did_you_mean(name, known, PREFIX))
        for name, text in sorted(environment.items())
        if text and name.startswith(PREFIX) and name not in known and not name.startswith(registry.neighbours)
    ]
