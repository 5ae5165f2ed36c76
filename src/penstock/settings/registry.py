"""The registry: one entry per setting; variables, flags, the reference page and ``penstock config`` come from it.

The entries stand where the values are used: as annotations of the frozen struct that holds them,

    class Edge(msgspec.Struct, frozen=True):
        head_timeout_ms: Annotated[
            int, Setting(Duration("ms"), "10s", "how long a head may take", "who is slower attacks", at_least="1ms")
        ]

and `Registry` collects them. The setting's name is the path of fields without the unit (``edge.head_timeout``),
which is also its place in a file; its variable is ``PENSTOCK_EDGE_HEAD_TIMEOUT`` and its flag ``--edge-head-timeout``.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from .types import BadValueError, Kind, Raw, SecretText

PREFIX = "PENSTOCK_"


class Setting:
    """One setting. Default and bounds are as a person would write them.

    what: what it is; reason: why its default is so. Both are the end of a sentence. restart: whether another value
    takes effect only when the program is started again. required: whether a table that has this key must give it.
    is_optional: whether None stands for a value that nobody gave, which is so where the field's type has None.
    """

    def __init__(
        self,
        kind: Kind[Any],
        default: str,
        what: str,
        reason: str,
        *,
        at_least: str | None = None,
        at_most: str | None = None,
        name: str = "",
        restart: bool = False,
        required: bool = False,
    ) -> None:
        self.kind = kind
        self.default = default
        self.what = what
        self.reason = reason
        self.at_least = at_least
        self.at_most = at_most
        self.name = name
        self.restart = restart
        self.required = required
        self.is_optional = False

    def __repr__(self) -> str:
        """Return the name and the default."""
        return f"<Setting {self.name} = {self.default!r}>"

    def named(self, name: str, *, is_optional: bool = False) -> "Setting":
        """Return the same entry under its full name."""
        named = copy(self)
        named.name = name
        named.is_optional = is_optional
        return named

    @property
    def applies(self) -> str:
        """When another value takes effect: on ``reload``, or only on ``restart``."""
        return "restart" if self.restart else "reload"

    @property
    def absent(self) -> Any:
        """The value where nobody gave one; None also where somebody must."""
        if self.required or (self.is_optional and not self.default):
            return None
        return self.kind.parse(self.default)

    @property
    def is_secret(self) -> bool:
        """Whether its value must not be shown."""
        return isinstance(self.kind, SecretText)

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """The flag. A secret has only ``--…-file``, since anybody can list a process's arguments."""
        return "--" + self.name.replace(".", "-").replace("_", "-") + ("-file" if self.is_secret else "")

    @property
    def bounds(self) -> str:
        """The bounds in words, or nothing."""
        if self.at_least and self.at_most:
            return f"{self.at_least} to {self.at_most}"
        if self.at_least:
            return f"at least {self.at_least}"
        return f"at most {self.at_most}" if self.at_most else ""

    def parse(self, raw: Raw) -> Any:
        """Return the value, within its bounds, or raise `BadValueError`."""
        value = self.kind.parse(raw)
        if self.at_least is not None and value < self.kind.parse(self.at_least):
            raise BadValueError(
                f"{self.kind.render(value)} is below {self.at_least}", f"write a value of {self.bounds}"
            )
        if self.at_most is not None and value > self.kind.parse(self.at_most):
            raise BadValueError(f"{self.kind.render(value)} is above {self.at_most}", f"write a value of {self.bounds}")
        return value


class Registry:
    """The settings of one struct: iterable in the order of declaration, and found by name.

    struct: what `build` makes; neighbours: variables, and beginnings of variables (those that end with ``_``), that
    belong to another program of this family, which may be present in the same environment and are no mistake.
    """

    def __init__(self, struct: type[msgspec.Struct], neighbours: tuple[str, ...] = ()) -> None:
        self.struct = struct
        self.neighbours = neighbours
        self._settings = {setting.name: setting for setting in _settings_of(struct, "")}

    def __iter__(self) -> Iterator[Setting]:
        """Yield every setting."""
        return iter(self._settings.values())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._settings)

    def __getitem__(self, name: str) -> Setting:
        """Return the setting of that name, or raise KeyError."""
        return self._settings[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a setting of that name."""
        return name in self._settings

    @property
    def sections(self) -> tuple[str, ...]:
        """The names before the dot, in order."""
        return tuple(dict.fromkeys(setting.name.partition(".")[0] for setting in self if "." in setting.name))

    def variables(self) -> dict[str, str]:
        """Return every variable that is read, with the setting's name; ``_FILE`` variants of secrets included."""
        names = {setting.variable: setting.name for setting in self}
        return names | {f"{setting.variable}_FILE": setting.name for setting in self if setting.is_secret}

    def is_neighbour(self, variable: str) -> bool:
        """Whether a variable belongs to another program of this family."""
        return any(variable == name or (name[-1] == "_" and variable.startswith(name)) for name in self.neighbours)

    def file_names(self) -> frozenset[str]:
        """Return the names that a file may use; a secret may also be given as ``…_file``, a path."""
        return frozenset(self._settings) | {f"{setting.name}_file" for setting in self if setting.is_secret}

    def build(self, values: Mapping[str, Any]) -> Any:
        """Return the struct, from a value for each setting."""
        return _build(self.struct, "", values)


def fields_of(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Setting | type[msgspec.Struct]]]:
    """Yield (field, entry or inner struct) for each field, the entry under its full name."""
    for field, hint in get_type_hints(struct, include_extras=True).items():
        if get_origin(hint) is Annotated:
            entry = next(extra for extra in get_args(hint) if isinstance(extra, Setting))
            name = entry.name or prefix + field.removesuffix(entry.kind.suffix)
            yield field, entry.named(name, is_optional=type(None) in get_args(get_args(hint)[0]))
        else:
            yield field, hint


def _settings_of(struct: type[msgspec.Struct], prefix: str) -> Iterator[Setting]:
    for field, entry in fields_of(struct, prefix):
        if isinstance(entry, Setting):
            yield entry
        else:
            yield from _settings_of(entry, f"{prefix}{field}.")


def _build(struct: type[msgspec.Struct], prefix: str, values: Mapping[str, Any]) -> Any:
    return struct(
        **{
            field: values[entry.name] if isinstance(entry, Setting) else _build(entry, f"{prefix}{field}.", values)
            for field, entry in fields_of(struct, prefix)
        }
    )
