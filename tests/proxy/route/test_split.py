"""Which part of the requests gets which version, and of which a copy is made."""

import random
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from route_support import begun, names, offer, route, versions

from proxy.request.exchange import VERSION_NAMED, Exchange
from proxy.request.route_policy import Case, Key, KeyKind, Mirror, RoutePolicy, Split, Versions
from proxy.request.stage import stages_of
from proxy.route.split import BUCKETS, bucket_of, make_mirrored, make_split
from proxy.route.split_parts import compile_split
from proxy.route.table import Route

BOTH = versions("1.4.0", "2.0.0")
BY_TENANT = Key(KeyKind.TENANT)
seeded = make_split(random.Random(7).random)


def no_draw() -> float:
    raise AssertionError("nothing is to be drawn for a request with a key")


sticky = make_split(no_draw)


def split_route(split: Split, offers: tuple[object, ...] = BOTH) -> Route:
    return route(offers, RoutePolicy(split=split))  # type: ignore[arg-type]


def weighted(*weights: tuple[str, float], key: Key = BY_TENANT, cases: tuple[Case, ...] = ()) -> Split:
    return Split(weights=weights, key=key, cases=cases)


def went(at: Route, exchange: Exchange, stage: Callable[[Exchange], object] = sticky) -> str:
    assert stage(exchange) is None
    return names(exchange.offers)


def by_tenant(at: Route, tenants: Iterable[bytes]) -> list[str]:
    return [went(at, begun(at, tenant=tenant)) for tenant in tenants]


