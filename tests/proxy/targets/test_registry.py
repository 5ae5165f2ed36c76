"""The registry: what happens, what changes. Each test reads as a transcript."""

import logging
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames.errors import GreetingError
from frames.events import HeartbeatReceived
from frames.frame import FaultCode, HealthStatus, Method
from frames.greeting import EndpointOffer, Hello
from proxy.targets.health import Health, HealthThresholds
from proxy.targets.instance import Change, RouteKey
from proxy.targets.registry import Registry

GET, POST = Method.GET, Method.POST
INVOICE: RouteKey = (GET, "/invoices/{}")
CREATE: RouteKey = (POST, "/invoices")
BEAT = HeartbeatReceived(HealthStatus.HEALTHY, None, 0)
BOTH = ("GET /invoices/{invoice_id}", "POST /invoices")


def hello(
    instance: str = "b1",
    *endpoints: str,
    service: str = "billing",
    version: str = "1.4.0",
    heartbeat_ms: int = 5000,
    deadline_ms: int | None = None,
) -> Hello:
    offers = (endpoint.split() for endpoint in endpoints or BOTH)
    return Hello(
        protocol=1,
        features=(),
        service=service,
        version=version,
        instance=instance,
        region="eu-1",
        heartbeat_ms=heartbeat_ms,
        credit_bytes=0,
        endpoints=tuple(
            EndpointOffer(id=10 + index, method=method, path=path, deadline_ms=deadline_ms)
            for index, (method, path) in enumerate(offers)
        ),
    )


def targets(registry: Registry, key: RouteKey = INVOICE) -> list[int]:
    """The connections to which a request of this route can go."""
    return [offer.connection for offer in registry.routes[key].offers]


def moves(change: Change) -> list[str]:
    return [f"{move.instance.name}: {move.before.value} to {move.after.value}" for move in change.transitions]


def healths(registry: Registry) -> list[str]:
    return [instance.health.value for instance in registry.instances]


# Coming and going.


def test_hello_adds_the_routes_of_the_service() -> None:
    registry = Registry()
    change = registry.hello(5, hello(deadline_ms=250), now=1.0)
    assert set(change.added) == {INVOICE, CREATE}
    assert (change.removed, change.changed, change.transitions, change.replaced) == ((), (), (), ())
    route = registry.routes[INVOICE]
    assert (route.method, route.path, route.registered) == (GET, "/invoices/{invoice_id}", 1)
    (offer,) = route.offers
    assert (offer.connection, offer.slot, offer.endpoint_id, offer.deadline_ms) == (5, 5, 10, 250)
    assert repr(offer.instance) == (
        "<Instance billing/b1 1.4.0 eu-1 connection=5 healthy endpoints=2 in_flight=0 load=unknown>"
    )
    assert repr(registry) == "<Registry instances=1 routes=2>"


def test_the_slot_is_the_low_part_of_the_handle() -> None:
    registry = Registry()
    registry.hello((9 << 12) | 77, hello(), now=0)
    assert registry.routes[INVOICE].offers[0].slot == 77
    assert registry.instances[0].slot == 77


def test_hello_again_replaces_what_was_said_before() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    change = registry.hello(5, hello("b1", "GET /invoices/{number}", "GET /health", version="1.5.0"), now=1)
    assert (change.added, change.removed, change.changed) == (((GET, "/health"),), (CREATE,), (INVOICE,))
    assert change.replaced == ()
    assert registry.routes[INVOICE].path == "/invoices/{number}"
    assert [instance.version for instance in registry.instances] == ["1.5.0"]


def test_hello_again_with_the_same_words_still_gives_new_offers() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    registry.hello(5, hello(deadline_ms=9), now=1)
    assert registry.routes[INVOICE].offers[0].deadline_ms == 9


def test_two_instances_share_their_routes_whatever_they_call_the_parameter() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    change = registry.hello(6, hello("b2", "GET /invoices/{id}", version="2.0.0"), now=0)
    assert (change.added, change.changed) == ((), (INVOICE,))
    assert targets(registry) == [5, 6]
    assert targets(registry, CREATE) == [5]
    assert registry.routes[INVOICE].path == "/invoices/{invoice_id}"


def test_of_two_instances_one_leaves_and_the_routes_stay() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b2", "GET /invoices/{id}"), now=0)
    change = registry.lost(5)
    assert (change.removed, change.changed) == ((CREATE,), (INVOICE,))
    assert targets(registry) == [6]
    change = registry.lost(6)
    assert change.removed == (INVOICE,)
    assert dict(registry.routes) == {}
    assert registry.instances == ()


def test_the_routes_of_before_stay_as_they_were_for_who_holds_them() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    before = registry.routes
    route = before[CREATE]
    registry.hello(6, hello("b2", "GET /invoices/{id}"), now=0)
    assert registry.routes is not before
    assert len(before[INVOICE].offers) == 1
    assert registry.routes[CREATE] is route
    with pytest.raises(TypeError):
        registry.routes[CREATE] = route  # type: ignore[index]


