"""A program: match paths among few and among many routes in turns; prints nanoseconds per match as JSON.

A third of the routes has no parameter, a third one at the end, and a third a wildcard behind a parameter. Of each kind
a thousand paths are asked for in turn, so that many routes are really looked at, and not one that stays in the
processor's cache.
"""

import json
import sys
import time
from itertools import cycle, islice

from frames.frame import Method
from proxy.route.table import Route, RouteTable

SIZES = (10, 1_000, 10_000)
KINDS = {
    "literal": ("/services/{n}/things", "/services/{n}/things"),
    "parameter": ("/services/{n}/things/{{id}}", "/services/{n}/things/4711"),
    "wildcard": ("/services/{n}/owners/{{id}}/files/{{path...}}", "/services/{n}/owners/17/files/a/b"),
}
PATHS = 1_000
ROUND_NS = 10_000_000


def table_of(size: int) -> RouteTable:
    """Return a table with so many routes, of all kinds in turn."""
    templates = [template for template, _ in KINDS.values()]
    return RouteTable(Route(n, Method.GET, templates[n % len(templates)].format(n=n)) for n in range(size))


def paths_of(kind: str, size: int) -> list[bytes]:
    """Return PATHS paths of routes of one kind that such a table has, spread over all of them."""
    place = list(KINDS).index(kind)
    numbers = range(place, size, len(KINDS))
    chosen = cycle(numbers[:: max(1, len(numbers) // PATHS)])
    return [KINDS[kind][1].format(n=n).encode() for n in islice(chosen, PATHS)]


def time_round(table: RouteTable, paths: list[bytes]) -> float:
    """Return nanoseconds per match, over at least ROUND_NS, with the loop around it."""
    match, method, matched = table.match, int(Method.GET), 0
    start = time.perf_counter_ns()
    while True:
        for path in paths:
            match(method, path)
        matched += len(paths)
        spent = time.perf_counter_ns() - start
        if spent >= ROUND_NS:
            return spent / matched


def main(rounds: int) -> None:
    """Measure all in turns and print the rounds."""
    tables = {size: table_of(size) for size in SIZES}
    asked = {(kind, size): paths_of(kind, size) for kind in KINDS for size in SIZES}
    for (kind, size), paths in asked.items():
        if any(tables[size].match(Method.GET, path) is None for path in paths):
            sys.exit(f"a path of the kind {kind} was not found among {size} routes")
    work = {f"{kind} {size}": (tables[size], paths) for (kind, size), paths in asked.items()}
    print(json.dumps([{name: time_round(*each) for name, each in work.items()} for _ in range(rounds)]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
