"""The registry: what happens, what changes. Each test reads as a transcript."""

import logging
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from frames.errors import GreetingError
from frames.events import HeartbeatReceived
from frames.frame import FaultCode, HealthStatus, Method
from frames.greeting import EndpointOffer, Hello
from proxy.targets.health import Health, HealthThresholds
from proxy.targets.instance import Change, RouteKey
from proxy.targets.registry import GONE_MAX, Registry

GET, POST = Method.GET, Method.POST
INVOICE: RouteKey = (GET, "/invoices/{}", "billing")
CREATE: RouteKey = (POST, "/invoices", "billing")
BEAT = HeartbeatReceived(HealthStatus.HEALTHY, None, 0)
BOTH = ("GET /invoices/{invoice_id}", "POST /invoices")
IDS: dict[str, int] = {endpoint: number for number, endpoint in enumerate(BOTH, 10)}


def hello(
    instance: str = "b1",
    *endpoints: str,
    service: str = "billing",
    version: str = "1.4.0",
    heartbeat_ms: int = 5000,
    deadline_ms: int | None = None,
) -> Hello:
    """endpoints: such as ``GET /health``; the same text has the same id in all of them."""
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
            EndpointOffer(
                id=IDS.setdefault(endpoint, len(IDS) + 10),
                method=endpoint.split()[0],
                path=endpoint.split()[1],
                deadline_ms=deadline_ms,
            )
            for endpoint in endpoints or BOTH
        ),
    )


def targets(registry: Registry, key: RouteKey = INVOICE) -> list[int]:
    """The connections to which a request of this route can go."""
    return [offer.connection for offer in registry.routes[key].offers]


def degraded(registry: Registry, key: RouteKey = INVOICE) -> list[int]:
    """Those of them that are degraded: nobody asks them while a healthy one is there."""
    return [offer.connection for offer in registry.routes[key].offers if offer.is_degraded]


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
    assert (change.added, change.removed, change.changed) == (((GET, "/health", "billing"),), (CREATE,), (INVOICE,))
    assert change.replaced == ()
    assert registry.routes[INVOICE].path == "/invoices/{number}"
    assert [instance.version for instance in registry.instances] == ["1.5.0"]


def test_hello_again_with_the_same_words_changes_nothing_and_is_a_sign_of_life() -> None:
    registry = Registry()
    registry.hello(5, hello(), now=0)
    before = registry.routes
    assert not registry.hello(5, hello(), now=14)
    assert registry.routes is before
    assert not registry.sweep(28)
    assert registry.statistics().hellos == 2


def test_hello_again_changes_only_the_routes_of_which_it_says_something_else() -> None:
    registry = Registry()
    said = hello()
    registry.hello(5, said, now=0)
    invoice = registry.routes[INVOICE]
    create = replace(said.listed[1], deadline_ms=9)
    change = registry.hello(5, replace(said, endpoints=(said.listed[0], create)), now=1)
    assert (change.added, change.removed, change.changed) == ((), (), (CREATE,))
    assert registry.routes[INVOICE] is invoice
    assert registry.routes[CREATE].offers[0].deadline_ms == 9
    assert registry.routes[CREATE].offers[0].declared == create


def test_an_id_that_stood_for_another_endpoint_is_refused_and_nothing_changes() -> None:
    registry = Registry()
    said = hello()
    registry.hello(5, said, now=0)
    registry.hello(5, replace(said, endpoints=said.listed[:1]), now=1)  # takes POST back, with the id 11
    before = registry.routes
    for number, stood_for in ((10, "GET '/invoices/{}'"), (11, "POST '/invoices'")):
        reused = EndpointOffer(id=number, method="GET", path="/health")
        with pytest.raises(GreetingError) as caught:
            registry.hello(5, replace(said, endpoints=(reused,)), now=2)
        assert caught.value.fault_code is FaultCode.INVALID_HELLO
        assert caught.value.message == (
            f"HELLO: endpoints[0].id is {number}, which stood for {stood_for} on this connection;"
            " give each endpoint an id of its own"
        )
    assert registry.routes is before
    registry.hello(5, said, now=3)  # the same endpoint may come back under its id
    registry.hello(6, replace(said, instance="b2", endpoints=(reused,)), now=3)  # and ids are those of a connection
    assert targets(registry, CREATE) == [5]


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
    assert registry.statistics().silences == 1


