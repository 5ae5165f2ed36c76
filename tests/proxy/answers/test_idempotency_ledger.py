"""The ledger of keys: random operations against a plain model, under a made-up clock."""

import random

import pytest

from proxy.answers.key import Fingerprint
from proxy.answers.ledger import Ledger, Record, Refusal, State

ASKED, OTHER = Fingerprint(b"one"), Fingerprint(b"two")
LATER = 1_000


def begun(ledger: Ledger, key: bytes = b"k", now: int = 0) -> Record:
    found = ledger.begin(key, ASKED, now + LATER, now)
    assert found is not None
    return found.record


def test_the_life_of_a_key() -> None:
    ledger = Ledger(10, 1_000)
    assert ledger.look(b"k", ASKED, 0) is None
    record = begun(ledger)
    assert ledger.look(b"k", ASKED, 0) is Refusal.IN_FLIGHT
    assert ledger.look(b"k", OTHER, 0) is Refusal.MISMATCH
    assert ledger.keep(record, b"answer", LATER) == ()
    assert ledger.look(b"k", ASKED, LATER - 1) is record
    assert ledger.look(b"k", OTHER, LATER - 1) is Refusal.MISMATCH
    assert ledger.look(b"k", ASKED, LATER) is None
    assert begun(ledger, now=LATER) is not record
    assert (len(ledger), ledger.in_flight, ledger.byte_count) == (1, 1, 0)


def test_one_that_is_in_flight_does_not_run_out() -> None:
    ledger = Ledger(10, 1_000)
    begun(ledger)
    assert ledger.look(b"k", ASKED, 10 * LATER) is Refusal.IN_FLIGHT


def test_what_nobody_knows_is_kept_as_such_for_its_time() -> None:
    ledger = Ledger(10, 1_000)
    ledger.lose(begun(ledger), LATER)
    assert ledger.look(b"k", ASKED, LATER - 1) is Refusal.UNKNOWN
    assert ledger.look(b"k", ASKED, LATER) is None


def test_what_was_not_begun_is_forgotten() -> None:
    ledger = Ledger(10, 1_000)
    ledger.free(begun(ledger))
    assert ledger.look(b"k", ASKED, 0) is None
    assert len(ledger) == 0


def test_where_there_is_no_room_who_would_go_next_goes() -> None:
    ledger = Ledger(2, 1_000)
    ledger.keep(begun(ledger, b"late"), b"a", 2 * LATER)
    ledger.keep(begun(ledger, b"soon"), b"b", LATER)
    found = ledger.begin(b"new", ASKED, LATER, 0)
    assert found is not None
    assert (found.gone, ledger.evicted) == ((b"soon",), 1)


def test_one_that_is_in_flight_never_goes() -> None:
    ledger = Ledger(1, 1_000)
    begun(ledger)
    assert ledger.begin(b"new", ASKED, LATER, 0) is None


def test_bytes_are_bounded() -> None:
    ledger = Ledger(10, 10)
    ledger.keep(begun(ledger, b"a"), bytes(6), LATER)
    assert ledger.keep(begun(ledger, b"b"), bytes(6), LATER + 1) == (b"a",)
    large = begun(ledger, b"c")
    assert ledger.keep(large, bytes(11), LATER) is None
    assert large.state is State.UNKNOWN
    assert ledger.byte_count == 6


def test_records_of_before_are_taken_in_within_the_bounds() -> None:
    ledger = Ledger(2, 10)
    records = [Record(b"%d" % number, ASKED, LATER) for number in range(4)]
    for record in records:
        record.state, record.byte_count = State.KEPT, 4
    records[0].expires_ms = 5
    assert [ledger.restore(record, 5) for record in records] == [False, True, True, False]
    assert (len(ledger), ledger.byte_count, ledger.in_flight) == (2, 8, 0)


def test_other_bounds_hold_at_once() -> None:
    ledger = Ledger(10, 100)
    for number in range(5):
        ledger.keep(begun(ledger, b"%d" % number), bytes(10), LATER + number)
    begun(ledger, b"in flight")
    assert ledger.shrink(4, 25) == (b"0", b"1", b"2")
    assert (len(ledger), ledger.byte_count) == (3, 20)


@pytest.mark.parametrize("seed", range(200))
def test_random_operations_keep_the_bounds_and_no_request_is_done_twice(seed: int) -> None:
    chance, now = random.Random(seed), 0
    ledger = Ledger(chance.choice([2, 5, 50]), chance.choice([30, 500]))
    flights: dict[bytes, Record] = {}
    kept: dict[bytes, tuple[bytes, int]] = {}
    for number in range(300):
        now += chance.randrange(200)
        key = b"%d" % chance.randrange(8)
        found = ledger.look(key, ASKED, now)
        if found is None:
            assert key not in flights
            begins = ledger.begin(key, ASKED, now + LATER, now)
            if begins is not None:
                flights[key] = begins.record
                for each in (*begins.gone, key):
                    kept.pop(each, None)
        elif isinstance(found, Record):
            payload, expires_ms = kept[key]
            assert (found.payload, now < expires_ms) == (payload, True)
        elif found is Refusal.IN_FLIGHT:
            assert key in flights
        if flights and chance.random() < 0.5:
            ending = chance.choice(list(flights))
            record, operation = flights.pop(ending), chance.randrange(4)
            if operation < 2:
                payload, expires_ms = b"%d" % number * chance.randrange(1, 8), now + chance.randrange(1, 2_000)
                gone = ledger.keep(record, payload, expires_ms)
                for each in gone or ():
                    kept.pop(each, None)
                if gone is not None:
                    kept[ending] = payload, expires_ms
            elif operation == 2:
                ledger.lose(record, now + chance.randrange(1, 2_000))
            else:
                ledger.free(record)
        records = ledger._records.values()
        assert len(ledger) <= ledger.entries_max
        assert ledger.byte_count == sum(record.byte_count for record in records) <= ledger.bytes_max
        assert ledger.in_flight == len(flights)
        assert {key for _, key in ledger._ends} == {record.key for record in records if record.key not in flights}
