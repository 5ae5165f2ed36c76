"""The version that a request asks for: by header field, and before its path."""

import pytest
from request_fields import Fields, NoFields
from route_support import begun, names, route, versions

from frames.wire_values import (
    HEAD_HAS_FORWARDED,
    HEAD_HAS_MORE,
    HEAD_ODD,
    HEAD_PLAIN,
    HEAD_UNUSUAL_PATH,
    RequestHead,
)
from proxy.errors import INTERNAL, VERSION_INVALID, VERSION_UNKNOWN
from proxy.request.exchange import NEEDS_TASK, VERSION_IN_PATH, VERSION_NAMED, Exchange
from proxy.request.route_policy import RoutePolicy, Versions
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import Answer, Reply, Stage
from proxy.route.match import TrailingSlash, make_match
from proxy.route.table import RouteTable
from proxy.route.versions import make_choose_version, make_take_version_prefix, version_prefix

EXACT = route(versions("1.4.0", "1.5.0", "2.0.0"), RoutePolicy(versions=Versions(default="1.4.0")))
RANGES = route(versions("1.4.0", "1.5.0", "2.0.0"), RoutePolicy(versions=Versions(takes_ranges=True)))
by_header = make_choose_version("X-Service-Version")
by_either = make_choose_version("x-service-version", is_in_path=True)
by_path = make_choose_version("", is_in_path=True)
FIELD = b"x-service-version"


@pytest.mark.parametrize("stage", [by_header, by_either, by_path])
def test_who_names_none_gets_the_default(stage: object) -> None:
    exchange = begun(EXACT)
    assert stage(exchange) is None  # type: ignore[operator]
    assert exchange.offers is EXACT.offers
    assert not exchange.flags & VERSION_NAMED


@pytest.mark.parametrize("stage", [by_header, by_either])
def test_the_field_is_not_looked_for_where_the_scanner_saw_none_like_it(stage: Stage) -> None:
    exchange = begun(EXACT)
    exchange.fields = NoFields()
    assert stage(exchange) is None
    exchange.flags = HEAD_HAS_MORE
    with pytest.raises(AssertionError):
        stage(exchange)


@pytest.mark.parametrize("is_in_path", [False, True])
def test_a_field_of_another_name_is_always_looked_for(is_in_path: bool) -> None:
    exchange = begun(EXACT, {b"x-version": b"2.0.0"})
    assert make_choose_version("X-Version", is_in_path=is_in_path)(exchange) is None
    assert exchange.flags == VERSION_NAMED


def test_an_exact_version() -> None:
    exchange = begun(EXACT, {FIELD: b"2.0.0"})
    assert by_header(exchange) is None
    assert names(exchange.offers) == "b-2.0.0"
    assert exchange.flags & VERSION_NAMED


def test_the_default_when_it_is_named() -> None:
    exchange = begun(EXACT, {FIELD: b"1.4.0"})
    assert by_header(exchange) is None
    assert exchange.offers is EXACT.offers
    assert exchange.flags & VERSION_NAMED


def test_a_range() -> None:
    exchange = begun(RANGES, {FIELD: b"^1"})
    assert by_header(exchange) is None
    assert names(exchange.offers) == "b-1.5.0"


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        (b"1.4.1", "'1.4.1': there are 2.0.0, 1.5.0, 1.4.0."),
        (b"1.4.0-rc.1", "'1.4.0-rc.1': there are 2.0.0, 1.5.0, 1.4.0."),
        (b"1.4.0+7", "'1.4.0+7': there are 2.0.0, 1.5.0, 1.4.0."),
    ],
)
def test_a_version_that_is_not_there(asked: bytes, detail: str) -> None:
    for at in (EXACT, RANGES):
        exchange = begun(at, {FIELD: asked})
        assert by_header(exchange) == Answer(VERSION_UNKNOWN, detail)


def test_a_range_that_nothing_is_in() -> None:
    assert by_header(begun(RANGES, {FIELD: b"^3"})) == Answer(VERSION_UNKNOWN, "'^3': there are 2.0.0, 1.5.0, 1.4.0.")


