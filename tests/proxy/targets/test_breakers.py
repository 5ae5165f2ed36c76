"""Breakers: what opens them, what does not, how they come back. Each test reads as a transcript."""

import random

import pytest
from breaker_support import Town

from proxy.breaker_state import BreakerState
from proxy.request.outcomes import OutcomeKind, kind_of_refusal, kind_of_status
from proxy.targets.breaker import Breaker, BreakerSettings, Cause
from proxy.targets.outlier import Window, is_slow, is_worse
from proxy.targets.ramp import ramp_share

CLOSED, RAMPING, HALF_OPEN, OPEN = BreakerState


def test_what_is_a_failure_what_is_pressure_and_what_is_neither() -> None:
    assert [kind_of_status(status).name for status in (500, 503, 599, 429, 501, 404, 200)] == [
        *("STATUS", "STATUS", "STATUS", "PRESSURE", "OTHER", "OTHER", "OTHER")
    ]
    assert [kind_of_refusal(reason).name for reason in (1, 2, 3, 4, 99)] == ["PRESSURE", *["OTHER"] * 4]


# ---- failures in a row ----


def test_seven_failures_in_a_row_open_one_endpoint_and_no_other() -> None:
    town = Town(endpoints=2)
    town.good(1, 50)
    town.fail(1, 6)
    assert town.states() == "CCCC"
    town.fail(1)
    assert (town.states(), town.states(endpoint=2)) == ("COCC", "CCCC")
    assert town.causes() == {("billing", "endpoint", "failures"): 1}
    assert town.moves[-1].breaker.detail == "7 failures in a row"


def test_a_good_answer_in_between_begins_the_row_anew() -> None:
    town = Town(settings=BreakerSettings(success_percent=0))
    for _ in range(10):
        town.fail(1, 6)
        town.good(1)
    assert town.states() == "CCCC"
    town.answers[town.gauge(1)] = 2**32 - 1
    town.fail(1)
    town.good(1)  # the count wraps
    town.fail(1, 6)
    assert town.states() == "CCCC"


@pytest.mark.parametrize("kind", [OutcomeKind.LOST, OutcomeKind.EXPIRED, OutcomeKind.BAD_RESPONSE, OutcomeKind.STATUS])
def test_every_kind_of_failure_counts(kind: OutcomeKind) -> None:
    town = Town(settings=BreakerSettings(silence_s=0))
    town.fail(2, 7, kind)
    assert town.states() == "CCOC"
    assert town.breakers.failures == {("billing", kind.name.lower()): 7}


@pytest.mark.parametrize("kind", [OutcomeKind.PRESSURE, OutcomeKind.OTHER])
def test_pressure_is_no_outage_however_much_of_it_there_is(kind: OutcomeKind) -> None:
    town = Town()
    for _ in range(50):
        town.fail(0, 20, kind)
        town.tick()
    assert town.states() == "CCCC"
    assert town.breakers.failures["billing", kind.name.lower()] == 1000


def test_who_gave_it_no_time_says_nothing_of_it() -> None:
    town = Town()
    town.usual_us[0] = 50_000
    town.fail(0, 100, OutcomeKind.EXPIRED, latency_us=199_000)
    assert town.states() == "CCCC"
    town.fail(0, 7, OutcomeKind.EXPIRED, latency_us=201_000)
    assert town.states() == "OCCC"


def test_nothing_is_opened_where_it_is_switched_off() -> None:
    town = Town(settings=BreakerSettings(failures=0, success_percent=0, silence_s=0, slow_factor=0))
    town.in_flight[0], town.usual_us[0] = 100, 10e6
    for _ in range(40):
        town.good(1)
        town.fail(0, 100, OutcomeKind.EXPIRED)
        town.tick()
    assert town.states() == "CCCC"


def test_an_unknown_number_is_nobodys() -> None:
    town = Town()
    assert town.breakers.failed(999, OutcomeKind.STATUS, 0, 0.0, town.now) == ()


# ---- the part of the last requests ----


