"""The ring: keys are spread evenly, stay where they are, and few of them move when names come or go."""

import random
from collections import Counter

import pytest

from proxy.targets.balance.ring import Ring, hash_of, ring_of

KEYS = [f"tenant-{number}".encode() for number in range(5000)]
NAMES = tuple(f"billing-{number}" for number in range(8))


def ring(*names: str, **weights: float) -> Ring:
    return Ring(names, [weights.get(name, 1.0) for name in names])


def owners(made: Ring, names: tuple[str, ...]) -> dict[bytes, str]:
    return {key: names[made.preferred(key)] for key in KEYS}


def test_every_name_gets_some_of_the_keys() -> None:
    found = Counter(owners(ring(*NAMES), NAMES).values())
    assert min(found.values()) > 0.6 * len(KEYS) / len(NAMES)
    assert max(found.values()) < 1.4 * len(KEYS) / len(NAMES)


def test_who_comes_takes_its_part_and_no_other_key_moves() -> None:
    before, after = owners(ring(*NAMES[:-1]), NAMES), owners(ring(*NAMES), NAMES)
    moved = [key for key in KEYS if before[key] != after[key]]
    assert {after[key] for key in moved} == {NAMES[-1]}
    assert len(moved) == pytest.approx(len(KEYS) / len(NAMES), rel=0.4)


@pytest.mark.parametrize("gone", range(len(NAMES)))
def test_of_who_goes_the_keys_are_spread_and_no_other_key_moves(gone: int) -> None:
    left = NAMES[:gone] + NAMES[gone + 1 :]
    before, after = owners(ring(*NAMES), NAMES), owners(ring(*left), left)
    assert {before[key] for key in KEYS if before[key] != after[key]} == {NAMES[gone]}
    assert len({after[key] for key in KEYS if before[key] == NAMES[gone]}) > len(left) / 2


def test_a_weight_takes_more_of_the_ring_and_moves_no_key_between_others() -> None:
    before = owners(ring(*NAMES), NAMES)
    after = owners(Ring(NAMES, [3.0] + [1.0] * 7), NAMES)
    assert {after[key] for key in KEYS if before[key] != after[key]} == {NAMES[0]}
    assert Counter(after.values())[NAMES[0]] == pytest.approx(len(KEYS) * 3 / 10, rel=0.3)


def test_the_order_of_preference_begins_with_the_own_one_and_has_each_once() -> None:
    made = ring(*NAMES)
    for key in KEYS[:200]:
        order = list(made.preference(key))
        assert order[0] == made.preferred(key)
        assert sorted(order) == list(range(len(NAMES)))


def test_the_next_of_a_key_is_who_gets_it_when_the_own_one_is_gone() -> None:
    made = ring(*NAMES)
    for key in KEYS[:200]:
        first, second = list(made.preference(key))[:2]
        left = NAMES[:first] + NAMES[first + 1 :]
        assert left[ring(*left).preferred(key)] == NAMES[second]


def test_points_follow_from_names_alone() -> None:
    names = list(NAMES)
    random.Random(3).shuffle(names)
    shuffled = tuple(names)
    assert owners(ring(*shuffled), shuffled) == owners(ring(*NAMES), NAMES)
    assert NAMES[ring(*NAMES).preferred(b"acme")] == "billing-4", "the same in every gateway, of every version"


def test_a_ring_is_made_once_for_the_same_names() -> None:
    assert ring_of(NAMES, (1.0,) * 8) is ring_of(tuple(NAMES), (1.0,) * 8)
    assert ring_of(NAMES, (1.0,) * 8) is not ring_of(NAMES[:7], (1.0,) * 7)


def test_keys_that_are_alike_lie_far_apart() -> None:
    for form in ("{}", "user-{:06d}", "10.0.0.{}", "a" * 60 + "{}"):
        eighths = Counter(hash_of(form.format(number).encode()) >> 29 for number in range(4000))
        assert min(eighths.values()) > 400
        assert len(eighths) == 8
