"""Who asks and for which tenant: what the stages answer, set and remember."""

from typing import Any

import pytest
from identity_lab import (
    FORBIDDEN,
    NOW_S,
    SNAPSHOT,
    TENANT_FORBIDDEN,
    TENANT_INVALID,
    TENANT_MISSING,
    Bench,
    rendered,
    signer,
    unauthenticated,
)
from request_fields import Fields, NoFields

from frames.frame import FieldId
from frames.wire_values import HEAD_HAS_MORE, NO_IDENTITY
from penstock.settings.identity import ApiKey
from proxy.policy.authorize import authorize, demands_of
from proxy.policy.identify import make_identify
from proxy.policy.identity.api_keys import ApiKeys, make_key
from proxy.policy.identity.causes import Cause
from proxy.request.exchange import Exchange
from proxy.request.route_policy import OPEN, Access, Claim, RoutePolicy, TenantRule
from proxy.request.stage import stages_of
from proxy.route.table import Route

RSA = signer("RS256")
CLOSED = RoutePolicy()
FOR_TENANTS = RoutePolicy(tenant=TenantRule.REQUIRED)
OPEN_FOR_TENANTS = RoutePolicy(access=Access.PUBLIC, tenant=TenantRule.REQUIRED)
MADE = make_key()


def keys(**changes: Any) -> ApiKeys:
    return ApiKeys([ApiKey(**({"principal": "reports", "hash": MADE.hash.removeprefix("sha256:")} | changes))])


def wire_of(exchange: Exchange) -> tuple[bytes, bool]:
    """What the wire writes, and whether the client's credentials stay here."""
    assert exchange.caller is not None
    wire = exchange.caller.wire
    if wire == NO_IDENTITY:
        return b"", False
    from frames._native import ffi

    text = bytes(ffi.buffer(wire.text, wire.principal_bytes + wire.claims_bytes))
    return text, bool(wire.drops_credentials)


# ---- nothing said ----


def test_another_field_that_few_requests_have_says_nothing_of_who_asks() -> None:
    exchange = Exchange(Fields({b"x-service-version": b"1.0.0"}), SNAPSHOT)
    exchange.begin(7, 1, HEAD_HAS_MORE, b"/", SNAPSHOT)
    exchange.route = Route(0, 1, "/", policy=OPEN)
    bench = Bench()
    assert bench.identify(exchange) is None
    assert exchange.caller is None
    exchange.route = Route(0, 1, "/", policy=CLOSED)
    assert rendered(bench.identify(exchange) or authorize(exchange)) == unauthenticated(has_token=False)


def test_who_says_nothing_is_nobody_and_costs_nothing() -> None:
    exchange = Exchange(NoFields(), SNAPSHOT)
    exchange.begin(7, 1, 0, b"/", SNAPSHOT)
    exchange.route = Route(0, 1, "/", policy=CLOSED)
    assert make_identify(Bench(RSA).callers)(exchange) is None
    assert exchange.caller is None
    assert rendered(authorize(exchange)) == unauthenticated(has_token=False)


@pytest.mark.parametrize(
    ("policy", "answer"),
    [
        (OPEN, None),
        (CLOSED, unauthenticated(has_token=False)),
        (FOR_TENANTS, unauthenticated(has_token=False)),
        (OPEN_FOR_TENANTS, TENANT_MISSING),
        (RoutePolicy(access=Access.PUBLIC, claims=(Claim("admin"),)), unauthenticated(has_token=False)),
    ],
)
def test_what_a_route_answers_nobody(policy: RoutePolicy, answer: Any) -> None:
    given = Bench(RSA).answer(policy)
    assert given is None if answer is None else rendered(given) == answer


@pytest.mark.parametrize(
    ("policy", "is_asked"),
    [
        (OPEN, False),
        (CLOSED, True),
        (OPEN_FOR_TENANTS, True),
        (RoutePolicy(access=Access.PUBLIC, claims=(Claim("a"),)), True),
    ],
)
def test_authorize_is_left_out_where_anybody_may_ask(policy: RoutePolicy, is_asked: bool) -> None:
    assert stages_of([authorize], Route(0, 1, "/", policy=policy)) == ((authorize,) if is_asked else ())


