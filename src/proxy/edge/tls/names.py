"""Names: which certificate a client means, and which client a certificate names."""

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class NameTable(Generic[T]):
    """Finds what serves a name: an exact name first, then a wildcard for one label, then the first of all.

    A wildcard stands for exactly one label, the leftmost (RFC 6125, section 6.4.3). Where two are for the same name,
    the first counts.
    """

    def __init__(self, entries: Sequence[tuple[Iterable[str], T]]) -> None:
        """Take what there is, each with its names, in lower case."""
        self.default = entries[0][1]
        self._exact: dict[str, T] = {}
        self._parents: dict[str, T] = {}
        for names, value in entries:
            for name in names:
                table, key = (self._parents, name[2:]) if name.startswith("*.") else (self._exact, name)
                table.setdefault(key, value)

    def find(self, name: str | None) -> T:
        """Return what serves the name; the first of all when nothing does, or when there is no name."""
        if not name:
            return self.default
        name = name.lower().removesuffix(".")
        found = self._exact.get(name)
        return found if found is not None else self._parents.get(name.partition(".")[2], self.default)


def names_of_client(certificate: dict[str, Any]) -> tuple[str, ...]:
    """Return the names in a client's certificate, as `ssl.SSLObject.getpeercert` gives it.

    Those of the subject's alternative names that are DNS names, URIs, e-mail addresses or IP addresses; the common name
    only where there is none of them (RFC 6125, section 6.4.4).
    """
    alternatives = certificate.get("subjectAltName", ())
    names = tuple(value for kind, value in alternatives if kind in ("DNS", "URI", "email", "IP Address"))
    if names:
        return names
    return tuple(value for part in certificate.get("subject", ()) for key, value in part if key == "commonName")


def is_allowed(names: Iterable[str], allowed: frozenset[str]) -> bool:
    """Return whether one of a client's names is allowed. Names are compared as they are; none allowed means all are."""
    return not allowed or not allowed.isdisjoint(names)
