"""Targets: the path and query of a leg, made of the path that was asked."""

from collections.abc import Callable

from frames.template import parameter_name, wildcard_name

TargetOf = Callable[[bytes, bytes], bytes]
"""(the path that was asked, without its query; the query with its question mark, or nothing) -> target of a leg."""


def parameters_of(template: str) -> tuple[str, ...]:
    """Return the names of a template's parameters, that of its wildcard included."""
    names = ((parameter_name(segment) or wildcard_name(segment)) for segment in template.split("/"))
    return tuple(name for name in names if name)


def make_target(route: str, leg: str) -> TargetOf:
    """Return what makes targets of a leg's template out of paths that the route's template matches.

    leg: empty for the same path. Its parameters are among the route's; what they match goes on byte by byte, so a path
    that was in its one form is so again.
    """
    if not leg or leg == route:
        return lambda path, query: path + query
    places = {name: place for place, segment in enumerate(route.split("/")) if (name := parameter_name(segment))}
    wild = {name: place for place, segment in enumerate(route.split("/")) if (name := wildcard_name(segment))}
    parts: list[bytes | int] = []
    rest_at = next(iter(wild.values()), -1)
    for segment in leg.split("/"):
        name = parameter_name(segment) or wildcard_name(segment)
        parts.append(segment.encode() if name is None else places.get(name, rest_at))

    def target(path: bytes, query: bytes) -> bytes:
        segments = path.split(b"/")

        def value(part: bytes | int) -> bytes:
            if isinstance(part, bytes):
                return part
            return b"/".join(segments[part:]) if part == rest_at else segments[part]

        return b"/".join(map(value, parts)) + query

    return target