TENANTS = [b"tenant-%d" % number for number in range(10_000)]
KEYS = {
    "counted": TENANTS,
    "hexadecimal": [b"%032x" % random.Random(number).getrandbits(128) for number in range(10_000)],
    "addresses": [b"10.0.%d.%d" % divmod(number, 256) for number in range(10_000)],
    "mail": [b"user%05d@example.com" % (7 * number) for number in range(10_000)],
    "padded": [b"%064d" % number for number in range(10_000)],
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("weight", [1, 5, 10, 33.3, 50, 95])
def test_shares_are_within_two_points(kind: str, weight: float) -> None:
    at = split_route(weighted(("1.4.0", 100 - weight), ("2.0.0", weight)))
    share = by_tenant(at, KEYS[kind]).count("b-2.0.0") / 100
    assert share == pytest.approx(weight, abs=2)


def test_shares_of_requests_without_a_key() -> None:
    at = split_route(weighted(("1.4.0", 90), ("2.0.0", 10), key=Key()))
    share = [went(at, begun(at), seeded) for _ in range(10_000)].count("b-2.0.0") / 100
    assert share == pytest.approx(10, abs=2)
    assert share != 0


def test_who_has_no_key_is_drawn_for() -> None:
    at = split_route(weighted(("1.4.0", 90), ("2.0.0", 10)))
    drawn = [went(at, begun(at), make_split(lambda draw=draw: draw)) for draw in (0.0, 0.8999, 0.9, 0.9999)]  # type: ignore[misc]
    assert drawn == ["b-1.4.0", "b-1.4.0", "b-2.0.0", "b-2.0.0"]


def test_one_key_always_gets_the_same() -> None:
    at = split_route(weighted(("1.4.0", 50), ("2.0.0", 50)))
    assert by_tenant(at, TENANTS[:100]) == by_tenant(at, TENANTS[:100])


def test_a_canary_that_grows_moves_its_new_share_only() -> None:
    small, grown = [split_route(weighted(("1.4.0", 100 - share), ("2.0.0", share))) for share in (5, 10)]
    moved = Counter(zip(by_tenant(small, TENANTS), by_tenant(grown, TENANTS), strict=True))
    assert moved["b-2.0.0", "b-1.4.0"] == 0
    assert moved["b-1.4.0", "b-2.0.0"] / 100 == pytest.approx(5, abs=1)


def test_a_weight_of_zero_gets_nothing() -> None:
    for weights in ((("1.4.0", 100.0), ("2.0.0", 0.0)), (("2.0.0", 0.0), ("1.4.0", 100.0))):
        assert set(by_tenant(split_route(weighted(*weights)), TENANTS)) == {"b-1.4.0"}


def test_blue_and_green_change_at_once() -> None:
    assert set(by_tenant(split_route(weighted(("1.4.0", 0), ("2.0.0", 100))), TENANTS[:1000])) == {"b-2.0.0"}


def test_weights_may_be_of_ranges() -> None:
    at = split_route(weighted(("^1", 50), ("^2", 50)), versions("1.4.0", "1.5.0", "2.0.0"))
    assert set(by_tenant(at, TENANTS[:1000])) == {"b-1.5.0", "b-2.0.0"}


def test_buckets_end_where_the_weights_say() -> None:
    splitting = split_route(weighted(("1.4.0", 33.333), ("2.0.0", 66.667))).choice.split
    assert splitting.bounds == (3_333, BUCKETS)


def test_what_is_absent_goes_to_the_others_and_moves_nobody_else() -> None:
    three = weighted(("1.4.0", 20), ("2.0.0", 50), ("3.0.0", 30))
    whole = split_route(three, versions("1.4.0", "2.0.0", "3.0.0"))
    less = split_route(three, versions("1.4.0", "3.0.0"))
    moved = Counter(zip(by_tenant(whole, TENANTS), by_tenant(less, TENANTS), strict=True))
    assert {pair for pair in moved if pair[0] != pair[1]} == {("b-2.0.0", "b-1.4.0"), ("b-2.0.0", "b-3.0.0")}
    assert moved["b-2.0.0", "b-1.4.0"] / 100 == pytest.approx(20, abs=2)
    assert moved["b-2.0.0", "b-3.0.0"] / 100 == pytest.approx(30, abs=2)


def test_a_version_that_is_down_counts_as_absent() -> None:
    policy = RoutePolicy(split=weighted(("1.4.0", 50), ("2.0.0", 50)))
    at = route(versions("1.4.0"), policy, registered=("1.4.0", "2.0.0"))
    assert set(by_tenant(at, TENANTS[:1000])) == {"b-1.4.0"}


def test_nobody_but_those_with_a_weight_gets_anything() -> None:
    for weights in ((("3.0.0", 100.0),), (("3.0.0", 60.0), ("1.4.0", 0.0), ("2.9.0", 40.0))):
        at = split_route(weighted(*weights))
        assert {went(at, begun(at, tenant=tenant)) for tenant in TENANTS[:100]} == {""}  # pick says 503


def test_who_named_a_version_is_not_split() -> None:
    at = split_route(weighted(("1.4.0", 0), ("2.0.0", 100), cases=(Case(version="2.0.0", percent=100),)))
    exchange = begun(at, tenant=b"acme", flags=VERSION_NAMED)
    exchange.offers = BOTH[:1]
    assert went(at, exchange) == "b-1.4.0"


def test_the_stage_is_there_only_where_there_is_a_split() -> None:
    assert stages_of([sticky], split_route(weighted(("1.4.0", 100)))) == (sticky,)
    assert stages_of([sticky], route(BOTH)) == ()


def test_a_split_that_says_nothing_leaves_the_default() -> None:
    for split in (Split(), weighted(("1.4.0", 0))):
        at = split_route(split)
        assert went(at, begun(at)) == "b-2.0.0"


@pytest.mark.parametrize(
    ("key", "fields", "read"),
    [
        (Key(KeyKind.NONE), {}, None),
        (Key(KeyKind.TENANT), {}, b"acme"),
        (Key(KeyKind.PRINCIPAL), {}, "jürgen".encode()),
        (Key(KeyKind.ADDRESS), {}, b"192.0.2.1"),
        (Key(KeyKind.HEADER, "x-user"), {b"x-user": b"ann"}, b"ann"),
        (Key(KeyKind.HEADER, "x-user"), {}, None),
        (Key(KeyKind.COOKIE, "user"), {}, None),
        (Key(KeyKind.COOKIE, "user"), {b"cookie": b"super-user=eve; user=ann; user=bob"}, b"ann"),
        (Key(KeyKind.COOKIE, "user"), {b"cookie": b'a=1;user="ann"'}, b"ann"),
        (Key(KeyKind.COOKIE, "user"), {b"cookie": b"a=1, user=ann"}, b"ann"),  # two fields, joined
        (Key(KeyKind.COOKIE, "user"), {b"cookie": b"user"}, None),
        (Key(KeyKind.COOKIE, "User"), {b"cookie": b"user=ann"}, None),
    ],
)
def test_keys(key: Key, fields: dict[bytes, bytes], read: bytes | None) -> None:
    at = split_route(weighted(("1.4.0", 100), key=key))
    exchange = begun(at, fields, tenant=b"acme", principal="jürgen")
    assert at.choice.split.read_key(exchange) == read


@pytest.mark.parametrize("kind", [KeyKind.TENANT, KeyKind.PRINCIPAL])
def test_a_key_of_who_said_nothing(kind: KeyKind) -> None:
    at = split_route(weighted(("1.4.0", 100), key=Key(kind)))
    assert not at.choice.split.read_key(begun(at))
    assert not at.choice.split.read_key(
        begun(at, principal="ann") if kind is KeyKind.TENANT else begun(at, tenant=b"a")
    )


# ---- cases ----


CASES = (
    Case(version="2.0.0", headers={"X-Beta": "yes", "x-group": "b"}),
    Case(version="2.0.0", tenants=frozenset({"acme", "umbrella"})),
    Case(version="3.0.0", headers={"x-three": "yes"}),
)
CASED = split_route(weighted(("1.4.0", 100), cases=CASES))


@pytest.mark.parametrize(
    ("fields", "tenant", "got"),
    [
        ({}, b"", "b-1.4.0"),
        ({b"x-beta": b"yes"}, b"", "b-1.4.0"),
        ({b"x-beta": b"yes", b"x-group": b"b"}, b"", "b-2.0.0"),
        ({b"x-beta": b"YES", b"x-group": b"b"}, b"", "b-1.4.0"),
        ({b"x-beta": b"yes, yes", b"x-group": b"b"}, b"", "b-1.4.0"),
        ({}, b"acme", "b-2.0.0"),
        ({}, b"umbrella", "b-2.0.0"),
        ({}, b"ACME", "b-1.4.0"),
        ({b"x-three": b"yes"}, b"", "b-1.4.0"),  # nobody has 3.0.0: the weights decide
    ],
)
def test_cases(fields: dict[bytes, bytes], tenant: bytes, got: str) -> None:
    assert went(CASED, begun(CASED, fields, tenant=tenant), seeded) == got


def test_a_case_without_weights_leaves_the_others_at_the_default() -> None:
    at = split_route(Split(cases=(Case(version="1.4.0", tenants=frozenset({"acme"})),)))
    assert [went(at, begun(at, tenant=tenant)) for tenant in (b"acme", b"other")] == ["b-1.4.0", "b-2.0.0"]


def test_a_percentage_of_a_case_is_one_of_those_that_are_left() -> None:
    cases = (Case(version="2.0.0", percent=10), Case(version="3.0.0", percent=10))
    at = split_route(weighted(("1.4.0", 50), ("4.0.0", 50), cases=cases), versions("1.4.0", "2.0.0", "3.0.0", "4.0.0"))
    shares = Counter(by_tenant(at, TENANTS))
    assert {name: count / 100 for name, count in shares.items()} == pytest.approx(
        {"b-2.0.0": 10, "b-3.0.0": 9, "b-1.4.0": 40.5, "b-4.0.0": 40.5}, abs=2
    )


def test_a_percentage_of_a_case_without_a_key_is_drawn() -> None:
    at = split_route(Split(cases=(Case(version="1.4.0", percent=20),)))
    assert [went(at, begun(at), make_split(lambda draw=draw: draw)) for draw in (0.1999, 0.2)] == ["b-1.4.0", "b-2.0.0"]  # type: ignore[misc]


def test_all_of_a_case_must_hold() -> None:
    case = Case(version="1.4.0", tenants=frozenset({"acme"}), headers={"x-a": "1"}, percent=0)
    at = split_route(Split(cases=(case,)))
    assert went(at, begun(at, {b"x-a": b"1"}, tenant=b"acme"), seeded) == "b-2.0.0"


# ---- whatever weights and versions there are ----

WEIGHTS = st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any)