def test_a_range_where_none_is_taken() -> None:
    for asked in (b"^1", b"1", b"1.4", b"*", b">=1 <2"):
        detail = f"'{asked.decode()}' is a range; this path takes exact versions only."
        assert by_header(begun(EXACT, {FIELD: asked})) == Answer(VERSION_INVALID, detail)


@pytest.mark.parametrize("asked", [b"", b"v1.4.0", b"latest", b"1.4.0, 1.5.0", b"01.4.0", b"\xff\r\n", b"1.4.0;"])
@pytest.mark.parametrize("at", [EXACT, RANGES])
def test_what_is_no_version(at: object, asked: bytes) -> None:
    answer = by_header(begun(at, {FIELD: asked}))  # type: ignore[arg-type]
    assert isinstance(answer, Answer)
    assert answer.reason is VERSION_INVALID
    assert answer.detail is not None
    assert answer.detail.isprintable()
    assert "is no version" in answer.detail


def test_at_most_sixteen_versions_are_told() -> None:
    many = route(versions(*(f"1.{minor}.0" for minor in range(20))))
    told = ", ".join(f"1.{minor}.0" for minor in range(19, 3, -1))
    assert by_header(begun(many, {FIELD: b"9.0.0"})) == Answer(
        VERSION_UNKNOWN, f"'9.0.0': there are {told} and 4 more."
    )
    assert by_header(begun(route(()), {FIELD: b"9.0.0"})) == Answer(VERSION_UNKNOWN, "'9.0.0': there is none now.")


def test_a_version_whose_instances_are_down_is_no_unknown_one() -> None:
    exchange = begun(route(versions("1.4.0"), registered=("1.4.0", "2.0.0")), {FIELD: b"2.0.0"})
    assert by_header(exchange) is None
    assert exchange.offers == ()  # so that pick says 503


# ---- before the path ----


class Port:
    """The wire, as far as it is asked for a head."""

    def __init__(self, head: RequestHead | None) -> None:
        self.head = head

    def request_head(self, exchange: int, /) -> RequestHead | None:
        return self.head


def head_of(target: bytes, *, flags: int = 0, verdict: int = HEAD_PLAIN) -> RequestHead:
    return RequestHead(verdict, flags, target, len(target.partition(b"?")[0]), 5)


def plain(target: bytes) -> tuple[Exchange, Port]:
    return begun(EXACT, path=target.partition(b"?")[0]), Port(head_of(target))


@pytest.mark.parametrize(
    ("came", "version", "path", "target"),
    [
        (b"/@1.4.0/invoices/42", b"1.4.0", b"/invoices/42", b"/invoices/42"),
        (b"/@1.4.0/invoices?x=/@2/", b"1.4.0", b"/invoices", b"/invoices?x=/@2/"),
        (b"/@1.4.0/", b"1.4.0", b"/", b"/"),
        (b"/@1.4.0", b"1.4.0", b"/", b"/"),
        (b"/@1.4.0?x", b"1.4.0", b"/", b"/?x"),
        (b"/@%5E1.2/invoices/", b"^1.2", b"/invoices/", b"/invoices/"),
        (b"/@%3E%3D1%20%3C2/invoices", b">=1 <2", b"/invoices", b"/invoices"),
        (b"/@~1.2/@1.4.0/x", b"~1.2", b"/@1.4.0/x", b"/@1.4.0/x"),
        (b"/@/x", b"", b"/x", b"/x"),
    ],
)
def test_a_version_before_the_path(came: bytes, version: bytes, path: bytes, target: bytes) -> None:
    exchange, port = plain(came)
    assert make_take_version_prefix(port)(exchange) is None
    assert (exchange.version, exchange.path, exchange.target) == (version, path, target)
    assert exchange.flags == NEEDS_TASK | HEAD_ODD | VERSION_IN_PATH
    assert (exchange.head, exchange.content_length, exchange.authority) == (port.head, 5, None)


