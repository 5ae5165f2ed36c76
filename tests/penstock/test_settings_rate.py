"""Rate limits as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.settings.rate import (
    ADMIT_LIMIT,
    BURST_MAX,
    PERIOD_MS_MAX,
    RATE_LIMIT,
    RateKey,
    RateLimit,
    RateText,
    parse_rate_limit,
)
from penstock.settings.tables import ListOf
from penstock.settings.types import BadValueError

ROUTE, TENANT, PRINCIPAL, ADDRESS = RateKey


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100/s by tenant burst 20", RateLimit(100, 1_000, 20, (TENANT,))),
        ("10/m by address", RateLimit(10, 60_000, 10, (ADDRESS,))),
        ("5/s by route, principal", RateLimit(5, 1_000, 5, (ROUTE, PRINCIPAL))),
        ("5/s by principal,route", RateLimit(5, 1_000, 5, (ROUTE, PRINCIPAL))),
        ("1000/s", RateLimit(1_000, 1_000, 1_000, (ROUTE,))),
        ("100/10s", RateLimit(100, 10_000, 100, (ROUTE,))),
        ("1/h burst 3", RateLimit(1, 3_600_000, 3, (ROUTE,))),
        ("1000000/d", RateLimit(1_000_000, 86_400_000, 10_000, (ROUTE,))),
        ("  1/31d  by   tenant  ", RateLimit(1, PERIOD_MS_MAX, 1, (TENANT,))),
    ],
)
def test_what_is_a_rate_limit(text: str, limit: RateLimit) -> None:
    assert parse_rate_limit(text) == limit


def test_admission_counts_the_whole_gateway_by_default() -> None:
    assert ADMIT_LIMIT.parse("1000/s").keys == ()
    assert ADMIT_LIMIT.parse("1000/s by address, route").keys == (ROUTE, ADDRESS)


@pytest.mark.parametrize(
    ("kind", "text", "why", "fix"),
    [
        (RATE_LIMIT, "", "'' is no rate limit", "write how many in which time, like 100/s by tenant burst 20"),
        (RATE_LIMIT, "100", "'100' is no rate limit", "write how many in which time, like 100/s by tenant burst 20"),
        (
            RATE_LIMIT,
            "100/s tenant",
            "'100/s tenant' is no rate limit",
            "write how many in which time, like 100/s by tenant burst 20",
        ),
        (
            RATE_LIMIT,
            "100/s burst 2 by tenant",
            "'100/s burst 2 by tenant' is no rate limit",
            "write how many in which time, like 100/s by tenant burst 20",
        ),
        (RATE_LIMIT, "0/s", "'0' is no number of requests", "write a whole number from 1 to 999999999"),
        (RATE_LIMIT, "-1/s", "'-1' is no number of requests", "write a whole number from 1 to 999999999"),
        (RATE_LIMIT, "1.5/s", "'1.5' is no number of requests", "write a whole number from 1 to 999999999"),
        (
            RATE_LIMIT,
            "9999999999/s",
            "'9999999999' is no number of requests",
            "write a whole number from 1 to 999999999",
        ),
        (RATE_LIMIT, "\u0661/s", "'\u0661' is no number of requests", "write a whole number from 1 to 999999999"),
        (RATE_LIMIT, "5/ms", "'ms' is no period (s, m, h, d)", "write 5/s, /m, /h or /d"),
        (RATE_LIMIT, "5/S", "'S' is no period (s, m, h, d)", "write 5/s, /m, /h or /d"),
        (RATE_LIMIT, "5/10", "'10' is no period (s, m, h, d)", "write 5/s, /m, /h or /d"),
        (RATE_LIMIT, "5/0s", "the period '0s' is not between 1s and 31d", "write 5/s, /m, /h or /d"),
        (RATE_LIMIT, "5/32d", "the period '32d' is not between 1s and 31d", "write 5/s, /m, /h or /d"),
        (
            RATE_LIMIT,
            "5/s/2",
            "'5/s/2' is no rate limit",
            "write how many in which time, like 100/s by tenant burst 20",
        ),
        (RATE_LIMIT, "1000001/s", "'1000001/s' is more often than can be told apart", "write at most 1000000/s"),
        (RATE_LIMIT, "5/s burst 0", "'0' is no burst", "write a whole number from 1 to 999999999"),
        (RATE_LIMIT, "5/s burst 1000001", "a burst of 1000001 is above 1000000", "write burst 1000000 or less"),
        (
            RATE_LIMIT,
            "5/s by user",
            "'user' is nothing that is counted by here",
            "write by route or by tenant or by principal or by address",
        ),
        (
            RATE_LIMIT,
            "5/s by tenant, ",
            "'' is nothing that is counted by here",
            "write by route or by tenant or by principal or by address",
        ),
        (RATE_LIMIT, "5/s by tenant, tenant", "'tenant' is there twice", "name each key once"),
        (ADMIT_LIMIT, "5/s by tenant", "'tenant' is nothing that is counted by here", "write by route or by address"),
        (ADMIT_LIMIT, "5", "'5' is no rate limit", "write how many in which time, like 100/s by address burst 20"),
    ],
)
def test_what_is_none_and_what_to_write(kind: RateText, text: str, why: str, fix: str) -> None:
    with pytest.raises(BadValueError) as caught:
        kind.parse(text)
    assert caught.value.why == why
    assert caught.value.fix == fix


def test_a_list_whose_commas_part_a_limit_says_how_to_write_it() -> None:
    kind = ListOf(RATE_LIMIT)
    assert kind.parse('["5/s by route, principal", 100/m by tenant]') == (
        RateLimit(5, 1_000, 5, (ROUTE, PRINCIPAL)),
        RateLimit(100, 60_000, 100, (TENANT,)),
    )
    assert kind.parse("5/s, 100/m by tenant")[1].keys == (TENANT,)
    with pytest.raises(BadValueError, match="put a limit of two keys in brackets and quotes"):
        kind.parse("5/s by route, principal")


LIMITS = st.builds(
    RateLimit,
    st.integers(1, 1_000_000),
    st.integers(1, PERIOD_MS_MAX // 1_000).map(lambda seconds: seconds * 1_000),
    st.integers(1, BURST_MAX),
    st.lists(st.sampled_from(list(RateKey)), min_size=1, unique=True).map(
        lambda keys: tuple(key for key in RateKey if key in keys)
    ),
)


@given(LIMITS)
def test_a_limit_is_written_as_it_is_read(limit: RateLimit) -> None:
    assert parse_rate_limit(RATE_LIMIT.render(limit)) == limit


def test_a_limit_is_written_shortly() -> None:
    assert RATE_LIMIT.render(parse_rate_limit("100/60s by tenant burst 100")) == "100/m by tenant"
    assert ADMIT_LIMIT.render(ADMIT_LIMIT.parse("100/24h")) == "100/d"