# ---- tenants ----


@pytest.mark.parametrize(
    "tenant", [b"", b" ", b"a b", b"a/b", b"..\\x", b"a" * 65, "ü".encode(), b"a,b", b"a\tb", b"*"]
)
@pytest.mark.parametrize("policy", [OPEN, CLOSED])
def test_a_tenant_of_another_form(tenant: bytes, policy: RoutePolicy) -> None:
    bench = Bench(RSA, tenant_claim="tenants")
    assert rendered(bench.answer(policy, tenant=tenant)) == TENANT_INVALID
    for token in (RSA.token(), RSA.token({"tenants": ["acme"]}), b"bad"):
        assert rendered(bench.answer(policy, tenant=tenant, token=token)) == TENANT_INVALID
        bench.answer(policy, token=token)
        assert rendered(bench.answer(policy, tenant=tenant, token=token)) == TENANT_INVALID, "nor by what is remembered"


@pytest.mark.parametrize("tenant", [b"a", b"A-z.0_9", b"a" * 64, b"..."])
def test_nobody_in_particular_may_name_any_tenant_where_anybody_may_ask(tenant: bytes) -> None:
    bench = Bench(RSA, tenant_claim="tenants")
    for policy in (OPEN, OPEN_FOR_TENANTS):
        answer, exchange, _ = bench.ask(policy, tenant=tenant)
        assert answer is None
        assert exchange.caller is not None
        assert (exchange.caller.tenant, exchange.caller.identity) == (tenant, None)
        assert wire_of(exchange) == (b"", False)


@pytest.mark.parametrize(
    ("claimed", "said", "outcome"),
    [
        ("acme", "acme", "acme"),
        ("acme", "", "acme"),
        ("acme", "other", TENANT_FORBIDDEN),
        ("acme", "ACME", TENANT_FORBIDDEN),
        ("acme", "acm", TENANT_FORBIDDEN),
        (["acme"], "", "acme"),
        (["acme", "acme"], "", "acme"),
        (["acme", "b"], "b", "b"),
        (["acme", "b"], "c", TENANT_FORBIDDEN),
        (["acme", "b"], "", ""),
        ([], "", ""),
        ([], "acme", TENANT_FORBIDDEN),
        (None, "", ""),
        (None, "acme", TENANT_FORBIDDEN),
    ],
)
def test_the_header_selects_and_the_token_decides(claimed: Any, said: str, outcome: Any) -> None:
    bench = Bench(RSA, tenant_claim="tenants")
    claims = {} if claimed is None else {"tenants": claimed}
    fields = {"token": RSA.token(claims)} | ({"tenant": said.encode()} if said else {})
    for policy in (OPEN, CLOSED, CLOSED):
        answer, exchange, given = bench.ask(policy, **fields)
        if not isinstance(outcome, str):
            assert rendered(answer) == outcome
            continue
        assert answer is None
        assert exchange.caller is not None
        assert exchange.caller.tenant == outcome.encode()
        selected = {FieldId.TENANT: outcome.encode()} if outcome and not said else {}
        assert given.context_set == selected, "set with each request, also with one that is remembered"
    needed = bench.answer(FOR_TENANTS, **fields)
    if outcome == "":
        assert rendered(needed) == TENANT_MISSING
    elif isinstance(outcome, str):
        assert needed is None


@pytest.mark.parametrize(
    "claimed", [7, True, {"acme": 1}, ["acme", 7], ["acme", None], "a b", ["acme", ""], "", "a" * 65]
)
def test_a_claim_of_tenants_that_is_none_makes_a_bad_token(claimed: Any) -> None:
    bench = Bench(RSA, tenant_claim="tenants")
    assert rendered(bench.answer(token=RSA.token({"tenants": claimed}), tenant=b"acme")) == unauthenticated()


def test_without_a_claim_for_it_tokens_do_not_speak_of_tenants() -> None:
    answer, exchange, given = Bench(RSA).ask(FOR_TENANTS, token=RSA.token({"tenants": ["b"]}), tenant=b"acme")
    assert answer is None
    assert exchange.caller is not None
    assert exchange.caller.tenant == b"acme"
    assert given.context_set == {}, "the wire has set it"


# ---- identities ----