def test_an_instance_that_is_silent_is_chosen_less_and_less() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b2"), now=0)
    registry.heartbeat(6, BEAT, 14)
    registry.sweep(15)
    assert (targets(registry), degraded(registry)) == ([5, 6], [5])
    registry.sweep(29)
    assert (targets(registry), degraded(registry)) == ([5, 6], [5, 6])
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


def test_a_degraded_one_may_be_chosen_and_says_so() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b2"), now=0)
    unwell = HeartbeatReceived(HealthStatus.DEGRADED, None, 0)
    change = registry.heartbeat(5, unwell, 1)
    assert set(change.changed) == {INVOICE, CREATE}
    assert (targets(registry), degraded(registry)) == ([5, 6], [5])
    registry.heartbeat(6, unwell, 1)
    assert (targets(registry), degraded(registry)) == ([5, 6], [5, 6])
    registry.heartbeat(5, BEAT, 2)
    assert (targets(registry), degraded(registry)) == ([5, 6], [6])


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


def test_what_one_service_has_another_one_cannot_claim_and_nothing_changes() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    before = registry.routes
    with pytest.raises(GreetingError) as caught:
        registry.hello(6, hello("o1", "GET /orders", "GET /invoices/{number}", service="orders"), now=0)
    assert caught.value.fault_code is FaultCode.FORBIDDEN
    assert caught.value.message == (
        "the service 'orders' may not register GET '/invoices/{number}': it belongs to the service 'billing', until its"
        " last instance has left; use another path, or give the two services different hosts in PENSTOCK_ROUTES_HOSTS"
        " of the gateway"
    )
    assert registry.routes is before
    assert [instance.name for instance in registry.instances] == ["billing/b1"]


def test_another_service_may_have_a_path_once_its_last_instance_has_left() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("b2"), now=0)
    other = hello("o1", "POST /invoices", service="orders")
    registry.draining(5, 1)
    registry.lost(5)
    registry.draining(6, 1)  # it is still there, and may have requests of that path
    with pytest.raises(GreetingError, match="belongs to the service 'billing'"):
        registry.hello(7, other, now=2)
    registry.lost(6)
    registry.hello(7, other, now=3)
    assert set(registry.routes) == {(POST, "/invoices", "orders")}
    assert registry.routes[POST, "/invoices", "orders"].service == "orders"


def test_a_path_that_is_taken_back_is_free() -> None:
    registry = Registry()
    registry.hello(5, hello("b1"), now=0)
    registry.hello(5, hello("b1", "POST /invoices"), now=1)
    registry.hello(6, hello("o1", "GET /invoices/{id}", service="orders"), now=1)
    assert set(registry.routes) == {CREATE, (GET, "/invoices/{}", "orders")}


def test_services_on_different_hosts_may_have_the_same_path() -> None:
    registry = Registry(hosts_overlap=lambda one, other: "everywhere" in {one, other})
    registry.hello(5, hello("b1"), now=0)
    registry.hello(6, hello("o1", service="orders"), now=0)
    assert (targets(registry), targets(registry, (GET, "/invoices/{}", "orders"))) == ([5], [6])
    with pytest.raises(GreetingError, match="belongs to the service 'billing'"):
        registry.hello(7, hello("e1", service="everywhere"), now=0)
    registry.lost(5)
    with pytest.raises(GreetingError, match="belongs to the service 'orders'"):
        registry.hello(7, hello("e1", service="everywhere"), now=0)
    registry.hosts_overlap = lambda _one, _other: True
    registry.check_again(6)
    registry.hosts_overlap = lambda _one, _other: False
    registry.hello(5, hello("b1"), now=1)
    registry.hosts_overlap = lambda _one, _other: True
    with pytest.raises(GreetingError, match=r"'billing' may not register GET .* belongs to the service 'orders'"):
        registry.check_again(5)


