"""The limiter and its two stages: who is counted together, and what is answered."""

from collections.abc import Sequence
from typing import Any

import pytest
from request_fields import Fields, NoFields

from frames.frame import Method
from penstock.settings.rate import ADMIT_LIMIT, RateLimit, parse_rate_limit
from penstock.settings.registry import Registry
from proxy.config.rates import RatesConfig
from proxy.edge.respond import respond
from proxy.errors import RATE_LIMITED
from proxy.policy.rates.keys import network_of
from proxy.policy.rates.limiter import TALLIES_MAX, RateLimiter, Standing
from proxy.policy.rates.stages import GATEWAY, Rates, make_admit, make_rate_limit, peek_rates
from proxy.policy.rates.store import Demand, MemoryStore, Refused
from proxy.request.caller import Caller, Identity
from proxy.request.exchange import Exchange
from proxy.request.route_policy import RoutePolicy
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import Answer, stages_of
from proxy.route.table import Route, RouteTable

SNAPSHOT = Snapshot(RouteTable(), Limits())
S = 1_000_000_000


class Clock:
    """Nanoseconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 5 * S

    def __call__(self) -> int:
        return self.now


class Bench:
    """A limiter, its stage, and requests to it."""

    def __init__(self, **arguments: Any) -> None:
        self.clock = Clock()
        self.limiter = RateLimiter(clock=self.clock, **arguments)
        self.stage = make_rate_limit(self)

    def ask(
        self,
        route: Route,
        tenant: bytes = b"",
        principal: str = "",
        address: str = "192.0.2.1",
        issuer: str = "",
    ) -> Answer | None:
        return self.stage(asked(route, tenant, principal, address, issuer))  # type: ignore[return-value]

    def passes(self, *arguments: Any, **named: Any) -> bool:
        return self.ask(*arguments, **named) is None


def asked(
    route: Route, tenant: bytes = b"", principal: str = "", address: str = "192.0.2.1", issuer: str = ""
) -> Exchange:
    exchange = Exchange(Fields(address=address), SNAPSHOT)
    exchange.begin(1, Method.GET, 0, b"/", SNAPSHOT)
    exchange.route = route
    identity = Identity(principal=principal, claims={}, issuer=issuer) if principal else None
    exchange.caller = Caller(tenant=tenant, identity=identity) if tenant or identity else None
    return exchange


def route(*limits: str, service: str = "billing", path: str = "/a/{id}", method: Method = Method.GET) -> Route:
    policy = RoutePolicy(rate_limits=tuple(map(parse_rate_limit, limits)))
    return Route(0, method, path, service=service, policy=policy)


def test_a_refusal_says_when_to_come_again_and_which_limit_it_is() -> None:
    bench = Bench()
    limited = route("2/m by tenant", "100/s")
    assert bench.passes(limited, b"acme")
    assert bench.passes(limited, b"acme")
    bench.clock.now += S // 2
    assert bench.ask(limited, b"acme") == Answer(
        RATE_LIMITED,
        "The limit is 2/m by tenant.",
        (
            (b"ratelimit-policy", b'"2/m by tenant";q=2;w=60, "100/s by route";q=100;w=1'),
            (b"ratelimit", b'"2/m by tenant";r=0;t=30'),
        ),
        30,
    )


@pytest.mark.parametrize(("passed_ns", "wait_s"), [(0, 2), (1, 2), (S, 1), (2 * S - 1, 1)])
def test_the_wait_is_rounded_up(passed_ns: int, wait_s: int) -> None:
    bench = Bench()
    limited = route("1/2s")
    assert bench.passes(limited)
    bench.clock.now += passed_ns
    answer = bench.ask(limited)
    assert answer is not None
    assert answer.retry_after_s == wait_s
    bench.clock.now += 2 * S - passed_ns
    assert bench.passes(limited)


def test_the_answer_goes_out_as_http() -> None:
    bench = Bench()
    assert bench.passes(route("1/m"))
    answer = bench.ask(route("1/m"))
    assert answer is not None
    rendered = respond(
        answer.reason,
        request_id=b"r",
        correlation_id=b"c",
        retry_after_s=answer.retry_after_s,
        headers=answer.headers,
    )
    assert rendered.status == 429
    assert b"retry-after: 60\r\n" in rendered.lines
    assert b'ratelimit: "1/m by route";r=0;t=60\r\n' in rendered.lines


@pytest.mark.parametrize(
    ("limit", "one", "other", "apart"),
    [
        ("1/m by tenant", {"tenant": b"a"}, {"tenant": b"b"}, True),
        ("1/m by tenant", {"tenant": b"a", "address": "192.0.2.1"}, {"tenant": b"a", "address": "192.0.2.2"}, False),
        ("1/m by tenant", {}, {"principal": "p"}, False),
        ("1/m by tenant", {}, {"tenant": b"a"}, True),
        ("1/m by principal", {"principal": "p"}, {"principal": "q"}, True),
        ("1/m by principal", {"principal": "p"}, {"principal": "p", "issuer": "other"}, True),
        ("1/m by principal", {"principal": "p" * 500 + "1"}, {"principal": "p" * 500 + "2"}, True),
        ("1/m by principal", {"principal": "p" * 500}, {"principal": "p" * 500}, False),
        ("1/m by principal", {"principal": "p", "tenant": b"a"}, {"principal": "p", "tenant": b"b"}, False),
        ("1/m by principal", {}, {"tenant": b"a"}, False),
        ("1/m by principal", {"principal": "\ud800"}, {"principal": "\ud801"}, True),
        ("1/m by address", {"address": "192.0.2.1"}, {"address": "192.0.2.2"}, True),
        ("1/m by address", {"address": "2001:db8::1"}, {"address": "2001:db8::ffff:1"}, False),
        ("1/m by address", {"address": "2001:db8::1"}, {"address": "2001:db8:0:1::1"}, True),
        ("1/m by address", {"address": "192.0.2.1"}, {"address": "::ffff:192.0.2.1"}, False),
        ("1/m by tenant, principal", {"tenant": b"a", "principal": "p"}, {"tenant": b"a", "principal": "q"}, True),
        ("1/m by tenant, principal", {"tenant": b"ab"}, {"tenant": b"a", "principal": "b"}, True),
        ("1/m by route", {"tenant": b"a"}, {"tenant": b"b"}, False),
    ],
)
def test_who_is_counted_together(limit: str, one: dict[str, Any], other: dict[str, Any], apart: bool) -> None:
    bench = Bench()
    limited = route(limit)
    assert bench.passes(limited, **one)
    assert not bench.passes(limited, **one)
    assert bench.passes(limited, **other) is apart


@pytest.mark.parametrize(
    ("limit", "other", "apart"),
    [
        ("1/m", route("1/m", path="/b"), True),
        ("1/m", route("1/m", method=Method.POST), True),
        ("1/m", route("1/m", service="orders"), True),
        ("1/m", route("1/m", path="/a/{another_name}"), False),
        ("1/m by address", route("1/m by address", path="/b"), False),
        ("1/m by address", route("1/m by address", service="orders"), True),
        ("1/m by address", route("1/m by address burst 2", path="/b"), True),
        ("1/m by route, address", route("1/m by route, address", path="/b"), True),
    ],
)
def test_which_routes_are_counted_together(limit: str, other: Route, apart: bool) -> None:
    bench = Bench()
    assert bench.passes(route(limit))
    assert bench.passes(other) is apart


def test_a_route_that_is_made_again_goes_on_where_it_was() -> None:
    bench = Bench()
    assert bench.passes(route("1/m"))
    assert not bench.passes(route("1/m"))


def test_what_one_limit_refuses_is_not_charged_to_others() -> None:
    bench = Bench()
    limited = route("1/h by address", "5/m")
    assert bench.passes(limited, address="192.0.2.1")
    assert not any(bench.passes(limited, address="192.0.2.1") for _ in range(50))
    assert [bench.passes(limited, address=f"192.0.2.{n}") for n in range(2, 8)] == [True] * 4 + [False] * 2


def test_a_limit_that_is_there_twice_counts_once() -> None:
    bench = Bench()
    limited = route("2/m", "2/m")
    assert [bench.passes(limited) for _ in range(3)] == [True, True, False]


def test_only_routes_with_limits_have_the_stage() -> None:
    bench = Bench()
    assert stages_of([bench.stage], route("1/m")) == (bench.stage,)
    assert stages_of([bench.stage], route()) == ()


# ---- the clock ----


def test_a_clock_that_goes_back_stands_still() -> None:
    bench = Bench()
    limited = route("1/s burst 2")
    assert [bench.passes(limited) for _ in range(3)] == [True, True, False]
    bench.clock.now -= 4 * S
    answer = bench.ask(limited)
    assert answer is not None
    assert answer.retry_after_s == 1
    bench.clock.now += S
    assert [bench.passes(limited) for _ in range(2)] == [True, False]
    bench.clock.now -= 1_000_000 * S
    assert not bench.passes(limited)
    bench.clock.now += S - 1
    assert not bench.passes(limited)
    bench.clock.now += 1
    assert [bench.passes(limited) for _ in range(2)] == [True, False]


def test_a_clock_that_leaps_gives_a_burst_and_no_more() -> None:
    bench = Bench()
    limited = route("1/s burst 2")
    assert [bench.passes(limited) for _ in range(3)] == [True, True, False]
    bench.clock.now += 1_000_000 * S
    assert [bench.passes(limited) for _ in range(3)] == [True, True, False]


# ---- the store ----


class Failing:
    """A store that cannot be reached."""

    def take(self, demands: Sequence[Demand], now_ns: int, /) -> Refused | None:
        raise ConnectionError("secret-host refused")

    def peek(self, demands: Sequence[Demand], now_ns: int, /) -> list[int]:
        raise ConnectionError


def test_a_store_that_fails_lets_pass_where_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(store=Failing(), is_open_on_failure=True)
    assert bench.passes(route("1/m"))
    assert bench.passes(route("1/m"))
    assert bench.limiter.statistics().failures == 2
    assert caplog.messages == [
        "the store of rates fails, so requests are let through uncounted: ConnectionError (0 more)"
    ]


def test_a_store_that_fails_refuses_where_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(store=Failing(), is_open_on_failure=False)
    assert bench.ask(route("1/m")) == Answer(RATE_LIMITED, "Requests cannot be counted at the moment.")
    assert caplog.messages == ["the store of rates fails, so requests are refused: ConnectionError (0 more)"]


def test_what_is_counted_is_told() -> None:
    bench = Bench(store=MemoryStore(keys_max=1))
    limited = route("1/m by tenant", "9/s")
    for tenant in (b"a", b"a", b"a", b"b", b"c"):
        bench.ask(limited, tenant)
    told = bench.limiter.statistics()
    assert told.refused == {("service billing", "1/m by tenant"): 3, ("service billing", "9/s by route"): 0}
    assert told.keys == len(bench.limiter.store)  # type: ignore[arg-type]
    assert (told.crowded > 0, told.failures) == (True, 0)


def test_limits_that_come_and_go_are_forgotten_at_last() -> None:
    limiter = RateLimiter()
    for number in range(TALLIES_MAX + 10):
        limiter.plan("service a", (RateLimit(number + 1, 1_000, 1),))
    assert len(limiter.statistics().refused) == TALLIES_MAX


# ---- admission ----


def admit_limits(*texts: str) -> tuple[RateLimit, ...]:
    return tuple(map(ADMIT_LIMIT.parse, texts))


def test_admission_holds_for_all_routes_together() -> None:
    clock = Clock()
    admit = make_admit(RateLimiter(clock=clock), admit_limits("2/m"))
    assert [admit(asked(route(path=path))) is None for path in ("/a", "/b", "/c")] == [True, True, False]


def test_admission_by_route_and_address() -> None:
    admit = make_admit(RateLimiter(clock=Clock()), admit_limits("1/m by route, address"))
    for path in ("/a", "/b"):
        for address in ("192.0.2.1", "192.0.2.2"):
            one = asked(route(path=path), address=address)
            assert admit(one) is None
            answer = admit(one)
            assert isinstance(answer, Answer)
            assert answer.detail == "The limit is 1/m by route, address."


def test_admission_looks_at_no_field_for_a_limit_of_the_gateway() -> None:
    exchange = Exchange(NoFields(), SNAPSHOT)
    exchange.route = route()
    assert make_admit(RateLimiter(), admit_limits("2/m"))(exchange) is None


def test_admission_cannot_count_by_who_is_not_known() -> None:
    with pytest.raises(ValueError, match="nobody is known by then"):
        make_admit(RateLimiter(), (parse_rate_limit("1/s by tenant"),))


def test_without_limits_admission_is_left_out() -> None:
    assert stages_of([make_admit(RateLimiter(), ())], route()) == ()


# ---- to look, and count nothing ----


def test_how_a_request_stands() -> None:
    bench = Bench()
    limited, admitted = route("2/m by tenant", "100/s"), admit_limits("10/s")
    one = asked(limited, b"acme")
    fresh = (
        Standing("10/s", GATEWAY, 10, 0.0),
        Standing("2/m by tenant", "service billing", 2, 0.0),
        Standing("100/s by route", "service billing", 100, 0.0),
    )
    for _ in range(3):
        assert peek_rates(bench.limiter, one, admitted) == fresh
    assert bench.stage(one) is None
    assert bench.stage(one) is None
    assert peek_rates(bench.limiter, one)[0] == Standing("2/m by tenant", "service billing", 0, 30.0)
    assert peek_rates(bench.limiter, asked(route())) == ()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8::1", b"\x20\x01\x0d\xb8\0\0\0\0"),
        ("fe80::1%eth0", b"\xfe\x80\0\0\0\0\0\0"),
        ("::ffff:192.0.2.1", b"192.0.2.1"),
        ("no:address", b"no:address"),
        ("a:\0", b"a:\0"),
    ],
)
def test_the_network_of_an_address(address: str, network: bytes) -> None:
    assert network_of(address) == network


def test_settings_have_defaults() -> None:
    defaults = {setting.name: setting.parse(setting.default) for setting in Registry(RatesConfig)}
    assert defaults == {"admit": (), "keys_max": 100_000, "on_store_failure": "open"}


def test_a_limiter_that_is_made_later_has_the_bounds_of_then() -> None:
    rates = Rates(keys_max=1, is_open_on_failure=True)
    rates.change(keys_max=2, is_open_on_failure=False)
    limiter = rates.limiter
    assert isinstance(limiter.store, MemoryStore)
    assert (limiter.store.keys_max, limiter.is_open_on_failure) == (2, False)
    rates.change(keys_max=3, is_open_on_failure=True)
    assert rates.limiter is limiter
    assert (limiter.store.keys_max, limiter.is_open_on_failure) == (3, True)