def test_what_the_service_is_told() -> None:
    bench = Bench(RSA)
    _, exchange, _ = bench.ask(token=RSA.token({"roles": ["a", "ü"], "exp": NOW_S + 60}))
    told = '{"iss":"https://login.example/","aud":"penstock","sub":"anna","exp":1800000060.0,"roles":["a","ü"]}'
    assert wire_of(exchange) == (b"anna" + told.encode(), True)


def test_a_service_is_told_the_claims_that_are_named_and_routes_ask_for_all() -> None:
    bench = Bench(RSA, pass_claims=("roles", "nothing"), principal_claim="email", principal_prefix="login:")
    policy = RoutePolicy(claims=(Claim("secret", ("s",)),))
    token = RSA.token({"roles": ["a"], "secret": "s", "email": "a@example", "notes": "x" * 4100})
    answer, exchange, _ = bench.ask(policy, token=token)
    assert answer is None
    assert wire_of(exchange) == (b'login:a@example{"roles":["a"]}', True)


def test_credentials_go_on_where_that_is_wanted() -> None:
    bench = Bench(RSA, forwards_credentials=True)
    assert wire_of(bench.ask(token=RSA.token())[1])[1] is False
    assert wire_of(bench.ask(OPEN, token=b"bad")[1]) == (b"", False)


@pytest.mark.parametrize(
    ("fields", "stays"),
    [
        ({"token": b"bad"}, True),
        ({"x_api_key": b"bad-but-long-enough"}, True),
        ({"token": RSA.token(), "x_api_key": MADE.key.encode()}, True),
        ({"authorization": b"Basic YTpi"}, False),
        ({"authorization": b"Basic YTpi", "tenant": b"a"}, False),
    ],
)
def test_what_is_ours_stays_here_even_where_it_proves_nothing(fields: dict[str, bytes], stays: bool) -> None:
    answer, exchange, _ = Bench(RSA, api_keys=keys()).ask(OPEN, **fields)
    assert answer is None
    assert exchange.caller is not None
    assert exchange.caller.identity is None
    assert wire_of(exchange) == (b"", stays)


def test_without_issuers_tokens_are_the_services_own() -> None:
    bench = Bench(api_keys=keys())
    answer, exchange, _ = bench.ask(OPEN, token=RSA.token())
    assert answer is None
    assert wire_of(exchange) == (b"", False)
    assert rendered(bench.answer(token=RSA.token())) == unauthenticated(has_token=False)
    assert bench.answer(token=RSA.token(), x_api_key=MADE.key.encode()) is None


def test_without_keys_the_field_for_them_is_the_services_own() -> None:
    bench = Bench(RSA)
    assert bench.answer(token=RSA.token(), x_api_key=b"whatever-it-may-be") is None
    assert wire_of(bench.ask(OPEN, x_api_key=b"whatever-it-may-be")[1]) == (b"", False)


def test_without_anything_every_closed_route_is_closed() -> None:
    bench = Bench()
    token, key = RSA.token(), MADE.key.encode()
    assert rendered(bench.answer(token=token, x_api_key=key)) == unauthenticated(has_token=False)
    assert wire_of(bench.ask(OPEN, token=token, x_api_key=key)[1]) == (b"", False)


# ---- API keys ----


def test_a_key_proves_who_it_is_for() -> None:
    bench = Bench(api_keys=keys(claims={"scope": "read write", "roles": ("a",)}, tenants=("acme", "b")))
    policy = RoutePolicy(claims=(Claim("scope", ("write",)), Claim("roles", ("a",))))
    answer, exchange, _ = bench.ask(policy, x_api_key=MADE.key.encode(), tenant=b"b")
    assert answer is None
    assert wire_of(exchange) == (b'reports{"scope":"read write","roles":["a"]}', True)
    assert rendered(bench.answer(x_api_key=MADE.key.encode(), tenant=b"c")) == TENANT_FORBIDDEN


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"x",
        b"bad-but-long-enough",
        MADE.key.encode() + b" ",
        MADE.key.encode() + b", x",
        MADE.key.encode()[:-1],
        MADE.key.upper().encode(),
        MADE.hash.encode(),
        MADE.hash.removeprefix("sha256:").encode(),
        "ü".encode() * 20,
        b"a" * 8000,
    ],
    ids=(
        *("empty", "short", "another", "blank behind", "list", "cut", "upper case", "hash", "bare hash"),
        *("no ASCII", "long"),
    ),
)
def test_a_bad_key(key: bytes) -> None:
    bench = Bench(RSA, api_keys=keys())
    assert rendered(bench.answer(x_api_key=key)) == unauthenticated(has_token=False)
    assert bench.callers.refused[Cause.API_KEY] == (1 if key else 0)


