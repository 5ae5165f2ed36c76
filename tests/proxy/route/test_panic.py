"""Who is left to be chosen where breakers are not all closed."""

from msgspec.structs import replace
from route_support import begun, names, offer, route

from proxy.breaker_state import BreakerState, Probe, Recovering
from proxy.request.offer import Offer
from proxy.request.route_policy import RoutePolicy
from proxy.route.regions import Regions

STATES = dict(zip("CRHO", BreakerState, strict=True))
REGIONS = Regions("e1", {"e1": ["e2"]})


def offers(*texts: str) -> tuple[Offer, ...]:
    """Such as ``O b1 e1 ill``: state, name, region, and whether it is degraded."""
    made = []
    for text in texts:
        state, name, region, *ill = text.split()
        made.append(replace(offer(name, region=region, is_degraded=bool(ill)), breaker=STATES[state]))
    return tuple(made)


def told(chosen: tuple[Offer, ...]) -> str:
    if not isinstance(chosen, Recovering):
        return names(chosen)
    return f"{names(chosen)} | {names(chosen.probing)} | {'panic' if chosen.is_panic else 'heeded'}"


def nearest(*texts: str, panic_part: float = 0.5) -> str:
    return told(Regions("e1", {"e1": ["e2"]}, panic_part=panic_part).nearest(offers(*texts)))


def test_while_all_are_closed_nothing_is_said_of_breakers() -> None:
    assert nearest("C b1 e1", "C b2 e1") == "b1 b2"


def test_who_is_out_is_no_candidate_and_who_is_half_open_is_to_be_probed() -> None:
    assert nearest("C b1 e1", "O b2 e1", "C b3 e1", "H b4 e1") == "b1 b3 | b4 | heeded"
    assert nearest("C b1 e1", "R b2 e1", "C b3 e1") == "b1 b2 b3 |  | heeded"


def test_below_half_all_are_used() -> None:
    assert nearest("C b1 e1", "O b2 e1") == "b1 |  | heeded"
    assert nearest("C b1 e1", "O b2 e1", "H b3 e1") == "b1 b2 b3 | b3 | panic"
    assert nearest("O b1 e1") == "b1 |  | panic"
    assert nearest("H b1 e1") == "b1 | b1 | panic"


def test_how_many_must_be_left_is_configured() -> None:
    assert nearest("C b1 e1", "O b2 e1", "O b3 e1", panic_part=0.0) == "b1 |  | heeded"
    assert nearest("C b1 e1", "O b2 e1", panic_part=0.6) == "b1 b2 |  | panic"
    assert nearest("O b1 e1", "O b2 e1", panic_part=0.0) == "b1 b2 |  | panic"


def test_a_tier_of_which_nobody_is_left_is_passed_over_and_probed() -> None:
    assert nearest("H b1 e1", "O b2 e1", "C b3 e2", "C b4 us") == "b3 | b1 | heeded"
    assert nearest("O b1 e1", "O b2 e2") == "b1 |  | panic"
    assert nearest("C b1 e1", "H b2 e2", "O b3 us") == "b1 |  | heeded", "whoever is farther is not needed"


def test_degraded_ones_are_used_where_nobody_else_is_left() -> None:
    assert nearest("C b1 e1 ill", "C b2 e1", "O b3 e1") == "b2 |  | heeded"
    assert nearest("C b1 e1 ill", "O b2 e1") == "b1 |  | heeded"
    assert nearest("C b1 e1 ill", "O b2 e1", "O b3 e1") == "b2 b3 |  | panic"


def test_a_choice_says_that_somebody_recovers_and_whether_it_is_panic() -> None:
    quiet, one, most = (
        route(offers(*texts), regions=REGIONS).choice
        for texts in (["C b1 e1", "C b2 e1"], ["C b1 e1", "O b2 e1"], ["C b1 e1", "O b2 e1", "O b3 e1"])
    )
    assert [choice.is_recovering for choice in (quiet, one, most)] == [False, True, True]
    assert [choice.is_panic for choice in (quiet, one, most)] == [False, False, True]


def test_a_probe_is_of_the_candidates_that_it_would_have_had() -> None:
    at = route(offers("C b1 e1", "H b2 e1"), RoutePolicy(), REGIONS)
    exchange = begun(at)
    assert isinstance(exchange.offers, Recovering)
    probe = Probe(exchange.offers.probing[0], exchange.offers)
    assert at.choice.candidates_of(probe) is at.choice.default
    assert names(probe) == "b2"
