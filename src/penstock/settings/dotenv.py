"""Settings as a file of variables, which shells, Docker and systemd read: `NAME=value` lines and comments."""

import re
from collections.abc import Iterator
from typing import Any

from .load import Loaded
from .registry import Registry, Setting

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+-]+")


def as_variables(registry: Registry, loaded: Loaded[Any]) -> str:
    """Return a line for each setting; what has its default stands in a comment, and so does what must not be shown."""
    return "\n".join(line for setting in registry for line in _lines(setting, loaded))


def set_variables(registry: Registry, loaded: Loaded[Any]) -> dict[str, str]:
    """Return the variables whose values are not their defaults, and are no secrets; of secrets, where they are read."""
    shown = {}
    for setting in registry:
        value, origin = loaded.values[setting.name], loaded.origins[setting.name]
        if setting.is_secret and "=" in origin:
            shown[f"{setting.variable}_FILE"] = origin.partition("=")[2]
        elif origin != "default" and not setting.kind.has_secrets:
            shown[setting.variable] = "" if value is None else setting.kind.render(value)
    return shown


def _lines(setting: Setting, loaded: Loaded[Any]) -> Iterator[str]:
    value, origin = loaded.values[setting.name], loaded.origins[setting.name]
    yield f"# {setting.what} [{setting.kind.label}; takes effect on {setting.applies}]"
    if origin == "default":
        yield f"# {setting.variable}={_quoted(setting.default)}"
    elif setting.is_secret:
        yield _secret_line(setting, origin)
    elif setting.kind.has_secrets:
        yield f"# {setting.variable} is set ({origin}); it has secrets in it, which are not shown"
    else:
        yield f"{setting.variable}={_quoted('' if value is None else setting.kind.render(value))}"


def _secret_line(setting: Setting, origin: str) -> str:
    _, is_file, path = origin.partition("=")
    if is_file:
        return f"{setting.variable}_FILE={_quoted(path)}"
    return f"# {setting.variable} is set ({origin}), and not shown"


def _quoted(text: str) -> str:
    """Return the text as a shell takes it."""
    if not text or _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
