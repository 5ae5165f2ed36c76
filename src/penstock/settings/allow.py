"""The allow map: which service may register which path prefixes."""

import re
from collections.abc import Mapping

from .types import BadValueError, Kind, Raw

_SERVICE_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")


class AllowMap(Kind[Mapping[str, tuple[str, ...]]]):
    """Path prefixes by service: ``billing=/invoices,/bills; orders=/orders``. Empty: every service may register all."""

    label = "allow map"
    example = "billing=/invoices,/bills; orders=/orders"

    def parse(self, raw: Raw) -> Mapping[str, tuple[str, ...]]:
        """Read the text, or a file's table of lists."""
        if isinstance(raw, str):
            return self._collect([self._split(entry) for entry in raw.split(";") if entry.strip()])
        if isinstance(raw, Mapping):
            return self._collect(
                [(name, [paths] if isinstance(paths, str) else list(paths)) for name, paths in raw.items()]
            )
        raise BadValueError("an allow map is a table", "write allow: {billing: [/invoices, /bills]}")

    def _split(self, entry: str) -> tuple[str, list[Raw]]:
        name, equals, paths = entry.partition("=")
        if not equals:
            raise BadValueError(f"{entry.strip()!r} has no '='", f"write {self.example}")
        return name.strip(), [path.strip() for path in paths.split(",")]

    def _collect(self, entries: list[tuple[str, list[Raw]]]) -> Mapping[str, tuple[str, ...]]:
        allowed: dict[str, tuple[str, ...]] = {}
        for name, paths in entries:
            if not _SERVICE_NAME.fullmatch(name):
                raise BadValueError(
                    f"{name!r} is no service name", "write 1 to 64 of a-z, 0-9 and '-', beginning with a letter"
                )
            if name in allowed:
                raise BadValueError(f"{name!r} is there twice", "give all its path prefixes in one entry")
            allowed[name] = tuple(self._prefix(name, path) for path in paths)
        return allowed

    def _prefix(self, name: str, path: Raw) -> str:
        if not isinstance(path, str) or not re.fullmatch(r"/[^\s,;]*", path):
            raise BadValueError(
                f"{path!r} of {name!r} is no path prefix", "write a path that begins with '/', like /invoices"
            )
        return path

    def render(self, value: Mapping[str, tuple[str, ...]]) -> str:
        """Return the text form."""
        return "; ".join(f"{name}={','.join(paths)}" for name, paths in value.items())