def test_too_few_good_ones_of_the_last_requests_open_it_whatever_the_rate() -> None:
    for pause_s in (0.0, 0.01, 1.0):
        town, asked = Town(), 0
        town.good(0, 1000)
        while town.states() == "CCCC":
            town.good(0, 2)
            town.fail(0)
            town.now += pause_s
            asked += 3
        assert asked in range(60, 75), pause_s  # a third fails: a fifth of the last 100 after about 62 requests
        assert town.causes() == {("billing", "endpoint", "success"): 1}


def test_where_all_fail_alike_it_is_not_the_instance() -> None:
    town = Town()
    for _ in range(100):
        for number in range(4):
            town.good(number, 1)
            town.fail(number)
    assert town.states() == "CCCC"


def test_a_few_bad_ones_say_nothing() -> None:
    town = Town(settings=BreakerSettings(requests_min=10))
    town.fail(0, 4)
    town.good(0, 4)
    town.fail(0, 1)
    assert town.states() == "CCCC"
    town.fail(0, 1)
    assert town.states() == "OCCC"


def test_a_window_holds_the_last_outcomes_and_none_from_long_ago() -> None:
    window = Window(10, good=4)
    window.failed(2, 0.0)
    assert (len(window), window.failures) == (7, 1)
    window.failed(5, 1.0)
    assert (len(window), window.failures, window.failed_part()) == (10, 2, 0.2)
    window.failed(6, 2.0)
    assert (len(window), window.failures) == (10, 2), "the first is out of it"
    assert window.failed_part(good_since=5) == 0.1
    window.forget(61.5)
    assert (len(window), window.failures) == (7, 1)
    window.forget(100.0)
    assert (len(window), window.failures, window.failed_part()) == (0, 0, 0.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_window_says_what_a_plain_list_says(seed: int) -> None:
    rand, size = random.Random(seed), 20
    window, plain = Window(size), list[bool]()
    for number in range(200):
        good = rand.choice((0, 0, 1, 3, 30))
        window.failed(good, float(number) / 10)
        plain = (plain + [False] * good + [True])[-size:]
        since = rand.choice((0, 2, 25))
        expected = (plain + [False] * since)[-size:]
        assert (len(window), window.failures) == (len(plain), sum(plain))
        assert window.failed_part(since) == pytest.approx(sum(expected) / len(expected))


def test_worse_is_twice_as_bad_as_the_others() -> None:
    assert is_worse(0.3, [0.0, 0.3, 0.1])
    assert not is_worse(0.3, [0.2, 0.2])
    assert not is_worse(1.0, []), "nobody is beside it"


# ---- silence ----


def ask(town: Town, *numbers: int, seconds: float) -> None:
    """Keep some instances answering, with a request or two in flight."""
    end = town.now + seconds
    while town.now < end - 1e-9:
        for number in numbers:
            town.good(number, 50)
            town.in_flight[number] = 2
        town.tick()


def test_who_hangs_is_out_within_a_second() -> None:
    town = Town()
    ask(town, 0, 1, 2, 3, seconds=20)
    town.in_flight[2] = 6
    ask(town, 0, 1, 3, seconds=0.75)
    assert town.states() == "CCOC"
    assert town.own_state(2) is OPEN
    assert town.causes() == {("billing", "instance", "silence"): 1}


def test_who_goes_may_be_silent() -> None:
    town = Town()
    ask(town, 0, 1, 2, 3, seconds=20)
    town.instances[2].is_going, town.in_flight[2] = True, 6
    ask(town, 0, 1, 3, seconds=5)
    assert town.states() == "CCCC"


def test_where_all_are_silent_nobody_is_out() -> None:
    town = Town()
    ask(town, 0, 1, 2, 3, seconds=20)
    town.in_flight = dict.fromkeys(range(4), 20)
    town.tick(30)
    assert town.states() == "CCCC"


def test_streams_that_are_idle_are_no_silence() -> None:
    town = Town()
    town.in_flight[2] = 500
    for _ in range(100):
        town.good(2)
        ask(town, 0, 1, 3, seconds=0.25)
    assert town.states() == "CCCC"
    ask(town, 0, 1, 3, seconds=30)
    assert town.states() == "CCCC"
    town.in_flight[2] += 2  # new ones, and nothing comes
    ask(town, 0, 1, 3, seconds=0.25)
    assert town.states() == "CCOC"


@pytest.mark.parametrize(
    ("usual_us", "slowest_us", "silent_s"), [(200_000, 0, 1.6), (1_000, 3e6, 3.0), (1_000, 0, 0.5)]
)
def test_what_usually_takes_long_is_waited_for(usual_us: float, slowest_us: float, silent_s: float) -> None:
    town = Town()
    town.slowest_us, town.usual_us = slowest_us, dict.fromkeys(range(4), usual_us)
    ask(town, 0, 1, 2, 3, seconds=20)
    town.in_flight[2] = 6
    began = town.now
    while town.states() == "CCCC":
        ask(town, 0, 1, 3, seconds=0.25)
    assert silent_s <= town.now - began <= silent_s + 0.5


def test_what_was_never_measured_and_what_has_one_request_is_not_silent() -> None:
    town = Town()
    town.usual_us[1] = 0.0
    ask(town, 0, 3, seconds=1)
    town.in_flight |= {1: 50, 2: 1}
    ask(town, 0, 3, seconds=60)
    assert town.states() == "CCCC"


def test_three_that_were_not_answered_in_time_with_nothing_heard_are_silence_too() -> None:
    town = Town(endpoints=2)
    town.tick()
    town.fail(1, 1, OutcomeKind.EXPIRED)  # from now on it is looked at
    town.tick()
    town.fail(1, 3, OutcomeKind.EXPIRED)
    town.heard[1] += 1  # a heartbeat, or anything else
    town.tick()
    assert town.own_state(1) is CLOSED
    town.fail(1, 3, OutcomeKind.EXPIRED, endpoint=2)
    town.tick()
    assert town.own_state(1) is OPEN


# ---- an instance ----


def test_an_instance_of_which_several_endpoints_fail_and_nothing_goes_well_is_out() -> None:
    town = Town(endpoints=5)
    town.fail(1, 1)
    town.tick()
    for endpoint in (1, 2, 3):
        town.fail(1, 3, endpoint=endpoint)
        town.tick()
    assert town.own_state(1) is OPEN
    assert town.causes() == {("billing", "instance", "failures"): 1}
    assert [town.states(endpoint) for endpoint in (1, 5)] == ["COCC", "COCC"]


def test_an_instance_of_which_something_goes_well_is_not_out() -> None:
    town = Town(endpoints=5)
    for endpoint in (1, 2, 3, 4, 1, 2, 3, 4):
        town.fail(1, 3, endpoint=endpoint)
        town.good(1, 5, endpoint=5)
        town.tick()
    assert town.own_state(1) is CLOSED


def look(town: Town, *averages_us: float) -> str:
    """Let the third take so long on average, a second each, and the others as ever."""
    for average_us in averages_us:
        town.usual_us = {0: 20_000, 1: 10_000, 2: average_us, 3: 30_000}
        town.tick(1)
    return town.states()


def test_who_is_many_times_as_slow_as_the_others_is_out_after_some_looks() -> None:
    town = Town()
    assert look(town, 201_000, 202_000) == "CCCC"
    assert look(town, 201_000) == "CCOC"
    assert town.causes() == {("billing", "instance", "slow"): 1}


@pytest.mark.parametrize(
    "averages_us",
    [
        [201_000, 202_000, 199_000] * 3,  # not each time
        [201_000] * 9,  # nothing was measured anew
        [900_000, 800_000, 700_000, 600_000, 500_000, 400_000, 300_000],  # it gets well
    ],
)
def test_who_was_slow_for_a_moment_is_not_out(averages_us: list[float]) -> None:
    assert look(Town(), *averages_us) == "CCCC"


def test_failures_are_no_slowness_though_the_wire_takes_them_for_it() -> None:
    town = Town(settings=BreakerSettings(failures=0, success_percent=0))
    for average_us in range(201_000, 220_000, 1_000):
        town.fail(2)
        look(town, average_us)
    assert town.states() == "CCCC"


def test_slow_is_beside_others_and_not_below_a_tenth_of_a_second() -> None:
    assert is_slow(200_001, [10_000, 20_000, 30_000], 10)
    assert not is_slow(199_999, [10_000, 20_000, 30_000], 10)
    assert not is_slow(99_999, [1_000, 1_000], 10)
    assert not is_slow(1e6, [1_000], 10), "one other says nothing"
    assert not is_slow(1e6, [1_000, 0.0], 10), "what was not measured says nothing"
    assert not is_slow(1e9, [1_000, 1_000], 0)
    assert is_slow(151_000, [10_000, 20_000], 10)
    assert not is_slow(149_000, [10_000, 20_000], 10)


# ---- open, half-open, and back ----


def opened(settings: BreakerSettings | None = None) -> Town:
    town = Town(settings=settings)
    town.fail(1, 7)
    assert town.states() == "COCC"
    return town


def test_it_comes_back_by_one_probe_and_a_ramp() -> None:
    town = opened()
    town.tick(1.0)
    assert town.states() == "COCC", "a half more by chance, of which the half is drawn here"
    town.tick(0.25)
    assert town.states() == "CHCC"
    assert town.claim(1) == 1
    assert town.claim(1) == 0, "one at a time"
    town.good(1)
    town.tick()
    assert town.states() == "CRCC"
    (breaker,) = town.instances[1].breakers_of(town.gauge(1))
    assert breaker.share(town.now) == 0.1
    assert breaker.share(town.now + 5) == 0.5
    town.tick(10)
    assert town.states() == "CCCC"
    assert town.instances[1].breakers == {}
    assert [move.state for move in town.moves] == [OPEN, HALF_OPEN, RAMPING, CLOSED]
    assert town.breakers.probes == {"good": 1}


def test_each_probe_that_fails_doubles_the_time_up_to_the_longest() -> None:
    town, times = opened(BreakerSettings(open_max_s=20.0)), []
    for _ in range(7):
        breaker = town.instances[1].breakers[town.gauge(1)]
        times.append(breaker.until - breaker.since)
        town.tick(times[-1] + 0.25)
        assert town.claim(1) == 1
        town.fail(1)
        assert town.states() == "COCC"
    assert times == [1.25, 2.5, 5.0, 10.0, 20.0, 25.0, 25.0]
    assert town.breakers.probes == {"failed": 7}


def test_what_stayed_closed_for_long_begins_anew() -> None:
    settings = BreakerSettings(open_max_s=20.0, ramp_s=0.25)
    breaker = Breaker()
    lasts = []
    for now in (0.0, 10.0, 40.0):  # closed again at 2.0, 13.5: for 8 s, and for 26.5 s
        breaker.open(Cause.FAILURES, "", settings, now, lambda: 0.0)
        lasts.append(breaker.until - now)
        assert breaker.tick(settings, lambda gauge: 0, now + lasts[-1])
        breaker.claim(1, 0, now + 100)
        assert breaker.tick(settings, lambda gauge: 1, now + lasts[-1] + 0.5)
        assert breaker.tick(settings, lambda gauge: 1, now + lasts[-1] + 1.0)
        assert breaker.state is CLOSED
    assert lasts == [1.0, 2.0, 1.0]


def test_late_failures_say_nothing_while_it_is_out() -> None:
    town = opened()
    town.fail(1, 50)
    town.tick(1.25)
    assert town.states() == "CHCC"
    town.fail(1, 50)  # nobody has sent a probe
    assert town.states() == "CHCC"
    assert town.claim(1) == 1
    town.good(1)
    town.tick()
    town.fail(1, 1)
    assert town.states() == "CRCC", "what failed while it was out is not held against it"


def test_on_the_ramp_it_takes_fewer_failures() -> None:
    town = opened()
    town.tick(1.25)
    town.claim(1)
    town.good(1)
    town.tick()
    town.fail(1, 2)
    assert town.states() == "COCC"


def test_a_probe_that_nobody_heard_of_again_makes_room_for_another() -> None:
    town = opened()
    town.tick(1.25)
    assert town.claim(1, within_s=5.0) == 1
    town.tick(4.75)
    assert town.claim(1) == 0
    town.tick(0.25)
    assert town.claim(1) == 1


def test_a_probe_that_met_pressure_is_put_off() -> None:
    town = opened()
    town.tick(1.25)
    town.claim(1)
    town.fail(1, 1, OutcomeKind.PRESSURE)
    assert town.states() == "CHCC"
    assert town.claim(1) == 0
    town.tick(1.0)
    assert town.claim(1) == 1


def test_an_instance_that_was_silent_and_answers_badly_is_heard_again() -> None:
    town = Town()
    ask(town, 0, 1, 2, 3, seconds=1)
    town.in_flight[2] = 6
    ask(town, 0, 1, 3, seconds=2.25)
    town.in_flight[2] = 0
    assert town.own_state(2) is HALF_OPEN
    assert town.claim(2) == 1
    town.fail(2)
    assert town.own_state(2) is RAMPING


def test_what_is_gone_is_forgotten() -> None:
    town = opened()
    town.fail(2, 7)
    gone = town.instances[1]
    town.gauges.release(gone)
    town.instances = [one for one in town.instances if one is not gone]
    town.tick(1)
    assert [instance.instance for instance, _, _ in town.breakers.not_closed] == ["b2"]


def test_the_ramp_begins_with_a_tenth_and_ends_with_all() -> None:
    assert [ramp_share(10.0, 10.0, now) for now in (10.0, 12.5, 19.0, 20.0, 99.0)] == [0.1, 0.25, 0.9, 1.0, 1.0]
    assert ramp_share(10.0, 0.0, 10.0) == 1.0


# ---- whatever happens ----

KINDS = list(OutcomeKind)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_states_follow_each_other_as_drawn_and_nobody_is_lost(seed: int) -> None:
    rand = random.Random(seed)
    town = Town(3, 3, BreakerSettings(failures=3, open_s=0.5, open_max_s=4.0, ramp_s=1.0, requests_min=5))
    follow = {CLOSED: {OPEN}, OPEN: {HALF_OPEN}, HALF_OPEN: {RAMPING, OPEN}, RAMPING: {CLOSED, OPEN}}
    states: dict[object, BreakerState] = {}
    seen = 0
    for _ in range(400):
        number, endpoint = rand.randrange(3), rand.randrange(1, 4)
        what = rand.random()
        if what < 0.35:
            town.fail(number, rand.randrange(1, 5), rand.choice(KINDS), endpoint, rand.choice((0, 1_000, 10_000_000)))
        elif what < 0.6:
            town.good(number, rand.randrange(1, 20), endpoint)
        elif what < 0.7:
            town.claim(number, endpoint, rand.random() * 3)
        elif what < 0.8:
            town.in_flight[number] = rand.randrange(10)
            town.usual_us[number] = rand.choice((0.0, 500.0, 5e5))
        else:
            town.tick(rand.random() * 2)
        for move in town.moves[seen:]:
            before = states.get(move.breaker, CLOSED)
            assert move.state in follow[before], (before, move)
            states[move.breaker] = move.state
            if move.state is move.breaker.state is OPEN:
                assert 0.5 <= move.breaker.until - move.breaker.since <= 4.0 * 1.5
        seen = len(town.moves)
        not_closed = {breaker for breaker, state in states.items() if state is not CLOSED}
        assert {breaker for _, _, breaker in town.breakers.not_closed} == not_closed
        held = {breaker for one in town.instances for breaker in one.breakers.values()}
        held |= {one.breaker for one in town.instances if one.breaker is not None}
        assert held == not_closed, "an instance has those that are not closed, and no others"
    for _ in range(40):  # whoever is asked and answers well comes back
        town.in_flight = dict.fromkeys(range(3), 0)
        town.usual_us = dict.fromkeys(range(3), 1000.0)
        for number in range(3):
            for endpoint in (1, 2, 3):
                town.claim(number, endpoint)
                town.good(number, 1, endpoint)
        town.tick(0.5)
    assert [town.states(endpoint) for endpoint in (1, 2, 3)] == ["CCC"] * 3
