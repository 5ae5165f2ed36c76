"""Spellings of a path that try to slip past a rule: scanned, put into the usual form and matched, the answers."""

from typing import Any

import pytest
from request_fields import Fields

from frames._native import ffi, lib
from frames.frame import Method
from frames.wire_values import HEAD_ODD, HEAD_PLAIN, HEAD_UNUSUAL_PATH, KnownName, RequestHead
from proxy.edge.forwarded import TrustedProxies
from proxy.edge.head import make_read_head
from proxy.errors import reason_of_verdict
from proxy.request.exchange import Exchange
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import Answer
from proxy.route.match import match_route
from proxy.route.table import Route, RouteTable

ADMIN, NAMED, FILES = "/admin/users", "/public/{name}", "/files/{path...}"
SNAPSHOT = Snapshot(
    RouteTable(Route(number, Method.GET, path) for number, path in enumerate((ADMIN, NAMED, FILES, "/public"))),
    Limits(),
)


class Scanned(Fields):
    """A request as the scanner reads it."""

    def __init__(self, target: bytes) -> None:
        super().__init__({b"host": b"edge"})
        data = b"GET %s HTTP/1.1\r\nhost: edge\r\n\r\n" % target
        head = ffi.new("http1_head *")
        limits = ffi.new("http1_limits *", (16384, 100, 8192, 65536))
        self.verdict = lib.http1_head_scan(ffi.new("uint8_t[]", data), len(data), limits, head)
        self.head = RequestHead(self.verdict, HEAD_ODD, target, len(target.partition(b"?")[0]), 0)

    def request_head(self, exchange: int, /) -> RequestHead:
        return self.head

    def request_field_values(self, exchange: int, name: KnownName, /) -> list[bytes]:
        return []

    def is_secured(self, exchange: int, /) -> bool:
        return False


def answered(target: bytes, *, is_tolerant: bool = False) -> tuple[str, bytes]:
    """Return the code of the reason, or the template that was matched; and the path as the service sees it."""
    scanned = Scanned(target)
    if scanned.verdict not in (HEAD_PLAIN, HEAD_UNUSUAL_PATH):
        return reason_of_verdict(scanned.verdict).code, b""
    exchange = Exchange(scanned, SNAPSHOT)
    flags = 0 if scanned.verdict == HEAD_PLAIN else HEAD_ODD
    exchange.begin(1, Method.GET, flags, target.partition(b"?")[0], SNAPSHOT)
    read_head = make_read_head(scanned, TrustedProxies([]), {}, is_tolerant=is_tolerant)
    result: Any = read_head(exchange) or match_route(exchange)
    if result is not None:
        assert isinstance(result, Answer)
        return result.reason.code, b""
    return exchange.route.template, exchange.path


@pytest.mark.parametrize(
    ("target", "strict", "tolerant"),
    [
        (b"/admin/users", (ADMIN, b"/admin/users"), None),
        (b"/%61dmin/users", (ADMIN, b"/admin/users"), None),
        (b"/admin%2fusers", ("bad_path", b""), ("no_route", b"")),
        (b"/admin%5Cusers", ("bad_path", b""), ("no_route", b"")),
        (b"/admin\\users", ("bad_target", b""), None),
        (b"//admin/users", ("bad_path", b""), (ADMIN, b"/admin/users")),
        (b"/admin//users", ("bad_path", b""), (ADMIN, b"/admin/users")),
        (b"/./admin/users", ("bad_path", b""), (ADMIN, b"/admin/users")),
        (b"/public/../admin/users", ("bad_path", b""), (ADMIN, b"/admin/users")),
        (b"/public/%2e%2e/admin/users", ("bad_path", b""), (ADMIN, b"/admin/users")),
        (b"/public/.%2E/admin/users", ("bad_path", b""), (ADMIN, b"/admin/users")),
        (b"/public/%252e%252e/admin/users", ("no_route", b""), None),
        (b"/../admin/users", ("bad_path", b""), ("bad_path", b"")),
        (b"/files/..", ("bad_path", b""), ("no_route", b"")),
        (b"/files/%2e%2e/%2e%2e/admin/users", ("bad_path", b""), ("bad_path", b"")),
        (b"/public/..;/admin/users", ("bad_path", b""), None),
        (b"/public/..%3B/admin/users", ("bad_path", b""), None),
        (b"/public/%2e%2e;/admin/users", ("bad_path", b""), None),
        (b"/public/%2E.%3b/admin/users", ("bad_path", b""), None),
        (b"/public/..;x=1/admin/users", ("bad_path", b""), None),
        (b"/public/.;/admin/users", ("bad_path", b""), None),
        (b"/.;x/admin/users", ("bad_path", b""), None),
        (b"/public/..;", ("bad_path", b""), None),
        (b"/public/...;", (NAMED, b"/public/...;"), None),
        (b"/public/a..;", (NAMED, b"/public/a..;"), None),
        (b"/public/;..", (NAMED, b"/public/;.."), None),
        (b"/public/%252e%252e;/admin/users", ("no_route", b""), None),
        (b"/admin;x=1/users", ("no_route", b""), None),
        (b"/admin/users;x=1", ("no_route", b""), None),
        (b"/admin/users.", ("no_route", b""), None),
        (b"/admin/users/", ("no_route", b""), None),
        (b"/admin/users%20", ("no_route", b""), None),
        (b"/admin/users%00", ("bad_path", b""), ("bad_path", b"")),
        (b"/admin/users%0a", ("bad_path", b""), ("no_route", b"")),
        (b"/admin/users\t", ("bad_target", b""), None),
        (b"/Admin/users", ("no_route", b""), None),
        (b"/ADMIN/USERS", ("no_route", b""), None),
        (b"/admin/%75SERS", ("no_route", b""), None),
        (b"/%c0%af", ("no_route", b""), None),
        (b"/public/%c0%ae%c0%ae", (NAMED, b"/public/%C0%AE%C0%AE"), None),
        (b"/public%c0%afusers", ("no_route", b""), None),
        (b"/public/\xc0\xae", ("bad_target", b""), None),
        (b"/public/%ef%bc%8e%ef%bc%8e/admin", ("no_route", b""), None),
        (b"/public/%u002e", ("bad_target", b""), None),
        (b"/public/", ("no_route", b""), None),
        (b"/admin/users?/../public", (ADMIN, b"/admin/users"), None),
        (b"/admin/users#/public", ("bad_target", b""), None),
        (b"http://edge/admin%2fusers", ("bad_target", b""), None),
    ],
)
def test_a_spelling_is_one_path_or_none(
    target: bytes, strict: tuple[str, bytes], tolerant: tuple[str, bytes] | None
) -> None:
    assert answered(target) == strict
    assert answered(target, is_tolerant=True) == (strict if tolerant is None else tolerant)


def test_what_a_wildcard_takes_stays_below_it() -> None:
    assert answered(b"/files/a/b;c/...;/d") == (FILES, b"/files/a/b;c/...;/d")
    assert answered(b"/files/a/b;c/..;/d") == ("bad_path", b"")
    assert answered(b"/files/a%2e%2e/b") == (FILES, b"/files/a../b")
    assert answered(b"/files/a/../b", is_tolerant=True) == (FILES, b"/files/b")
    assert answered(b"/files//b", is_tolerant=True) == (FILES, b"/files/b")
