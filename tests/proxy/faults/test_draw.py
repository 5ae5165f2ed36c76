"""Which faults a request gets, by plain values: order, chance, fields, and what goes with what."""

import random
from collections.abc import Callable, Iterator

from proxy.faults.draw import NOTHING, Drawn, draw
from proxy.request.route_policy import Fault, FaultKind

DELAY = Fault(kind=FaultKind.DELAY, amount=200)
ABORT = Fault(kind=FaultKind.ABORT, amount=418)
CUT = Fault(kind=FaultKind.CUT, amount=0)
CUT_LATE = Fault(kind=FaultKind.CUT, amount=1_000)
SLOW = Fault(kind=FaultKind.SLOW, amount=64)


def chances(*values: float) -> Callable[[], float]:
    left: Iterator[float] = iter(values)
    return lambda: next(left)


def always(*faults: Fault) -> Drawn:
    return draw(faults, lambda headers: True, lambda: 0.0)


def test_each_kind_by_itself() -> None:
    assert always() == NOTHING
    assert always(DELAY) == Drawn(delay_ms=200)
    assert always(ABORT) == Drawn(status=418)
    assert always(CUT) == Drawn(cut_bytes=0)
    assert always(CUT_LATE) == Drawn(cut_bytes=1_000)
    assert always(SLOW) == Drawn(bytes_per_second=64)


def test_delays_add_up_and_of_rates_and_cuts_the_least_counts() -> None:
    slower = Fault(kind=FaultKind.SLOW, amount=8)
    earlier = Fault(kind=FaultKind.CUT, amount=10)
    assert always(DELAY, SLOW, CUT_LATE, DELAY, slower, earlier) == Drawn(400, None, 10, 8)


def test_what_ends_the_request_ends_the_drawing() -> None:
    assert always(DELAY, SLOW, ABORT, DELAY, CUT) == Drawn(200, 418)
    assert always(DELAY, CUT_LATE, CUT, ABORT) == Drawn(200, None, 0)


def test_a_jitter_is_added_and_never_more_than_it_says() -> None:
    fault = Fault(kind=FaultKind.DELAY, amount=200, jitter_ms=50)
    rand = random.Random(1).random
    drawn = {draw([fault], lambda _: True, rand).delay_ms for _ in range(2_000)}
    assert drawn == set(range(200, 251))


def test_a_percentage_is_of_those_that_have_the_fields_and_chance_is_asked_for_no_others() -> None:
    fault = Fault(kind=FaultKind.ABORT, amount=503, percent=25, headers=((b"x-fault", b"yes"),))
    assert draw([fault], lambda headers: headers == ((b"x-fault", b"yes"),), chances(0.2499)) == Drawn(status=503)
    assert draw([fault], lambda _: True, chances(0.25)) == NOTHING
    assert draw([fault], lambda _: False, chances()) == NOTHING


def test_none_at_0_percent_and_all_at_100() -> None:
    never = Fault(kind=FaultKind.CUT, amount=0, percent=0)
    assert draw([never], lambda _: True, chances(0.0)) == NOTHING
    assert draw([CUT], lambda _: True, chances(1 - 2**-53)) == Drawn(cut_bytes=0)


def test_each_fault_is_drawn_by_itself() -> None:
    half = [Fault(kind=kind, amount=1, percent=50) for kind in (FaultKind.DELAY, FaultKind.SLOW)]
    rand, count = random.Random(2).random, 4_000
    drawn = [draw(half, lambda _: True, rand) for _ in range(count)]
    for expected in (NOTHING, Drawn(1), Drawn(bytes_per_second=1), Drawn(1, bytes_per_second=1)):
        assert 0.2 * count < drawn.count(expected) < 0.3 * count
