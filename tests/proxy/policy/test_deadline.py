"""The deadline: the least of what route, edge and client allow."""

import pytest
from request_fields import NoFields

from frames.frame import Method
from frames.wire_values import HEAD_HAS_REQUEST_TIMEOUT
from proxy.policy.deadline import set_deadline
from proxy.request.exchange import Exchange
from proxy.request.snapshot import Limits, Snapshot
from proxy.route.table import Route, RouteTable

SNAPSHOT = Snapshot(RouteTable(), Limits(deadline_ms=10_000, deadline_ms_max=30_000))


@pytest.mark.parametrize(
    ("route_ms", "requested_ms", "deadline_ms"),
    [
        (None, None, 10_000),
        (2_000, None, 2_000),
        (20_000, None, 20_000),
        (None, 300, 300),
        (None, 10_000, 10_000),
        (None, 10_001, 10_000),
        (2_000, 1_999, 1_999),
        (2_000, 999_999_999, 2_000),
        (20_000, 15_000, 15_000),
    ],
)
def test_the_least_counts(route_ms: int | None, requested_ms: int | None, deadline_ms: int) -> None:
    exchange = Exchange(NoFields(), SNAPSHOT)
    exchange.begin(1, Method.GET, HEAD_HAS_REQUEST_TIMEOUT if requested_ms else 0, b"/", SNAPSHOT)
    exchange.route = Route(0, Method.GET, "/", (), route_ms)
    exchange.requested_ms = requested_ms or 1  # what a request before this one has left there does not count
    assert set_deadline(exchange) is None
    assert exchange.deadline_ms == deadline_ms
