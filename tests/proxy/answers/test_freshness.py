"""Whether an answer may be kept, and for how long: RFC 9111, rule by rule."""

import pytest

from frames.frame import FieldId
from proxy.answers.directives import parse_directives
from proxy.answers.freshness import Life, NotKept, judge
from proxy.answers.payload import Response
from proxy.request.route_policy import CacheRule

RULE = CacheRule(ttl_ms=1_000, ttl_max_ms=60_000, stale_ms=5_000)
NOW_S = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"  # the same
LATER = "Tue, 14 Nov 2023 22:13:30 GMT"


def judged(
    *fields: tuple[str, str],
    status: int = 200,
    asked: bytes = b"",
    is_authenticated: bool = False,
    delay_ms: int = 0,
    rule: CacheRule = RULE,
) -> Life | NotKept:
    response = Response(
        status, tuple((int(FieldId.NAMED), name.encode(), value.encode()) for name, value in fields), b"body"
    )
    return judge(
        response,
        rule,
        parse_directives(asked),
        is_authenticated=is_authenticated,
        delay_ms=delay_ms,
        now_s=lambda: NOW_S,
    )


def control(value: str) -> tuple[str, str]:
    return "cache-control", value


@pytest.mark.parametrize(
    ("fields", "fresh_ms"),
    [
        ([], 1_000),
        ([control("max-age=10")], 10_000),
        ([control("max-age=10, s-maxage=5")], 5_000),
        ([control("max-age=3600")], 60_000),
        ([("expires", LATER), ("date", DATE)], 10_000),
        ([("expires", LATER)], 10_000),
        ([control("max-age=3"), ("expires", LATER)], 3_000),
        ([control("max-age=10"), ("age", "4")], 6_000),
        ([control("max-age=10"), ("age", "no number")], 10_000),
        ([control("public")], 1_000),
    ],
)
def test_how_long_it_is_fresh(fields: list[tuple[str, str]], fresh_ms: int) -> None:
    life = judged(*fields)
    assert isinstance(life, Life)
    assert life.fresh_ms == fresh_ms


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([control("no-store")], NotKept.NO_STORE),
        ([control("private")], NotKept.PRIVATE),
        ([control('private="x-a"')], NotKept.PRIVATE),
        ([control("no-cache")], NotKept.NO_CACHE),
        ([control('no-cache="set-cookie"')], NotKept.NO_CACHE),
        ([control("max-age=60"), ("set-cookie", "a=b")], NotKept.SET_COOKIE),
        ([("vary", "accept, *")], NotKept.VARY),
        ([control("max-age=0")], NotKept.STALE),
        ([control("max-age=nonsense")], NotKept.STALE),
        ([("expires", "0")], NotKept.STALE),
        ([("expires", DATE), ("date", LATER)], NotKept.STALE),
        ([control("max-age=10"), ("age", "10")], NotKept.STALE),
    ],
)
def test_what_forbids_it(fields: list[tuple[str, str]], why: NotKept) -> None:
    assert judged(*fields) is why


@pytest.mark.parametrize("status", [201, 206, 302, 304, 307, 400, 403, 500, 502, 503, 504])
def test_a_status_that_is_not_kept_by_itself(status: int) -> None:
    assert judged(status=status) is NotKept.STATUS


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
def test_a_status_that_is(status: int) -> None:
    assert isinstance(judged(status=status), Life)


@pytest.mark.parametrize(("status", "is_kept"), [(302, True), (403, True), (206, False), (304, False), (503, False)])
def test_a_status_that_says_how_long(status: int, is_kept: bool) -> None:
    assert isinstance(judged(control("max-age=5"), status=status), Life) is is_kept


@pytest.mark.parametrize(
    ("said", "is_kept"),
    [("max-age=5", False), ("public", True), ("s-maxage=5", True), ("must-revalidate, max-age=5", True)],
)
def test_an_answer_to_who_is_known_must_be_marked(said: str, is_kept: bool) -> None:
    found = judged(control(said), is_authenticated=True)
    assert isinstance(found, Life) if is_kept else found is NotKept.AUTHORIZATION


def test_a_request_may_forbid_it() -> None:
    assert judged(asked=b"no-store") is NotKept.NO_STORE


def test_the_time_that_it_took_counts_as_age() -> None:
    life = judged(control("max-age=10"), delay_ms=300)
    assert isinstance(life, Life)
    assert (life.age_ms, life.fresh_ms) == (300, 9_700)


@pytest.mark.parametrize(
    ("said", "stale_ms"),
    [
        ("max-age=5", 5_000),
        ("max-age=5, stale-while-revalidate=2", 2_000),
        ("max-age=5, stale-while-revalidate=3600", 60_000),
        ("max-age=5, must-revalidate", 0),
        ("max-age=5, proxy-revalidate", 0),
        ("s-maxage=5", 0),
    ],
)
def test_how_long_it_may_be_given_beyond(said: str, stale_ms: int) -> None:
    life = judged(control(said))
    assert isinstance(life, Life)
    assert life.stale_ms == stale_ms


def test_what_it_varies_with_is_in_one_order() -> None:
    life = judged(("vary", "X-B, accept"), ("vary", "X-A"))
    assert isinstance(life, Life)
    assert life.vary == (b"accept", b"x-a", b"x-b")


def test_a_rule_without_a_time_of_its_own_keeps_what_says_one() -> None:
    rule = CacheRule(ttl_ms=0, ttl_max_ms=60_000)
    assert judged(rule=rule) is NotKept.STALE
    assert isinstance(judged(control("max-age=1"), rule=rule), Life)
