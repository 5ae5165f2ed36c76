"""Header fields and queries as mappings. Both may repeat a name, which a plain dict would hide."""

from collections.abc import Iterable, Iterator, Mapping

from penstock.errors import BadRequest

__all__ = ["Headers", "Query", "parse_query"]

QUERY_FIELDS_MAX = 1000
"""A target has at most 8,192 bytes, so at most 4,096 fields; a thousand is more than a form sends."""


class _Multi(Mapping[str, str]):
    """A mapping whose names may come more than once; looked up by the first value."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self, name: str) -> list[str]:
        """Every value of the name, in order; none: an empty list."""
        return list(self._values.get(name, ()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._values!r})"


class Query(_Multi):
    """A decoded query. `query["x"]` is the first value of x, `query.all("x")` all of them."""

    __slots__ = ()


class Headers(_Multi):
    """Header fields by name, in any case. `headers["accept"]` joins repeated fields with `, ` (RFC 9110, section 5.3).

    Values are text in ISO 8859-1, the one reading that never fails.
    """

    __slots__ = ()

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """Take names (in lower case, as frames carry them) and values."""
        values: dict[str, list[str]] = {}
        for name, value in fields:
            values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        super().__init__(values)

    def __getitem__(self, name: str) -> str:
        """The field's value."""
        name = name.lower()
        return ("; " if name == "cookie" else ", ").join(self._values[name])

    def all(self, name: str) -> list[str]:
        """The values of every field of the name, not joined."""
        return super().all(name.lower())


def parse_query(text: str) -> Query:
    """Decode a query: `&` between fields, `+` for a space, percent-encoded UTF-8. Raises `BadRequest`."""
    if not text:
        return Query({})
    from urllib.parse import parse_qsl

    values: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=QUERY_FIELDS_MAX, encoding="utf-8"
        ):
            values.setdefault(name, []).append(value)
    except ValueError as error:  # UnicodeDecodeError is one
        raise BadRequest("malformed_query", "the query is not percent-encoded UTF-8, or has too many fields") from error
    return Query(values)