@pytest.mark.parametrize("path", [b"/", b"/invoices", b"/invoices/@1.4.0", b"/%401.4.0/invoices", b"/a@1.4.0"])
def test_any_other_path_is_left_alone(path: bytes) -> None:
    exchange, port = plain(path)
    assert make_take_version_prefix(port)(exchange) is None
    assert (exchange.path, exchange.flags) == (path, 0)


@pytest.mark.parametrize(
    ("came", "prefix"),
    [
        (b"/@1.4.0/x", b"/@1.4.0"),
        (b"/@%5e1.2/x", b"/@%5E1.2"),
        (b"/@%0d%0aSet-Cookie:a/x", b"/@%0D%0ASet-Cookie%3Aa"),
        (b"/@~1*/x", b"/@~1*"),
        (b"/x", b""),
    ],
)
def test_what_was_taken_off_can_be_put_back(came: bytes, prefix: bytes) -> None:
    exchange, port = plain(came)
    assert make_take_version_prefix(port)(exchange) is None
    assert version_prefix(exchange) == prefix


def test_a_redirect_keeps_the_version() -> None:
    exchange, port = plain(b"/@2.0.0/invoices/?a")
    make_take_version_prefix(port)(exchange)
    exchange.snapshot = Snapshot(RouteTable([EXACT]), Limits())
    sent = make_match(port, lambda _: TrailingSlash.REDIRECT)(exchange)
    assert sent == Reply(308, ((b"location", b"/@2.0.0/invoices?a"),))


def test_a_target_that_was_brought_into_its_form_before() -> None:
    exchange = begun(EXACT, path=b"/@1.4.0/invoices", flags=HEAD_ODD | NEEDS_TASK)
    exchange.head = head_of(b"http://example.com/%401.4.0/invoices?a", verdict=HEAD_UNUSUAL_PATH)
    exchange.target, exchange.authority = b"/@1.4.0/invoices?a", b"example.com"
    assert make_take_version_prefix(Port(None))(exchange) is None
    assert (exchange.path, exchange.target, exchange.authority) == (b"/invoices", b"/invoices?a", b"example.com")


def test_a_head_that_was_looked_at_for_its_proxies() -> None:
    exchange = begun(EXACT, path=b"/@1.4.0/invoices", flags=HEAD_ODD)
    exchange.head = head_of(b"/@1.4.0/invoices?a", flags=HEAD_HAS_FORWARDED)
    assert make_take_version_prefix(Port(None))(exchange) is None
    assert (exchange.target, exchange.authority) == (b"/invoices?a", None)


def test_a_head_that_the_wire_has_no_more() -> None:
    assert make_take_version_prefix(Port(None))(plain(b"/@1.4.0/x")[0]) == Answer(INTERNAL)


def test_what_the_path_named_is_chosen() -> None:
    exchange, port = plain(b"/@2.0.0/invoices")
    make_take_version_prefix(port)(exchange)
    assert by_path(exchange) is None
    assert names(exchange.offers) == "b-2.0.0"
    assert exchange.flags & VERSION_NAMED


@pytest.mark.parametrize(
    ("path", "reason"), [(b"/@/x", VERSION_INVALID), (b"/@v2/x", VERSION_INVALID), (b"/@9.0.0/x", VERSION_UNKNOWN)]
)
def test_what_the_path_named_is_judged_likewise(path: bytes, reason: object) -> None:
    exchange, port = plain(path)
    make_take_version_prefix(port)(exchange)
    answer = by_path(exchange)
    assert isinstance(answer, Answer)
    assert answer.reason is reason


def test_path_and_header_must_agree() -> None:
    exchange, port = plain(b"/@2.0.0/invoices")
    make_take_version_prefix(port)(exchange)
    exchange.fields = Fields({FIELD: b"1.4.0"})
    exchange.flags |= HEAD_HAS_MORE
    different = Answer(VERSION_INVALID, "The path asks for another version than the header field.")
    assert by_either(exchange) == different
    exchange.fields = Fields({FIELD: b"2.0.0"})
    assert by_either(exchange) is None
    assert names(exchange.offers) == "b-2.0.0"
