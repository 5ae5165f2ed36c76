"""The allow map: which service may register which path prefixes."""

import re
from collections.abc import Iterator, Mapping

from .errors import BadValueError, BadValuesError
from .types import Kind, Raw

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
        faults: list[BadValueError] = []
        for name, paths in entries:
            faults += self._faults(name, paths, name in allowed)
            allowed[name] = tuple(str(path) for path in paths)
        if faults:
            raise faults[0] if len(faults) == 1 else BadValuesError(faults)
        return allowed

    def _faults(self, name: str, paths: list[Raw], is_twice: bool) -> Iterator[BadValueError]:
        if not _SERVICE_NAME.fullmatch(name):
            fix = "write 1 to 64 of a-z, 0-9 and '-', beginning with a letter"
            yield BadValueError(f"{name!r} is no service name", fix, path=(name,))
        if is_twice:
            yield BadValueError(f"{name!r} is there twice", "give all its path prefixes in one entry", path=(name,))
        for index, path in enumerate(paths):
            if not isinstance(path, str) or not re.fullmatch(r"/[^\s,;]*", path):
                why = f"{path!r} of {name!r} is no path prefix"
                yield BadValueError(why, "write a path that begins with '/', like /invoices", path=(name, index))

    def render(self, value: Mapping[str, tuple[str, ...]]) -> str:
        """Return the text form."""
        return "; ".join(f"{name}={','.join(paths)}" for name, paths in value.items())
