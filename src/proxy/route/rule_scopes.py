"""For which routes a rule holds: by service, method and path, found without looking at every rule for every route."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from frames.template import parameter_name, wildcard_name
from proxy.config.rule import Rule


class Scope(NamedTuple):
    """A rule, made to be held against many routes. at: its place among all rules."""

    at: int
    rule: Rule
    segments: tuple[str, ...]


class RulesOfService:
    """The rules of one service, found by the first segment of their paths: there may be a rule for each path."""

    def __init__(self, scopes: Sequence[Scope]) -> None:
        """scopes: in the order of their rules."""
        self._scopes = scopes
        self._by_first: dict[str, list[Scope]] = {}
        self._of_any = [scope for scope in scopes if _is_open(_first(scope.segments))]
        for scope in scopes:
            if not _is_open(first := _first(scope.segments)):
                self._by_first.setdefault(first, []).append(scope)

    def holding(self, method: int, template: str) -> list[Scope]:
        """Return those that hold for a route, in their order."""
        path = segments_of(template)
        return [
            scope
            for scope in self._of_first(_first(path))
            if (scope.rule.methods is None or method in scope.rule.methods) and covers(scope.segments, path)
        ]

    def _of_first(self, first: str) -> list[Scope]:
        """Return those whose paths may begin with a segment, in their order."""
        named = self._by_first.get(first)
        if named is None:
            return self._of_any
        return sorted(named + self._of_any) if self._of_any else named

    def partial(self, method: int, template: str) -> list[Scope]:
        """Return those that cover a part only of what a template matches, and so do not hold for its route."""
        path = segments_of(template)
        scopes = self._scopes if _is_open(_first(path)) else self._of_first(_first(path))
        return [
            scope
            for scope in scopes
            if (scope.rule.methods is None or method in scope.rule.methods) and reaches_into(scope.segments, path)
        ]


def _first(segments: tuple[str, ...]) -> str:
    return segments[0] if segments else ""


def _is_open(segment: str) -> bool:
    """Whether a path's first segment may be another one: there is none, or it is a parameter or a wildcard."""
    return not segment or "{" in segment


def scopes_of(rules: Iterable[Rule]) -> list[Scope]:
    """Return the rules, made to be held against routes."""
    return [Scope(at, rule, segments_of(rule.path or "/")) for at, rule in enumerate(rules)]


def segments_of(path: str) -> tuple[str, ...]:
    """Return a path's segments; a slash at the end adds none."""
    stripped = path.strip("/")
    return tuple(stripped.split("/")) if stripped else ()


def covers(prefix: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether all that a template matches begins with a prefix, segment by segment.

    As in `targets.allow`: a parameter in the prefix covers any one segment, a wildcard any that follow its slash. A
    parameter in the template is covered by those alone, since ``/{anything}`` matches more than ``/invoices``; a
    wildcard only by a prefix that ends before it, or by a wildcard.
    """
    if len(path) < len(prefix):
        return False
    return all(_covers_segment(want, have) for want, have in zip(prefix, path, strict=False))


def _covers_segment(want: str, have: str) -> bool:
    if want == have or wildcard_name(want) is not None:
        return True
    return parameter_name(want) is not None and wildcard_name(have) is None


def reaches_into(prefix: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether some of what a template matches begins with a prefix, and not all of it."""
    is_open = bool(path) and wildcard_name(path[-1]) is not None
    if not is_open and len(prefix) > len(path):
        return False
    meets = all(_meets_segment(want, have) for want, have in zip(prefix, path, strict=False))
    return meets and not covers(prefix, path)


def _meets_segment(want: str, have: str) -> bool:
    """Whether two segments of templates have something in common."""
    return want == have or "{" in want or "{" in have
