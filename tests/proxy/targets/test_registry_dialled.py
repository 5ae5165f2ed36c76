"""Instances that the gateway has dialled: several connections, none for now, and whose routes stay as they are."""

import pytest
from msgspec.structs import replace

from frames.errors import GreetingError
from frames.events import HeartbeatReceived
from frames.frame import HealthStatus, Method
from frames.greeting import EndpointOffer, Hello
from proxy.pooled import Cause, Dial, Forget, Retire, TargetKey
from proxy.targets.instance import NO_CHANGE, RouteKey
from proxy.targets.pool import Pool
from proxy.targets.pool_values import PoolLimits
from proxy.targets.registry import Registry

THINGS: RouteKey = (Method.GET, "/things", "billing")
HELLO = Hello(
    protocol=1,
    features=(),
    service="billing",
    version="1.0.0",
    instance="b1",
    heartbeat_ms=5000,
    credit_bytes=0,
    endpoints=(EndpointOffer(id=7, method="GET", path="/things"),),
)
A = TargetKey("a.test", 1)


class Bench:
    """A registry and a pool of one target."""

    def __init__(self, **limits: float) -> None:
        self.in_flight = [0] * 64
        limits = {"silent_s": 1e9, "idle_s": 60, **limits}
        self.pool = Pool(PoolLimits(**limits), self.in_flight, draw=lambda _low, high: high)  # type: ignore[arg-type]
        self.pool.want([A])
        self.registry = Registry()
        self.registry.ring_of = self.pool.greeted

    def dial(self, handle: int, hello: Hello = HELLO, now: float = 0.0) -> None:
        """Dial, and let the service say HELLO there."""
        assert Dial(A) in self.pool.turn(now)
        self.pool.connected(A, handle, handle, now)
        self.change = self.registry.hello(handle, hello, now)

    def lose(self, handle: int, now: float = 0.0) -> None:
        self.pool.lost(handle, now)
        self.change = self.registry.lost(handle)

    @property
    def targets(self) -> list[int]:
        """By which connections the route is asked."""
        route = self.registry.routes.get(THINGS)
        return [] if route is None else [offer.connection for offer in route.offers]


def test_a_second_connection_that_was_dialled_joins_and_the_routes_stay() -> None:
    bench = Bench(warm=2)
    bench.dial(1)
    routes = bench.registry.routes
    bench.dial(2)
    assert bench.change == NO_CHANGE
    assert bench.registry.routes is routes
    (instance,) = bench.registry.instances
    assert (instance.connection, instance.others) == (1, (2,))
    assert bench.registry.maybe_instance(2) is instance
    assert bench.registry.statistics().replacements == 0


def test_what_is_said_on_one_of_them_holds_for_all() -> None:
    bench = Bench(warm=2)
    bench.dial(1)
    more = (*HELLO.listed, EndpointOffer(id=8, method="GET", path="/more"))
    bench.dial(2, replace(HELLO, endpoints=more))
    assert {key[1] for key in bench.registry.routes} == {"/things", "/more"}
    other = (EndpointOffer(id=7, method="GET", path="/others"),)
    with pytest.raises(GreetingError, match="stood for GET"):
        bench.registry.hello(1, replace(HELLO, endpoints=other), 0)


def test_the_first_is_lost_and_the_next_takes_its_place() -> None:
    bench = Bench(warm=2)
    bench.dial(1)
    bench.dial(2)
    bench.lose(1)
    assert bench.change.changed == (THINGS,)
    assert bench.targets == [2]
    bench.lose(2)
    (instance,) = bench.registry.instances
    assert (bench.targets, instance.is_dormant) == ([2], True), "it is looked for"
    assert bench.pool.turn(1) == [Dial(A)]
    bench.pool.failed(A, 1)
    assert bench.pool.turn(1) == [Forget(("billing", "b1"))]
    assert bench.registry.vanished(("billing", "b1")).removed == (THINGS,)


def test_who_is_lost_while_others_are_there_is_gone_at_once() -> None:
    bench = Bench()
    bench.dial(1)
    bench.registry.hello(77, replace(HELLO, instance="b2"), 0)
    bench.lose(1)
    assert bench.targets == [77]
    bench.dial(2, now=1)
    assert bench.targets == [77, 2]


def test_one_that_is_told_to_go_is_not_asked_any_more_and_the_instance_is_not_going() -> None:
    bench = Bench(warm=2)
    bench.dial(1)
    bench.dial(2)
    bench.registry.draining(1, 1)
    assert bench.targets == [2]
    bench.registry.heartbeat(1, HeartbeatReceived(HealthStatus.DRAINING, None, 0), 1)
    assert [instance.health.value for instance in bench.registry.instances] == ["healthy"]
    assert bench.registry.lost(1) == NO_CHANGE
    assert bench.registry.draining(2, 1).transitions[0].after.value == "draining"


def test_one_that_the_service_has_dialled_itself_replaces_all_of_them() -> None:
    bench = Bench(warm=2)
    bench.dial(1)
    bench.dial(2)
    assert bench.registry.hello(77, HELLO, 1).replaced == (1, 2)
    assert bench.targets == [77]


def test_who_sleeps_is_listed_healthy_and_its_routes_stay() -> None:
    bench = Bench(warm=0)
    bench.dial(1)
    bench.pool.turn(0)
    assert bench.pool.turn(60) == [Retire(1, Cause.IDLE)]
    routes = bench.registry.routes
    assert bench.registry.draining(1, 60) == NO_CHANGE
    bench.lose(1, 61)
    assert bench.change == NO_CHANGE
    assert bench.registry.sweep(10_000) == NO_CHANGE
    assert bench.registry.routes is routes
    (instance,) = bench.registry.instances
    assert (instance.is_dormant, instance.connections, instance.health.value) == (True, (), "healthy")
    assert bench.registry.missing() == ()
    assert "dormant" in repr(instance)
    assert bench.pool.wait(instance.ring, 5, 20_000, 10_000) is None  # type: ignore[arg-type]
    bench.dial(9, now=10_000)
    assert bench.targets == [9]
    assert bench.registry.instances == (instance,)
    assert not instance.is_dormant


def test_who_sleeps_and_is_not_found_is_forgotten() -> None:
    bench = Bench(warm=0)
    bench.dial(1)
    bench.pool.turn(0)
    bench.pool.turn(60)
    bench.registry.draining(1, 60)
    assert bench.registry.vanished(("billing", "b1")).removed == (THINGS,)
    assert (bench.registry.instances, bench.targets) == ((), [])
    assert bench.registry.lost(1) == NO_CHANGE
    assert bench.registry.vanished(("billing", "b1")) == NO_CHANGE


def test_who_sleeps_and_dials_in_is_here_by_that_connection() -> None:
    bench = Bench(warm=0)
    bench.dial(1)
    bench.pool.turn(0)
    bench.pool.turn(60)
    bench.registry.draining(1, 60)
    assert bench.registry.hello(77, HELLO, 61).replaced == ()
    assert bench.targets == [77]
    assert [instance.is_dormant for instance in bench.registry.instances if not instance.is_going] == [False]


def test_who_slept_and_dialled_in_is_dialled_again_when_that_connection_is_lost() -> None:
    bench = Bench(warm=0)
    bench.dial(1)
    bench.pool.turn(0)
    bench.pool.turn(60)
    bench.registry.draining(1, 60)
    bench.lose(1, 60)
    bench.registry.hello(77, HELLO, 61)
    bench.registry.lost(77)
    assert bench.registry.instances == ()
    bench.dial(2, now=70)
    assert bench.targets == [2]