def test_required_services_are_missing_until_one_of_their_instances_may_be_chosen() -> None:
    registry = Registry(required=["orders", "billing"])
    assert registry.missing() == ("orders", "billing")
    registry.hello(5, hello("b1"), now=0)
    assert registry.missing() == ("orders",)
    registry.hello(6, hello("o1", "GET /orders", service="orders"), now=0)
    registry.sweep(15)  # degraded is better than nothing
    assert registry.missing() == ()
    registry.draining(5, 16)
    registry.sweep(30)
    assert registry.missing() == ("orders", "billing")
    registry.required = ()
    assert registry.missing() == ()


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("often", "'often' is no rate limit"),
        ("10/fortnight", "is no period"),
        ("0/s", "'0' is no number of requests"),
        ("5/s by moon", "'moon' is nothing that is counted by here"),
    ],
)
def test_a_declared_rate_limit_that_means_nothing_is_refused_and_nothing_changes(limit: str, problem: str) -> None:
    registry = Registry()
    said = hello()
    endpoint = replace(said.listed[0], rate_limits=("100/s by tenant", limit))
    with pytest.raises(GreetingError) as caught:
        registry.hello(5, replace(said, endpoints=(endpoint,)), now=0)
    assert caught.value.fault_code is FaultCode.INVALID_HELLO
    assert caught.value.message.startswith("HELLO: a rate limit of GET '/invoices/{invoice_id}': ")
    assert problem in caught.value.message
    assert len(registry.routes) == len(registry.instances) == 0
    registry.hello(5, replace(said, endpoints=(replace(endpoint, rate_limits=("100/s by tenant",)),)), now=0)


def test_who_was_on_a_connection_is_known_for_a_while() -> None:
    registry = Registry()
    registry.hello(1, hello("b1", version="2.0.0"), 0.0)
    assert registry.who_was(1) == ("billing", "b1", "2.0.0")
    registry.lost(1)
    assert registry.who_was(1) == ("billing", "b1", "2.0.0")
    assert registry.who_was(2) is None


def test_of_those_that_are_gone_the_longest_gone_is_forgotten_first() -> None:
    registry = Registry()
    for connection in range(1, GONE_MAX + 3):
        registry.hello(connection, hello(f"b{connection}"), 0.0)
        registry.lost(connection)
    assert [registry.who_was(connection) is None for connection in (1, 2, 3)] == [True, True, False]


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

SERVICES = {1: "billing", 2: "billing", 3: "orders", 4: "hosted"}
STEP = st.tuples(st.integers(0, 6), st.integers(1, 6), st.sampled_from(sorted(SERVICES)), st.floats(0, 20))
PATHS = [*BOTH, "GET /health"]


@given(steps=st.lists(STEP, max_size=40), seed=st.integers(0, 9))
def test_the_routes_are_always_those_of_the_instances(steps: list[tuple[int, int, int, float]], seed: int) -> None:
    registry, now, rand = Registry(hosts_overlap=lambda *both: "hosted" not in both), 0.0, random.Random(seed)
    names: dict[int, int] = {}
    for act, connection, number, passed in steps:
        now += passed
        number = names.setdefault(connection, number)  # a connection keeps its instance
        if act <= 1:
            paths = rand.sample(PATHS, rand.randint(1, 3))
            said = hello(f"i{number}", *paths, service=SERVICES[number])
            before, routes = registry.instances, registry.routes
            if is_refused(registry, connection, said, now):
                assert (registry.instances, registry.routes) == (before, routes)
                assert claims_of_others(registry, said)
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


def is_refused(registry: Registry, connection: int, said: Hello, now: float) -> bool:
    try:
        registry.hello(connection, said, now)
    except GreetingError:
        return True
    return False


def claims_of_others(registry: Registry, said: Hello) -> bool:
    """Whether a HELLO claims what another service has, on hosts that overlap."""
    wanted = {endpoint.shape for endpoint in said.listed}
    return any(
        key[:2] in wanted and key[2] != said.service and registry.hosts_overlap(key[2], said.service)
        for key in registry.routes
    )


def check_whole(registry: Registry) -> None:
    """Who is offered is there, may be chosen, and offers it; who may be chosen is offered; nobody shares a path."""
    current = {instance.connection: instance for instance in registry.instances}
    for key, route in registry.routes.items():
        assert route.registered > 0
        assert route.service == key[2]
        for offer in route.offers:
            assert current[offer.connection] is offer.instance
            assert offer.instance.service == route.service
            assert offer.instance.endpoints[key].id == offer.endpoint_id
            assert offer.is_degraded is (offer.instance.health is Health.DEGRADED)
            assert offer.instance.health in {Health.HEALTHY, Health.DEGRADED}
        assert len({offer.instance.instance for offer in route.offers}) == len(route.offers)
        others = [other[2] for other in registry.routes if other[:2] == key[:2] and other != key]
        assert not any(registry.hosts_overlap(key[2], other) for other in others)
    for instance in registry.instances:
        if instance.health in {Health.HEALTHY, Health.DEGRADED}:
            assert all(instance.connection in targets(registry, key) for key in instance.endpoints)
    assert Health.REMOVED not in {instance.health for instance in registry.instances}
