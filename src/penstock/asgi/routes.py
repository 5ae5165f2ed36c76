"""Which endpoints an application has at the gateway: everything below a prefix, or the routes that it names itself.

Templates of Starlette, FastAPI and Litestar have types (`{number:int}`), parts of a segment (`{name}.json`), a slash
at the end; the gateway's have none of that. Such a route becomes the least endpoint that covers it; the application,
which matches once more, decides the rest.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from frames.frame import Method
from frames.template import template_shape
from penstock.asgi.bridge import Route
from penstock.asgi.messages import Application, StartupError

__all__ = ["list_routes", "routes_below"]

METHODS = tuple(Method.__members__)
_WHOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([A-Za-z_]+))?\}")
_PCHAR = "-._~!$&'()*+,;=:@%"
_REST = "{path...}"


def routes_below(prefix: str) -> list[Route]:
    """Return endpoints for every path below a prefix, and for the prefix itself, with every method."""
    paths = [f"{prefix}/{_REST}"] if not prefix else [prefix, f"{prefix}/{_REST}"]
    return [(method, path) for path in paths for method in METHODS]


def list_routes(app: Application, prefix: str = "") -> list[Route]:
    """Return an endpoint for each route that the application names. Raises `StartupError` when it does not name them.

    OPTIONS is always the application's business: it may have an answer for browsers that ask before they ask (CORS).
    """
    found: dict[tuple[str, str], Route] = {}
    for methods, path in _walk(getattr(app, "routes", None), ""):
        template = _template(prefix + path)
        for method in (*(method for method in METHODS if method in methods), "OPTIONS"):
            found.setdefault((method, template_shape(template)), (method, template))
    if not found:
        raise StartupError("the application names no routes; leave out --routes, and all of its paths are offered")
    return list(found.values())


def _walk(routes: Iterable[Any] | None, prefix: str) -> Iterator[tuple[Iterable[str], str]]:
    for route in routes or ():
        candidates = getattr(route, "effective_candidates", None)
        if candidates is not None:  # FastAPI's routers within a router
            yield from _walk(candidates(), prefix)
            continue
        path = getattr(route, "path", None) or getattr(getattr(route, "starlette_route", None), "path", None)
        if not isinstance(path, str):
            raise StartupError(f"the route {route!r} has no path; leave out --routes, and all paths are offered")
        if _is_mount(route):
            yield from _walk_mount(route, prefix + path)
        else:
            yield _methods(route), prefix + path


def _is_mount(route: Any) -> bool:
    return type(route).__name__ in ("Mount", "ASGIRoute")


def _walk_mount(route: Any, prefix: str) -> Iterator[tuple[Iterable[str], str]]:
    within = getattr(route, "routes", None)
    if within:
        yield from _walk(within, prefix)
        return
    yield METHODS, prefix or "/"
    yield METHODS, prefix.rstrip("/") + "/{path:path}"


def _methods(route: Any) -> Iterable[str]:
    """A route without methods is a WebSocket's, which begins with GET, or a class that takes any."""
    methods: Iterable[str] | None = getattr(route, "methods", None)
    if methods:
        return methods
    return ("GET",) if "WebSocket" in type(getattr(route, "starlette_route", None) or route).__name__ else METHODS


def _template(path: str) -> str:
    """Return the least template of the gateway's that covers a path of the application's."""
    if path in ("", "/"):
        return "/"
    segments: list[str] = []
    names: set[str] = set()
    for segment in path.lstrip("/").split("/"):
        made, is_last = _segment(segment, names)
        segments.append(made)
        if is_last:
            break
    return "/" + "/".join(segments)


def _segment(segment: str, names: set[str]) -> tuple[str, bool]:
    """Return a segment of a template, and whether it covers all that follows."""
    if "{" not in segment:
        return (quote(segment, safe=_PCHAR), False) if segment else (_REST, True)
    whole = _WHOLE.fullmatch(segment)
    name = whole[1] if whole else f"part_{len(names)}"
    if (whole and whole[2] == "path") or (not whole and ":path}" in segment):
        return f"{{{name}...}}" if name not in names else _REST, True
    name = name if name not in names else f"{name}_{len(names)}"
    names.add(name)
    return f"{{{name}}}", False
