"""What the gateway tells about itself, from its parts as they are."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import trio
from msgspec.structs import replace

from frames.events import HeartbeatReceived
from frames.frame import FrameType, HealthStatus, Method
from frames.greeting import EndpointOffer, Hello, encode_hello
from frames.wire_values import SocketKind
from proxy import __version__
from proxy.admin.figures import BodyFigures, CallFigures, ReloadFigures
from proxy.admin.state import AdminProblem, Rows, Selection
from proxy.config import load_gateway
from proxy.edge.forwarded import Doubt
from proxy.errors import NO_ROUTE
from proxy.gateway.app import Gateway

ALL = Selection()
HELLO = Hello(
    protocol=1,
    features=(),
    service="billing",
    version="1.4.0",
    instance="b-1",
    region="eu-1",
    heartbeat_ms=5_000,
    credit_bytes=0,
    endpoints=(
        EndpointOffer(id=1, method="GET", path="/invoices/{id}"),
        EndpointOffer(id=2, method="POST", path="/invoices", deadline_ms=500),
    ),
)


class Bench:
    """A gateway that does not run, with framed connections that nobody answers."""

    def __init__(self) -> None:
        self.gateway = Gateway(load_gateway({}).settings, "gw-1")
        self.overview = self.gateway.overview
        self.far: list[socket.socket] = []

    def join(self, hello: Hello = HELLO) -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            far = socket.create_connection(listener.getsockname())
            near, _ = listener.accept()
        self.far.append(far)
        connection = self.gateway.wire.adopt(near, SocketKind.FRAMED)
        self.gateway.transport.opened(connection)
        self.gateway.transport.frame(connection, 0, FrameType.HELLO, 0, encode_hello(hello))
        self.gateway.wire.flush()
        return connection


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.gateway.wire.close_all()
    for far in bench.far:
        far.close()


async def test_with_nothing(bench: Bench) -> None:
    figures = await bench.overview.figures()
    assert (figures.version, figures.ready, figures.routes, figures.instances) == (__version__, False, [], [])
    assert (await bench.overview.services(ALL)).rows == []
    assert (await bench.overview.routes(ALL)).rows == []
    assert bench.overview.not_ready() == ["No service that could be asked has registered."]


async def test_instances_and_routes(bench: Bench) -> None:
    connection = bench.join()
    (told,) = (await bench.overview.services(ALL)).rows
    assert told.pop("connected_s") >= 0
    assert told == {
        "service": "billing",
        "version": "1.4.0",
        "instance": "b-1",
        "region": "eu-1",
        "peer": f"127.0.0.1:{bench.far[0].getsockname()[1]}",
        "by": "dialled in",
        "connections": 1,
        "health": "healthy",
        "why": "",
        "breaker": "",
        "endpoint_breakers": {},
        "in_flight": 0,
        "latency_us": 0,
        "load_percent": None,
        "unsent_bytes": 0,
        "endpoints": 2,
    }
    post, get = (await bench.overview.routes(ALL)).rows
    assert (get["method"], get["path"], get["deadline_ms"]) == ("GET", "/invoices/{id}", 10_000)
    assert post == {
        "method": "POST",
        "path": "/invoices",
        "service": "billing",
        "hosts": ["*"],
        "deadline_ms": 500,
        "streams": False,
        "fanout": "",
        "versions": [{"version": "1.4.0", "default": True, "instances": ["b-1"]}],
        "policy": {
            "access": "authenticated",
            "claims": [],
            "tenant": "optional",
            "rate_limits": [],
            "deadline_ms": 500,
            "body_bytes": None,
            "versions": "default the highest",
            "split": "",
            "mirror": "",
            "placement": "",
            "concurrency": "",
            "balance": "",
            "retries": "",
            "stream_idle_ms": None,
            "faults": [],
            "cache": "",
            "idempotency": "",
        },
        "concurrency": None,
        "origins": {"deadline_ms": "billing 1.4.0"},
        "responses": {"2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0},
    }
    figures = await bench.overview.figures()
    assert figures.ready
    assert [(route.method, route.path, route.latency) for route in figures.routes] == [
        ("POST", "/invoices", None),
        ("GET", "/invoices/{id}", None),
    ]
    assert [(one.service, one.health, one.in_flight) for one in figures.instances] == [("billing", "healthy", 0)]
    bench.gateway.wire.close(connection)
    assert (await bench.overview.services(ALL)).rows[0]["peer"] == "unknown"


@pytest.mark.parametrize(
    ("status", "is_ready"),
    [(HealthStatus.HEALTHY, True), (HealthStatus.DEGRADED, True), (HealthStatus.DRAINING, False)],
)
async def test_ready_when_an_instance_could_be_asked(bench: Bench, status: HealthStatus, is_ready: bool) -> None:
    connection = bench.join()
    bench.gateway.registry.heartbeat(connection, HeartbeatReceived(status, None, 0), trio.current_time())
    assert (bench.overview.not_ready() == []) is is_ready
    assert (await bench.overview.figures()).ready is is_ready


async def test_one_that_could_be_asked_is_enough(bench: Bench) -> None:
    first = bench.join()
    bench.join(replace(HELLO, instance="b-2"))
    bench.gateway.registry.draining(first, trio.current_time())
    assert bench.overview.not_ready() == []


async def test_not_ready_while_draining(bench: Bench) -> None:
    bench.join()
    bench.gateway.is_draining = True
    assert bench.overview.not_ready() == ["The gateway is shutting down."]


async def test_figures_are_those_of_the_moment(bench: Bench) -> None:
    before = await bench.overview.figures()
    bench.gateway.counts.count(NO_ROUTE)
    bench.join()
    after = await bench.overview.figures()
    assert (before.reasons["no_route"], after.reasons["no_route"]) == (0, 1)
    assert (before.wire["framed_open_now"], after.wire["framed_open_now"]) == (0, 1)


async def test_bodies_and_doubts(bench: Bench) -> None:
    bodies = bench.gateway.bytes_in_flight
    assert bodies.reserve(700)
    bodies.release(200)
    assert not bodies.reserve(bodies.bytes_max)
    bench.gateway.doubts[Doubt.MALFORMED] = 3
    figures = await bench.overview.figures()
    assert figures.bodies == BodyFigures(streams=0, held_bytes=500, held_bytes_peak=700, refused=1)
    assert figures.doubts == {"malformed": 3, "disagreeing": 0}


async def test_counts_of_a_route_are_found_by_its_index(bench: Bench) -> None:
    bench.join()
    indexes = {route.template: route.index for route in bench.gateway.lane.snapshot.table.routes}
    assert sorted(indexes.values()) == [0, 1]
    assert Method.GET in {route.method for route in bench.gateway.lane.snapshot.table.routes}
    assert all(route.statuses == (0,) * 6 for route in (await bench.overview.figures()).routes)


async def test_the_admin_pages_ask_the_overview(bench: Bench) -> None:
    state = bench.overview.admin_state()
    assert state.ready() == bench.overview.not_ready()
    assert await state.services(ALL) == await state.routes(ALL) == Rows([])
    assert (await state.figures()).version == __version__
    assert state.token() == ""


async def test_each_required_service_that_is_missing_is_named(bench: Bench) -> None:
    bench.gateway.registry.required = ("stock", "billing")
    assert bench.overview.not_ready() == [
        "The required service stock has no instance that could be asked.",
        "The required service billing has no instance that could be asked.",
    ]
    bench.join()
    assert bench.overview.not_ready() == ["The required service stock has no instance that could be asked."]
    bench.gateway.registry.required = ("billing",)
    assert bench.overview.not_ready() == []


async def test_why_an_instance_is_not_healthy(bench: Bench) -> None:
    registry, now = bench.gateway.registry, trio.current_time()
    said = [HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.DRAINING, HealthStatus.HEALTHY]
    for number, status in enumerate(said):
        connection = bench.join(replace(HELLO, instance=f"b-{number}"))
        registry.heartbeat(connection, HeartbeatReceived(status, 2_500, 1), now)
    registry.draining(connection, now)
    rows = (await bench.overview.services(ALL)).rows
    assert [(row["health"], row["why"]) for row in rows] == [
        ("healthy", ""),
        ("degraded", "it says so itself: degraded"),
        ("draining", "it says so itself: draining"),
        ("draining", "it goes: it finishes what it has, and closes"),
    ]
    assert rows[0]["load_percent"] == 25
    registry.excuse(-60)
    registry.sweep(now)
    silent = (await bench.overview.services(ALL)).rows[0]
    assert (silent["health"], silent["why"]) == ("unhealthy", "nothing was heard of it for 60.0 s")


async def test_lists_are_filtered_and_told_page_by_page(bench: Bench) -> None:
    endpoints = tuple(EndpointOffer(id=number, method="GET", path=f"/things/{number:03}") for number in range(300))
    bench.join()
    bench.join(replace(HELLO, service="things", instance="t-1", endpoints=endpoints))
    paths: list[str] = []
    selection = Selection(limit=77)
    while True:
        page = await bench.overview.routes(selection)
        assert len(page.rows) <= 77
        paths += [row["path"] for row in page.rows]
        if page.next is None:
            break
        selection = selection._replace(after=page.next)
    assert paths == ["/invoices", "/invoices/{id}", *(endpoint.path for endpoint in endpoints)]
    of_billing = await bench.overview.routes(Selection(service="billing"))
    assert ([row["path"] for row in of_billing.rows], of_billing.next) == (["/invoices", "/invoices/{id}"], None)
    below = await bench.overview.routes(Selection(path="/things/29"))
    assert len(below.rows) == 10
    assert [row["service"] for row in (await bench.overview.services(Selection(path="/things"))).rows] == ["things"]
    assert [row["instance"] for row in (await bench.overview.services(Selection(service="billing"))).rows] == ["b-1"]
    assert (await bench.overview.services(Selection(service="bill"))).rows == []


async def test_figures_of_what_services_and_policies_did(bench: Bench) -> None:
    bench.join()
    figures = await bench.overview.figures()
    assert (figures.registry.routes, figures.registry.hellos, figures.registry.faults) == (2, 1, {})
    assert (figures.rates.keys, figures.rates.failures, figures.identity.known) == (0, 0, 0)
    assert figures.calls == CallFigures(0, 0, {"sent": 0, "dropped": 0, "failed": 0})
    assert figures.reloads == ReloadFigures()


async def test_what_cannot_be_reloaded_says_so(bench: Bench) -> None:
    for ask in (bench.overview.reload, bench.overview.reloaded, bench.overview.config):
        with pytest.raises(AdminProblem, match=r"^This gateway was given its settings as they are") as caught:
            await ask()
        assert caught.value.status == 404


def test_what_is_only_for_people_is_not_loaded_before_they_ask() -> None:
    people = "('proxy.explain', 'proxy.overview', 'proxy.admin.metric', 'proxy.admin.policy')"
    code = f"import sys, proxy.process.running; print(*(name for name in sys.modules if name.startswith({people})))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == []
