"""Where a request may go that is sent again: who is there now, who was not asked, who is farther away."""

from balance_support import begun, offers

from proxy.attempts.elsewhere import candidates, farther, not_asked
from proxy.request.offer import Offer
from proxy.request.route_policy import Balance, RoutePolicy
from proxy.route.choice import Choice
from proxy.route.regions import Regions
from proxy.route.table import Route


def placed(offer: Offer, region: str) -> Offer:
    offer.instance.region = region
    return offer.instance.offer(offer.declared)


NEAR = tuple(placed(offer, "local") for offer in offers(2))
(MIDDLE,) = (placed(offer, "eu-2") for offer in offers(1, 2))
(REMOTE,) = (placed(offer, "us-1") for offer in offers(1, 3))


def route_of(policy: RoutePolicy | None = None) -> Route:
    policy = policy or RoutePolicy()
    route = begun(NEAR).route
    route.policy = policy
    route.choice = Choice((*NEAR, MIDDLE, REMOTE), Regions("local", {"local": ["eu-2"]}), policy)
    route.offers = route.choice.default.offers
    return route


def names(*asked: Offer) -> set[str]:
    return {offer.instance.name for offer in asked}


def test_who_is_near_and_was_not_asked() -> None:
    assert candidates(route_of(), None) == NEAR
    assert not_asked(NEAR, names(NEAR[0])) == NEAR[1:]
    assert not_asked(NEAR, names(*NEAR)) == ()


def test_where_all_near_ones_were_asked_the_nearest_of_the_others() -> None:
    route = route_of()
    assert farther(route, None, names(*NEAR)) == (MIDDLE,)
    assert farther(route, None, names(*NEAR, MIDDLE)) == (REMOTE,)
    assert farther(route, None, names(*NEAR, MIDDLE, REMOTE)) == ()


def test_who_is_bound_to_a_place_or_a_version_stays_there() -> None:
    assert farther(route_of(), NEAR, names(*NEAR)) == ()
    route = route_of()
    route.choice = None
    assert farther(route, None, names(*NEAR)) == ()


def test_who_has_no_weight_is_asked_only_where_there_is_nobody_else() -> None:
    route = route_of(RoutePolicy(balance=Balance(weights={"b0": 0.0, "b2": 0.0})))
    assert candidates(route, None) == NEAR[1:]
    assert farther(route, None, names(*NEAR)) == (MIDDLE,)
    route.policy = RoutePolicy(balance=Balance(weights={"b0": 0.0, "b1": 0.0}))
    assert candidates(route, None) == NEAR
