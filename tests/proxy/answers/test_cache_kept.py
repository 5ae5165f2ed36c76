"""What the cache keeps: random operations against a plain model, and its bounds."""

import random
from typing import Any

import pytest

from frames.frame import FieldId
from proxy.answers.freshness import Life
from proxy.answers.kept import ENTRY_BYTES, VARIANTS_MAX, Ask, Kept
from proxy.answers.payload import Response, read_response

LIFE = Life(age_ms=0, fresh_ms=1_000, stale_ms=500, vary=())


def asks(**fields: str) -> Ask:
    values = {name.encode(): value.encode() for name, value in fields.items()}
    return values.get


def response(body: bytes = b"body", **fields: Any) -> Response:
    named = [(int(FieldId.NAMED), name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return Response(200, tuple(named), body)


def life(*vary: str, fresh_ms: int = 1_000) -> Life:
    return LIFE._replace(vary=tuple(name.encode() for name in vary), fresh_ms=fresh_ms)


def test_an_answer_carries_its_age() -> None:
    kept = Kept(1 << 20, 1 << 18)
    entry = kept.put(b"/a", b"", asks(), response(x_a="1", age="7"), LIFE._replace(age_ms=7_000), 10_000)
    assert entry is not None
    for now, age in [(10_000, b"7"), (10_999, b"7"), (11_000, b"8"), (9_000, b"6")]:
        given = read_response(entry.payload(now))
        assert (given.value(b"age"), given.value(b"x-a"), given.body) == (age, b"1", b"body")


def test_what_says_that_nothing_has_changed_has_no_body() -> None:
    kept = Kept(1 << 20, 1 << 18)
    fields: dict[str, Any] = {
        "etag": '"a"',
        "cache_control": "max-age=5",
        "content_type": "text/plain",
        "vary": "accept",
    }
    entry = kept.put(b"/a", b"", asks(), response(**fields), LIFE, 0)
    assert entry is not None
    given = read_response(entry.unchanged(2_000))
    assert (given.status, given.body) == (304, b"")
    assert [name for _, name, _ in given.fields] == [b"age", b"etag", b"cache-control", b"vary"]


def test_variants_are_told_apart_and_another_vary_makes_them_void() -> None:
    kept = Kept(1 << 20, 1 << 18)
    for accept in ("a", "b"):
        kept.put(b"/a", b"", asks(accept=accept), response(accept.encode()), life("accept"), 0)
    found = kept.find(b"/a", b"", asks(accept="a"))
    assert found is not None
    assert read_response(found.payload(0)).body == b"a"
    assert kept.find(b"/a", b"", asks(accept="c")) is None
    assert kept.find(b"/a", b"", asks()) is None
    kept.put(b"/a", b"", asks(lang="x"), response(b"x"), life("lang"), 0)
    assert len(kept) == 1
    assert kept.find(b"/a", b"", asks(accept="a")) is None


def test_there_is_an_end_to_variants() -> None:
    kept = Kept(1 << 20, 1 << 18)
    for number in range(VARIANTS_MAX + 10):
        kept.put(b"/a", b"", asks(accept=str(number)), response(), life("accept"), 0)
    assert len(kept) == VARIANTS_MAX


def test_what_is_too_large_is_not_kept() -> None:
    kept = Kept(1 << 20, 4_096)
    assert kept.put(b"/a", b"", asks(), response(bytes(2_000)), LIFE, 0) is None
    assert kept.put(b"/a", b"", asks(), response(bytes(1_000)), LIFE, 0) is not None
    small = Kept(1_000, 4_096)
    assert small.put(b"/a", b"", asks(), response(), LIFE, 0) is None
    small.put_pass(b"/a", b"", 0)
    assert (len(small), small.byte_count) == (0, 0)


def test_the_least_used_goes_first() -> None:
    kept = Kept(3 * (ENTRY_BYTES + 100), 1 << 18)
    for target in (b"/a", b"/b", b"/c"):
        kept.put(target, b"", asks(), response(), LIFE, 0)
    assert kept.find(b"/a", b"", asks()) is not None
    kept.put(b"/d", b"", asks(), response(), LIFE, 0)
    assert [target for target in (b"/a", b"/b", b"/c", b"/d") if kept.find(target, b"", asks())] == [
        b"/a",
        b"/c",
        b"/d",
    ]
    assert kept.evicted == 1


def test_a_remark_stands_in_place_of_what_there_was() -> None:
    kept = Kept(1 << 20, 1 << 18)
    kept.put(b"/a", b"", asks(accept="a"), response(), life("accept"), 0)
    kept.put_pass(b"/a", b"", 0)
    entry = kept.find(b"/a", b"", asks(accept="b"))
    assert entry is not None
    assert entry.template is None
    assert len(kept) == 1


def test_a_target_is_forgotten_for_all() -> None:
    kept = Kept(1 << 20, 1 << 18)
    for scope in (b"1", b"2"):
        kept.put(b"/a", scope, asks(), response(), LIFE, 0)
        kept.put(b"/b", scope, asks(), response(), LIFE, 0)
    assert kept.forget(b"/a") == 2
    assert kept.forget(b"/a") == 0
    assert len(kept) == 2
    assert kept.find(b"/b", b"1", asks()) is not None


def test_other_bounds_hold_at_once() -> None:
    kept = Kept(1 << 20, 1 << 18)
    for number in range(20):
        kept.put(b"/%d" % number, b"", asks(), response(), LIFE, 0)
    kept.shrink(3 * ENTRY_BYTES, 1 << 18)
    assert kept.byte_count <= 3 * ENTRY_BYTES
    assert len(kept) == 2


@pytest.mark.parametrize("seed", range(150))
def test_random_operations_keep_the_bounds_and_give_what_was_put(seed: int) -> None:
    chance, now = random.Random(seed), 0
    kept = Kept(chance.choice([8_000, 20_000, 200_000]), 6_000)
    last: dict[tuple[bytes, bytes, str], bytes] = {}
    for number in range(400):
        now += chance.randrange(300)
        target, scope = b"/%d" % chance.randrange(8), b"%d" % chance.randrange(2)
        accept = chance.choice("abc")
        operation = chance.randrange(10)
        if operation < 5:
            vary = chance.choice([(), ("accept",), ("accept",)])
            body = b"%d" % number * chance.randrange(1, 400)
            entry = kept.put(target, scope, asks(accept=accept), response(body), life(*vary), now)
            if entry is not None:
                last[target, scope, accept if vary else ""] = body
        elif operation < 8:
            entry = kept.find(target, scope, asks(accept=accept))
            if entry is not None and entry.template is not None:
                body = read_response(entry.payload(now)).body
                assert body == last[target, scope, accept if entry.variant else ""]
        elif operation == 8:
            kept.forget(target)
            assert all(kept.find(target, one, asks(accept=each)) is None for one in (b"0", b"1") for each in "abc")
        else:
            kept.put_pass(target, scope, now)
        entries = list(kept._order)
        assert kept.byte_count == sum(entry.byte_count for entry in entries) <= kept.bytes_max
        places = [place for scopes in kept._places.values() for place in scopes.values()]
        held = [entry for place in places for entry in place.variants.values()]
        assert sorted(map(id, held)) == sorted(map(id, entries))
        assert all(place.variants for place in places)