@pytest.mark.parametrize("connection", [0, 5, 1 << 31])
def test_what_an_unknown_connection_said_changes_nothing(connection: int) -> None:
    registry = Registry()
    for change in (
        registry.heartbeat(connection, BEAT, 0),
        registry.heard(connection, 0),
        registry.draining(connection, 0),
        registry.lost(connection),
        registry.sweep(1e9),
    ):
        assert not change
    assert registry.maybe_instance(connection) is None
    assert registry.statistics().heartbeats == 0


# A newer connection of the same instance.


def test_a_newer_connection_of_an_instance_replaces_the_older() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    change = registry.hello(6, hello("b1"), now=1)
    assert change.replaced == (5,)
    assert moves(change) == ["billing/b1: healthy to draining"]
    assert set(change.changed) == {INVOICE, CREATE}
    assert (targets(registry), healths(registry)) == ([6], ["draining", "healthy"])
    before = registry.routes
    assert not registry.lost(5)
    assert registry.routes is before
    assert targets(registry) == [6]
    assert registry.statistics().replacements == 1


def test_what_the_older_offered_alone_goes_at_once() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    change = registry.hello(6, hello("b1", "GET /invoices/{id}"), now=1)
    assert change.removed == (CREATE,)


def test_the_older_cannot_come_back_by_another_hello() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b1"), now=1)
    assert not registry.hello(5, hello("b1"), now=2)
    assert not registry.heartbeat(5, BEAT, now=3)
    assert (targets(registry), healths(registry)) == ([6], ["draining", "healthy"])


def test_the_newer_can_be_lost_before_the_older() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b1"), now=1)
    assert set(registry.lost(6).removed) == {INVOICE, CREATE}
    assert registry.hello(7, hello("b1"), now=2).replaced == ()
    assert targets(registry) == [7]


def test_an_instance_that_was_silent_for_very_long_can_still_be_replaced() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    assert registry.hello(6, hello("b1"), now=500).replaced == (5,)
    assert registry.sweep(501).lost == (5,)
    assert targets(registry) == [6]


def test_the_same_instance_id_in_another_service_is_another_instance() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    assert registry.hello(6, hello("b1", "GET /orders", service="orders"), now=0).replaced == ()


# Health.


def test_an_instance_goes_through_all_states_of_silence_and_is_closed() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    registry.hello(6, hello("b2"), now=0)
    transcript = []
    for second in range(100):
        registry.heartbeat(6, BEAT, second)
        change = registry.sweep(second)
        if change:
            transcript.append((second, *moves(change), change.lost))
    assert transcript == [
        (15, "billing/b1: healthy to degraded", ()),
        (30, "billing/b1: degraded to unhealthy", ()),
        (90, "billing/b1: unhealthy to removed", (5,)),
    ]
    assert targets(registry) == [6]
    assert registry.statistics().removals == 1


def test_an_instance_that_is_silent_is_chosen_less_and_less() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b2"), now=0)
    registry.heartbeat(6, BEAT, 14)
    registry.sweep(15)
    assert targets(registry) == [6]  # degraded: not while a healthy one is there
    registry.sweep(29)
    assert targets(registry) == [5, 6]  # both are degraded
    registry.sweep(30)
    assert targets(registry) == [6]  # unhealthy: never
    registry.sweep(60)
    assert targets(registry) == []
    assert registry.routes[INVOICE].registered == 2


@pytest.mark.parametrize("at", [15, 30, 89])
def test_a_heartbeat_makes_it_healthy_again(at: float) -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    registry.sweep(at)
    (before,) = healths(registry)
    change = registry.heartbeat(5, BEAT, at + 0.5)
    assert moves(change) == [f"billing/b1: {before} to healthy"]
    assert targets(registry) == [5]


def test_anything_heard_makes_it_healthy_again() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    registry.sweep(40)
    assert moves(registry.heard(5, 41)) == ["billing/b1: unhealthy to healthy"]


def test_a_heartbeat_that_changes_nothing_leaves_the_routes_alone() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    before = registry.routes
    assert not registry.heartbeat(5, HeartbeatReceived(HealthStatus.HEALTHY, 2500, 4), 5)
    assert registry.routes is before
    assert "in_flight=4 load=25%" in repr(registry.instances[0])


def test_a_degraded_one_is_chosen_only_when_no_healthy_one_is_there() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b2"), now=0)
    degraded = HeartbeatReceived(HealthStatus.DEGRADED, None, 0)
    registry.heartbeat(5, degraded, 1)
    assert targets(registry) == [6]
    registry.heartbeat(6, degraded, 1)
    assert targets(registry) == [5, 6]
    registry.heartbeat(5, BEAT, 2)
    assert targets(registry) == [5]


def test_one_that_says_draining_in_a_heartbeat_may_change_its_mind() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    registry.heartbeat(5, HeartbeatReceived(HealthStatus.DRAINING, None, 0), 1)
    assert (targets(registry), healths(registry)) == ([], ["draining"])
    registry.heartbeat(5, BEAT, 2)
    assert targets(registry) == [5]