def test_a_key_that_is_over() -> None:
    bench = Bench(api_keys=keys(expires=NOW_S + 5))
    assert bench.answer(x_api_key=MADE.key.encode()) is None
    bench.now_s += 5
    assert rendered(bench.answer(x_api_key=MADE.key.encode())) == unauthenticated(has_token=False)
    assert bench.callers.refused[Cause.API_KEY_EXPIRED] == 1


@pytest.mark.parametrize(
    ("tenants", "said", "outcome"),
    [(None, b"any", None), ((), b"", TENANT_MISSING), ((), b"a", TENANT_FORBIDDEN), (("a",), b"", None)],
)
def test_tenants_of_a_key(tenants: Any, said: bytes, outcome: Any) -> None:
    fields = {"x_api_key": MADE.key.encode()} | ({"tenant": said} if said else {})
    answer = Bench(api_keys=keys(tenants=tenants)).answer(FOR_TENANTS, **fields)
    assert answer is None if outcome is None else rendered(answer) == outcome


def test_a_token_and_a_key_at_once_are_ambiguous() -> None:
    bench = Bench(RSA, api_keys=keys())
    assert rendered(bench.answer(token=RSA.token(), x_api_key=MADE.key.encode())) == unauthenticated()
    assert bench.callers.refused[Cause.AMBIGUOUS] == 1
    assert bench.answer(authorization=b"Basic YTpi", x_api_key=MADE.key.encode()) is None


# ---- claims ----


def test_a_claim_that_is_missing_is_answered_as_one_with_another_value() -> None:
    bench = Bench(RSA)
    policy = RoutePolicy(claims=(Claim("roles", ("admin",)), Claim("scope", ("write",))), tenant=TenantRule.REQUIRED)
    for claims in ({}, {"roles": "user"}, {"roles": "admin"}, {"roles": "admin", "scope": "read"}):
        assert rendered(bench.answer(policy, token=RSA.token(claims))) == FORBIDDEN
    good = RSA.token({"roles": "admin", "scope": "read write"})
    assert rendered(bench.answer(policy, token=good)) == TENANT_MISSING
    assert bench.answer(policy, token=good, tenant=b"acme") is None


def test_what_one_route_lets_pass_another_one_does_not() -> None:
    bench = Bench(RSA)
    token = RSA.token({"roles": ["a"]})
    for number in range(100):
        assert bench.answer(RoutePolicy(claims=(Claim("roles", ("a", f"x{number}")),)), token=token) is None
        assert rendered(bench.answer(RoutePolicy(claims=(Claim("roles", (f"x{number}",)),)), token=token)) == FORBIDDEN
    caller = bench.ask(CLOSED, token=token)[1].caller
    assert caller is not None
    assert len(caller.allowed) <= 32


def test_policies_that_ask_the_same_have_one_number() -> None:
    first, second = RoutePolicy(claims=(Claim("a"),)), RoutePolicy(claims=(Claim("a"),), deadline_ms=5)
    other = RoutePolicy(claims=(Claim("a"),), tenant=TenantRule.REQUIRED)
    assert first.demand == second.demand != other.demand
    assert RoutePolicy(claims=(Claim("a", ("b",)),)).demand not in (first.demand, other.demand)


def test_what_a_route_asks_in_words() -> None:
    assert demands_of(OPEN) == ()
    policy = RoutePolicy(claims=(Claim("roles"), Claim("scope", ("a", "b"))), tenant=TenantRule.REQUIRED)
    assert demands_of(policy) == ("an identity", "the claim roles: any value", "the claim scope: a or b", "a tenant")
    assert demands_of(OPEN_FOR_TENANTS) == ("a tenant",)
