"""Limits of bodies: at the bound and one past it, by what the route's endpoints can take."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames.frame import Method
from frames.wire_values import HEAD_ODD, HEAD_PLAIN, RequestHead
from proxy.errors import BODY_TOO_LARGE
from proxy.policy.limits import BytesInFlight, make_check_body, make_check_limits
from proxy.request.route_policy import RoutePolicy
from proxy.request.stage import Answer, stages_of
from proxy.route.table import Route

check_limits = make_check_limits(call_bytes=1000, buffered_bytes=100)


def exchange(content_length: int, streams: bool, *, stated: int | None = None, flags: int = HEAD_ODD) -> Any:
    """stated: by the route's policy."""
    policy = RoutePolicy(body_bytes=stated)
    route = Route(0, Method.POST, "/", streams=streams, policy=policy)
    return SimpleNamespace(id=7, flags=flags, content_length=content_length, route=route)


@pytest.mark.parametrize(
    ("content_length", "streams", "most"),
    [
        (0, False, None),
        (100, False, None),
        (101, False, 100),
        (101, True, None),
        (1000, True, None),
        (1001, True, 1000),
        (1 << 53, True, 1000),
    ],
)
def test_a_body_at_the_bound_and_past_it(content_length: int, streams: bool, most: int | None) -> None:
    expected = None if most is None else Answer(BODY_TOO_LARGE, f"At most {most} bytes are taken here.")
    assert check_limits(exchange(content_length, streams)) == expected


def test_a_plain_request_is_not_looked_at() -> None:
    assert check_limits(exchange(1 << 53, False, flags=0)) is None


def test_an_endpoint_that_streams_may_be_allowed_less() -> None:
    stricter = make_check_limits(call_bytes=10, buffered_bytes=100)
    assert stricter(exchange(10, True)) is None
    assert stricter(exchange(11, True)) == Answer(BODY_TOO_LARGE, "At most 10 bytes are taken here.")
    assert stricter(exchange(100, False)) is None


@pytest.mark.parametrize(
    ("content_length", "streams", "stated", "most"),
    [(50, False, 50, None), (51, False, 50, 50), (51, True, 50, 50), (101, False, 500, 100), (501, True, 500, 500)],
)
def test_a_route_may_state_less_and_never_more(content_length: int, streams: bool, stated: int, most: int) -> None:
    expected = None if most is None else Answer(BODY_TOO_LARGE, f"At most {most} bytes are taken here.")
    assert check_limits(exchange(content_length, streams, stated=stated)) == expected


def test_what_a_route_states_holds_for_a_plain_request() -> None:
    class Port:
        length = 11

        def request_head(self, exchange: int) -> RequestHead:
            assert exchange == 7
            return RequestHead(HEAD_PLAIN, 0, b"/", 1, self.length)

    port = Port()
    check_body = make_check_body(port)
    assert check_body(exchange(0, False, stated=10, flags=0)) == Answer(
        BODY_TOO_LARGE, "At most 10 bytes are taken here."
    )
    assert check_body(exchange(0, False, stated=11, flags=0)) is None
    assert check_body(exchange(0, False, stated=10)) is None  # the other stage's
    assert stages_of([check_body], Route(0, Method.POST, "/")) == ()


def test_what_fits_is_held_and_what_does_not_is_refused() -> None:
    budget = BytesInFlight(10)
    assert budget.reserve(6)
    assert budget.reserve(4)
    assert not budget.reserve(1)
    assert budget.reserve(0)
    assert (budget.held, budget.peak, budget.refused) == (10, 10, 1)
    budget.release(4)
    assert not budget.reserve(5)
    assert budget.reserve(4)
    budget.release(10)
    assert (budget.held, budget.peak, budget.refused) == (0, 10, 2)
    assert not budget.reserve(11)
    assert repr(budget) == "<BytesInFlight 0 of 10, peak 10, refused 3>"


@pytest.mark.parametrize("byte_count", [-1, 6])
def test_releasing_what_is_not_held(byte_count: int) -> None:
    budget = BytesInFlight(10)
    budget.reserve(5)
    with pytest.raises(ValueError, match="cannot release"):
        budget.release(byte_count)
    assert budget.held == 5


def test_holding_less_than_nothing() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        BytesInFlight(10).reserve(-1)


@given(st.integers(0, 100), st.lists(st.integers(0, 60)))
def test_never_more_than_allowed_and_nothing_is_lost(bytes_max: int, asked: list[int]) -> None:
    budget = BytesInFlight(bytes_max)
    held = [count for count in asked if budget.reserve(count)]
    assert sum(held) == budget.held == budget.peak <= bytes_max
    assert budget.refused == len(asked) - len(held)
    for count in held:
        budget.release(count)
    assert budget.held == 0