def test_goaway_is_for_good() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    assert moves(registry.draining(5, 1)) == ["billing/b1: healthy to draining"]
    registry.heartbeat(5, BEAT, 2)
    registry.hello(5, hello(), now=3)
    assert (targets(registry), healths(registry)) == ([], ["draining"])
    assert registry.routes[INVOICE].registered == 1
    assert registry.sweep(93).lost == (5,)


def test_a_peer_with_slow_heartbeats_is_given_time_in_proportion() -> None:
    registry = Registry()
    registry.hello(5, hello(heartbeat_ms=60_000), now=0)
    assert not registry.sweep(179)
    assert moves(registry.sweep(180)) == ["billing/b1: healthy to degraded"]
    assert registry.sweep(1080).lost == (5,)


def test_time_in_which_nobody_listened_is_not_silence() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    registry.excuse(100)
    assert not registry.sweep(110)
    assert moves(registry.sweep(115)) == ["billing/b1: healthy to degraded"]


def test_other_thresholds_count() -> None:
    thresholds = HealthThresholds(heartbeat_s=0.1, degraded_s=0.3, unhealthy_s=0.5, removed_s=1)
    registry = Registry(thresholds)
    registry.hello(5, hello(heartbeat_ms=100), now=0)
    assert moves(registry.sweep(0.31)) == ["billing/b1: healthy to degraded"]
    assert registry.sweep(1.01).lost == (5,)


# Bounds, and what is told.


def test_more_routes_than_there_is_room_for_are_refused_and_nothing_changes() -> None:
    registry = Registry(routes_max=3)
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b2"), now=0)
    before = registry.routes
    with pytest.raises(GreetingError, match="no room for its 2 new routes") as caught:
        registry.hello(7, hello("b3", "GET /a", "GET /b"), now=0)
    assert caught.value.fault_code is FaultCode.LIMIT_EXCEEDED
    assert registry.routes is before
    assert len(registry.instances) == 2
    registry.hello(7, hello("b3", "GET /a"), now=0)


def test_a_route_of_two_services_is_told() -> None:
    registry = Registry()
    assert registry.hello(5, hello("b1"), now=0).notes == ()
    change = registry.hello(6, hello("o1", "POST /invoices", "GET /orders", service="orders"), now=0)
    assert change.contested == (CREATE,)
    assert change.notes == ((logging.WARNING, "another service too offers POST /invoices"),)
    assert targets(registry, CREATE) == [5, 6]


def test_transitions_are_told() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    assert registry.sweep(15).notes == ((logging.WARNING, "billing/b1 is degraded"),)
    assert registry.heartbeat(5, BEAT, 16).notes == ((logging.INFO, "billing/b1 is healthy"),)


def test_statistics_count() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b2"), now=0)
    registry.heartbeat(5, BEAT, 5)
    registry.draining(6, 5)
    counts = registry.statistics()
    assert counts.instances == {"healthy": 1, "degraded": 0, "unhealthy": 0, "draining": 1}
    assert (counts.routes, counts.hellos, counts.heartbeats, counts.replacements) == (2, 2, 1, 0)


# Whatever happens, in whatever order.

STEP = st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(1, 2), st.floats(0, 20))


@given(steps=st.lists(STEP, max_size=25), seed=st.integers(0, 9))
def test_the_routes_are_always_those_of_the_instances(steps: list[tuple[int, int, int, float]], seed: int) -> None:
    registry, now, rand = Registry(), 0.0, random.Random(seed)
    names: dict[int, str] = {}
    for act, connection, number, passed in steps:
        now += passed
        name = names.setdefault(connection, f"b{number}")  # a connection keeps its instance
        if act <= 1:
            registry.hello(connection, hello(name, *rand.sample([*BOTH, "GET /health"], rand.randint(1, 3))), now)
        elif act <= 3:
            registry.heartbeat(connection, HeartbeatReceived(rand.choice(list(HealthStatus)), None, 0), now)
        elif act == 4:
            registry.draining(connection, now)
        elif act == 5:
            registry.lost(connection)
            del names[connection]
        else:
            for gone in registry.sweep(now).lost:
                del names[gone]
        check_whole(registry)


def check_whole(registry: Registry) -> None:
    """Who is offered is there, may be chosen, and offers it; who may be chosen and is best is offered."""
    current = {instance.connection: instance for instance in registry.instances}
    for key, route in registry.routes.items():
        assert route.registered > 0
        for offer in route.offers:
            assert current[offer.connection] is offer.instance
            assert offer.instance.endpoints[key].id == offer.endpoint_id
        best = {offer.instance.health for offer in route.offers}
        assert best in ({Health.HEALTHY}, {Health.DEGRADED}, set())
        assert len({offer.instance.instance for offer in route.offers}) == len(route.offers)
    for instance in registry.instances:
        if instance.health is Health.HEALTHY:
            assert all(instance.connection in targets(registry, key) for key in instance.endpoints)
    assert Health.REMOVED not in {instance.health for instance in registry.instances}
