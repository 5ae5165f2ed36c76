"""What the gateway tells about itself, from its parts as they are."""

import socket
from collections.abc import Iterator

import pytest
import trio
from msgspec.structs import replace

from frames.events import HeartbeatReceived
from frames.frame import FrameType, HealthStatus, Method
from frames.greeting import EndpointOffer, Hello, encode_hello
from frames.wire_values import SocketKind
from proxy import __version__
from proxy.admin.figures import BodyFigures
from proxy.app import Gateway
from proxy.config import load_gateway
from proxy.edge.forwarded import Doubt
from proxy.errors import NO_ROUTE

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
    figures = bench.overview.figures()
    assert (figures.version, figures.ready, figures.routes, figures.instances) == (__version__, False, [], [])
    assert bench.overview.services() == []
    assert bench.overview.routes() == []
    assert bench.overview.not_ready() == ["No service that could be asked has registered."]


async def test_instances_and_routes(bench: Bench) -> None:
    connection = bench.join()
    (told,) = bench.overview.services()
    assert told == {
        "service": "billing",
        "version": "1.4.0",
        "instance": "b-1",
        "region": "eu-1",
        "peer": f"127.0.0.1:{bench.far[0].getsockname()[1]}",
        "health": "healthy",
        "in_flight": 0,
        "latency_us": 0,
        "unsent_bytes": 0,
        "endpoints": 2,
    }
    assert bench.overview.routes() == [
        {"method": "POST", "path": "/invoices", "deadline_ms": 500, "instances": ["billing/b-1"]},
        {"method": "GET", "path": "/invoices/{id}", "deadline_ms": 10_000, "instances": ["billing/b-1"]},
    ]
    figures = bench.overview.figures()
    assert figures.ready
    assert [(route.method, route.path, route.latency) for route in figures.routes] == [
        ("POST", "/invoices", None),
        ("GET", "/invoices/{id}", None),
    ]
    assert [(one.service, one.health, one.in_flight) for one in figures.instances] == [("billing", "healthy", 0)]
    bench.gateway.wire.close(connection)
    assert bench.overview.services()[0]["peer"] == "unknown"


@pytest.mark.parametrize(
    ("status", "is_ready"),
    [(HealthStatus.HEALTHY, True), (HealthStatus.DEGRADED, True), (HealthStatus.DRAINING, False)],
)
async def test_ready_when_an_instance_could_be_asked(bench: Bench, status: HealthStatus, is_ready: bool) -> None:
    connection = bench.join()
    bench.gateway.registry.heartbeat(connection, HeartbeatReceived(status, None, 0), trio.current_time())
    assert (bench.overview.not_ready() == []) is is_ready
    assert bench.overview.figures().ready is is_ready


async def test_one_that_could_be_asked_is_enough(bench: Bench) -> None:
    first = bench.join()
    bench.join(replace(HELLO, instance="b-2"))
    bench.gateway.registry.draining(first, trio.current_time())
    assert bench.overview.not_ready() == []


async def test_not_ready_while_draining(bench: Bench) -> None:
    bench.join()
    bench.overview.is_draining = True
    assert bench.overview.not_ready() == ["The gateway is shutting down."]


async def test_figures_are_those_of_the_moment(bench: Bench) -> None:
    before = bench.overview.figures()
    bench.gateway.counts.count(NO_ROUTE)
    bench.join()
    after = bench.overview.figures()
    assert (before.reasons["no_route"], after.reasons["no_route"]) == (0, 1)
    assert (before.wire["framed_open_now"], after.wire["framed_open_now"]) == (0, 1)


async def test_bodies_and_doubts(bench: Bench) -> None:
    bodies = bench.gateway.bytes_in_flight
    assert bodies.reserve(700)
    bodies.release(200)
    assert not bodies.reserve(bodies.bytes_max)
    bench.gateway.doubts[Doubt.MALFORMED] += 3
    figures = bench.overview.figures()
    assert figures.bodies == BodyFigures(streams=0, held_bytes=500, held_bytes_peak=700, refused=1)
    assert figures.doubts == {"malformed": 3, "disagreeing": 0}


async def test_counts_of_a_route_are_found_by_its_index(bench: Bench) -> None:
    bench.join()
    indexes = {route.template: route.index for route in bench.gateway.lane.snapshot.table.routes}
    assert sorted(indexes.values()) == [0, 1]
    assert Method.GET in {route.method for route in bench.gateway.lane.snapshot.table.routes}
    assert all(route.statuses == (0,) * 6 for route in bench.overview.figures().routes)


async def test_the_admin_pages_ask_the_overview(bench: Bench) -> None:
    state = bench.overview.admin_state()
    assert state.ready() == bench.overview.not_ready()
    assert state.services() == state.routes() == []
    assert state.figures().version == __version__