@given(WEIGHTS, st.data())
def test_every_bucket_has_its_version(weights: list[int], data: st.DataObject) -> None:
    total = sum(weights)
    present = data.draw(st.lists(st.booleans(), min_size=len(weights), max_size=len(weights)))
    listed = tuple((f"{number}.0.0", 100 * weight / total) for number, weight in enumerate(weights, 1))
    there = tuple(offer(version, version) for (version, _), is_there in zip(listed, present, strict=True) if is_there)
    at = split_route(weighted(*listed), there)
    splitting, whole = (
        at.choice.split,
        split_route(weighted(*listed), tuple(offer(v, v) for v, _ in listed)).choice.split,
    )

    got = [part_of(splitting, bucket) for bucket in range(0, BUCKETS, 7)]
    before = [part_of(whole, bucket) for bucket in range(0, BUCKETS, 7)]
    alive = {name for (name, weight), is_there in zip(listed, present, strict=True) if is_there and weight}
    assert set(got) <= (alive or {""})
    assert [now for was, now in zip(before, got, strict=True) if was in alive and was != now] == []
    living = sum(weight for name, weight in listed if name in alive)
    for name, weight in listed if living else ():
        share = 100 * got.count(name) / len(got)
        assert share == pytest.approx(100 * weight / living if name in alive else 0, abs=0.3)


def part_of(splitting: object, bucket: int) -> str:
    bounds, offers = splitting.bounds, splitting.offers  # type: ignore[attr-defined]
    return names(next(part for end, part in zip(bounds, offers, strict=True) if bucket < end))


def test_buckets_of_different_seeds_are_independent() -> None:
    both = Counter((bucket_of(key) < 1_000, bucket_of(key, 1) < 1_000) for key in TENANTS)
    assert both[True, True] / 100 == pytest.approx(1, abs=0.5)


def test_buckets_are_the_same_in_every_process() -> None:
    assert [bucket_of(key) for key in (b"", b"acme", b"tenant-1", b"\xff" * 100)] == [0, 4627, 4373, 9539]


def test_compiling_nothing() -> None:
    assert compile_split(Split(), lambda _: None) is None


# ---- mirror ----


def mirror_route(mirror: Mirror | None, default: str = "") -> Route:
    return route(BOTH, RoutePolicy(mirror=mirror, versions=Versions(default=default)))


def test_where_a_copy_goes() -> None:
    at = mirror_route(Mirror(version="2.0.0", percent=25, in_flight_max=3), "1.4.0")
    drawn = [make_mirrored(lambda draw=draw: draw)(begun(at)) for draw in (0.0, 0.2499, 0.25, 0.99)]  # type: ignore[misc]
    assert [candidates and candidates.version for candidates in drawn] == ["2.0.0", "2.0.0", None, None]
    assert at.choice.mirror.in_flight_max == 3


@pytest.mark.parametrize(
    "mirror", [None, Mirror(version="2.0.0", percent=0), Mirror(version="3.0.0"), Mirror(version="1.4.0")]
)
def test_no_copy(mirror: Mirror | None) -> None:
    at = mirror_route(mirror, "1.4.0")
    assert make_mirrored(lambda: 0.0)(begun(at)) is None


def test_no_copy_of_what_goes_to_some_instances_of_that_version() -> None:
    policy = RoutePolicy(mirror=Mirror(version="2.0.0"), versions=Versions(default="2.0.0"))
    at = route((*BOTH, *versions("2.0.0")), policy)
    exchange = begun(at)
    assert len(exchange.offers) == 2
    exchange.offers = exchange.offers[1:]  # what placement has left
    assert make_mirrored(lambda: 0.0)(exchange) is None


def test_no_copy_to_a_version_that_is_down() -> None:
    at = route(BOTH[:1], RoutePolicy(mirror=Mirror(version="2.0.0")), registered=("2.0.0",))
    assert make_mirrored(lambda: 0.0)(begun(at)) is None


# ---- what is remembered of a caller ----


def test_a_caller_is_looked_up_once_and_another_split_looks_again() -> None:
    at = split_route(weighted(("1.4.0", 50), ("2.0.0", 50)))
    exchange = begun(at, tenant=b"acme")
    first = went(at, exchange)
    assert exchange.caller is not None
    assert list(exchange.caller.memo) == [at.choice.split]
    assert went(at, exchange) == first
    swapped = (("1.4.0", 100), ("2.0.0", 0)) if first == "b-2.0.0" else (("1.4.0", 0), ("2.0.0", 100))
    other = split_route(weighted(*swapped))
    exchange.route = other
    assert went(other, exchange) != first


def test_chance_is_not_remembered() -> None:
    at = split_route(weighted(("1.4.0", 50), ("2.0.0", 50)))
    exchange = begun(at, tenant=b"")
    assert {went(at, exchange, seeded) for _ in range(50)} == {"b-1.4.0", "b-2.0.0"}


def test_a_case_by_header_is_not_remembered() -> None:
    at = split_route(weighted(("1.4.0", 100), cases=(Case(version="2.0.0", headers={"x-beta": "1"}),)))
    exchange = begun(at, tenant=b"acme")
    assert went(at, exchange) == "b-1.4.0"
    assert exchange.caller is not None
    assert exchange.caller.memo == {}
