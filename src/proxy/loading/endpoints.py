"""Which of the endpoints that a service lists a method and a target are for.

The gateway has a table of all services (`proxy.route.table`); for the few endpoints of one, each is looked at.
"""

from collections.abc import Iterable

from frames.frame import Method
from frames.greeting import EndpointOffer


def find_endpoint(endpoints: Iterable[EndpointOffer], method: Method, target: str) -> EndpointOffer | None:
    """Return the endpoint, or None where there is none. HEAD finds that of GET where it has none of its own."""
    offered = list(endpoints)
    path = target.partition("?")[0]
    names = (method.name, "GET") if method is Method.HEAD else (method.name,)
    for name in names:
        matching = [each for each in offered if each.method == name and matches(each.path, path)]
        if matching:
            return min(matching, key=lambda each: _generality(each.path))
    return None


def matches(template: str, path: str) -> bool:
    """Return whether a path is one of those that a template stands for (docs/protocol.md, section 5)."""
    wanted, given = template.split("/")[1:], path.split("/")[1:]
    for at, segment in enumerate(wanted):
        if segment.endswith("...}"):
            return len(given) > at
        if at >= len(given) or not _fits(segment, given[at]):
            return False
    return len(wanted) == len(given)


def _fits(segment: str, given: str) -> bool:
    return bool(given) if segment.startswith("{") else segment == given


def _generality(template: str) -> list[int]:
    """Return what sorts literal text before parameters, and these before wildcards, from the left."""
    return [2 if each.endswith("...}") else 1 if each.startswith("{") else 0 for each in template.split("/")]
