"""What services declare and what rules say become a route's policy: stricter only, with who said so."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from route_support import offer

from frames.endpoint import EndpointOffer
from frames.frame import Method
from penstock.settings.rate import parse_rate_limit
from proxy.config.rule import Rule, VersionsRule
from proxy.request.offer import Offer
from proxy.request.route_policy import Access, Case, Claim, Mirror, RoutePolicy, Split, TenantRule, Versions
from proxy.route.rule_scopes import covers, segments_of
from proxy.route.rules import NOTES_MAX, POLICIES_REMEMBERED_MAX, Policies

PUBLIC, AUTHENTICATED = Access.PUBLIC, Access.AUTHENTICATED


def declared(version: str = "1.4.0", **said: Any) -> Offer:
    return offer("b", version, declared=EndpointOffer(id=1, method="GET", path="/invoices/{id}", **said))


def rule(line: int = 1, **said: Any) -> Rule:
    return Rule(origin=f"penstock.yaml:{line}", **said)


def policy_of(
    policies: Policies, *offers: Offer, service: str = "billing", path: str = "/invoices/{id}"
) -> RoutePolicy:
    return policies.policy_of(service, Method.GET, path, offers or (declared(),))


# ---- for which routes a rule holds ----


@pytest.mark.parametrize(
    ("select", "holds"),
    [
        ({}, True),
        ({"service": "billing"}, True),
        ({"service": "orders"}, False),
        ({"methods": frozenset({Method.GET, Method.POST})}, True),
        ({"methods": frozenset({Method.POST})}, False),
        ({"path": "/"}, True),
        ({"path": "/invoices"}, True),
        ({"path": "/invoices/"}, True),
        ({"path": "/invoices/{anything}"}, True),
        ({"path": "/{what}/{id}"}, True),
        ({"path": "/{all...}"}, True),
        ({"path": "/invoices/{id}/lines"}, False),
        ({"path": "/invoices/42"}, False),
        ({"path": "/invoice"}, False),
        ({"path": "/Invoices"}, False),
        ({"service": "billing", "path": "/invoices", "methods": frozenset({Method.GET})}, True),
        ({"service": "orders", "path": "/invoices"}, False),
    ],
)
def test_for_which_routes_a_rule_holds(select: dict[str, Any], holds: bool) -> None:
    policies = Policies([rule(deadline_ms=5, **select)])
    assert policy_of(policies).deadline_ms == (5 if holds else None)
    assert len(policies.rules_of("billing", Method.GET, "/invoices/{id}")) == holds


def test_rules_hold_in_their_order_wherever_they_are_found() -> None:
    paths = ("/{any}", "/invoices", None, "/other", "/invoices/{id}", "/")
    policies = Policies([rule(line, path=path) for line, path in enumerate(paths, 1)])
    held = policies.rules_of("billing", Method.GET, "/invoices/{id}")
    assert [one.path for one in held] == ["/{any}", "/invoices", None, "/invoices/{id}", "/"]
    assert [one.path for one in policies.rules_of("billing", Method.GET, "/else")] == ["/{any}", None, "/"]


@pytest.mark.parametrize(
    ("prefix", "template", "is_covered"),
    [
        ("/files", "/files/{path...}", True),
        ("/files/{path...}", "/files/{path...}", True),
        ("/files/{all...}", "/files/{path...}", True),
        ("/files/{one}", "/files/{path...}", False),
        ("/files/private", "/files/{path...}", False),
        ("/{all...}", "/files/a/b", True),
        ("/files/{path...}", "/files", False),
        ("/", "/", True),
        ("/a", "/", False),
    ],
)
def test_wildcards(prefix: str, template: str, is_covered: bool) -> None:
    assert covers(segments_of(prefix), segments_of(template)) is is_covered


@pytest.mark.parametrize(
    ("prefix", "template", "is_told"),
    [
        ("/admin", "/{path...}", True),
        ("/admin/{id}", "/{path...}", True),
        ("/shop/admin", "/shop/{path...}", True),
        ("/{shop}/admin", "/shop/{path...}", True),
        ("/shop/admin", "/{shop}/{path...}", True),
        ("/shop/{one}", "/shop/{path...}", True),
        ("/shop", "/shop/{path...}", False),
        ("/", "/{path...}", False),
        ("/other/admin", "/shop/{path...}", False),
        ("/admin", "/{id}", True),
        ("/users/me", "/users/{id}", True),
        ("/users/me", "/users/{id}/keys", True),
        ("/{kind}/me", "/users/{id}", True),
        ("/users/{any}", "/users/{id}", False),
        ("/users/me/keys", "/users/{id}", False),
        ("/other/me", "/users/{id}", False),
        ("/users/{path...}", "/users/{id}", False),
        ("/shop/{one}/more", "/shop/{path...}", True),
    ],
)
def test_a_rule_for_a_part_of_a_route_is_told(prefix: str, template: str, is_told: bool) -> None:
    policies = Policies([rule(path=prefix, claims={"role": frozenset({"admin"})})], undeclared=PUBLIC)
    policy = policy_of(policies, path=template)
    told = (
        f"the rule penstock.yaml:1: its path {prefix} has no effect on GET {template}, since that is one route of"
        " billing for more than this path: it must offer the path by itself"
    )
    assert policies.notes == ((told,) if is_told else ())
    assert not (is_told and policy.claims)


def test_a_rule_that_holds_elsewhere_is_not_told() -> None:
    policies = Policies([rule(path="/admin", deadline_ms=5)])
    for path in ("/{path...}", "/admin/users", "/{other...}"):
        policy_of(policies, path=path)
    assert policies.notes == ()


# ---- who may ask ----


@pytest.mark.parametrize(
    ("says", "rules", "access", "origin"),
    [
        ([None], [], AUTHENTICATED, None),
        (["public"], [], PUBLIC, "billing 1.4.0"),
        (["authenticated"], [], AUTHENTICATED, "billing 1.4.0"),
        (["public", "authenticated"], [], AUTHENTICATED, "billing 1.5.0"),
        (["public", None], [], AUTHENTICATED, None),
        ([None], [PUBLIC], PUBLIC, "penstock.yaml:1"),
        ([None], [PUBLIC, AUTHENTICATED], AUTHENTICATED, "penstock.yaml:2"),
        ([None], [AUTHENTICATED, PUBLIC], AUTHENTICATED, "penstock.yaml:1"),
        (["public"], [AUTHENTICATED], AUTHENTICATED, "penstock.yaml:1"),
        (["public"], [PUBLIC], PUBLIC, "billing 1.4.0"),
        (["public", None], [PUBLIC], PUBLIC, "penstock.yaml:1"),
        (["authenticated"], [PUBLIC], AUTHENTICATED, "billing 1.4.0"),
        ([], [], AUTHENTICATED, None),
    ],
)
def test_access(says: list[str | None], rules: list[Access], access: Access, origin: str | None) -> None:
    offers = [declared(f"1.{minor}.0", access=said) for minor, said in enumerate(says, 4)]
    policies = Policies([rule(line, access=said) for line, said in enumerate(rules, 1)])
    policy = policies.policy_of("billing", Method.GET, "/invoices/{id}", offers)
    assert (policy.access, policy.origins.get("access")) == (access, origin)


def test_who_may_ask_where_nobody_says_anything_is_for_the_operator() -> None:
    assert policy_of(Policies(undeclared=PUBLIC)).access is PUBLIC
    assert policy_of(Policies([rule(access=AUTHENTICATED)], undeclared=PUBLIC)).access is AUTHENTICATED


def test_claims_need_an_identity() -> None:
    policies = Policies([rule(claims={"scope": frozenset({"read"})})], undeclared=PUBLIC)
    for offers in ([declared()], [declared(access="public")]):
        policy = policy_of(policies, *offers)
        assert (policy.access, policy.origins["access"]) == (AUTHENTICATED, "penstock.yaml:1")
    assert policy_of(Policies(undeclared=PUBLIC), declared(claims={"scope": ()})).access is AUTHENTICATED


def test_what_would_open_a_route_has_no_effect_and_is_told_once() -> None:
    policies = Policies([rule(name="open", access=PUBLIC)])
    for offers in ((declared(access="authenticated"),), (declared("2.0.0", claims={"scope": ("read",)}),)):
        assert policy_of(policies, *offers).access is AUTHENTICATED
    assert policies.notes == (
        "the rule open (penstock.yaml:1): its access has no effect on GET /invoices/{id}, since billing 1.4.0 declares"
        " that it needs an identity",
    )


# ---- claims ----


def claims(said: dict[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(values) for name, values in said.items()}


@pytest.mark.parametrize(
    ("says", "rules", "wanted"),
    [
        ({}, [], ()),
        ({"scope": ("b", "a")}, [], (Claim("scope", ("a", "b")),)),
        ({"scope": ("a",)}, [{"team": ("x",)}], (Claim("scope", ("a",)), Claim("team", ("x",)))),
        ({"scope": ("a",)}, [{"scope": ("b",)}], (Claim("scope", ("a",)), Claim("scope", ("b",)))),
        ({"scope": ("a", "b")}, [{"scope": ("a",)}], (Claim("scope", ("a",)),)),
        ({"scope": ("a",)}, [{"scope": ("a", "b")}], (Claim("scope", ("a",)),)),
        ({"scope": ()}, [{"scope": ("a",)}], (Claim("scope", ("a",)),)),
        ({"scope": ("a",)}, [{"scope": ()}], (Claim("scope", ("a",)),)),
        ({"scope": ("a", "b")}, [{"scope": ("b", "c")}], (Claim("scope", ("a", "b")), Claim("scope", ("b", "c")))),
        ({}, [{"scope": ("a",)}, {"scope": ("a",), "team": ()}], (Claim("scope", ("a",)), Claim("team"))),
    ],
)
def test_claims_of_all_must_hold(
    says: dict[str, tuple[str, ...]], rules: list[dict[str, tuple[str, ...]]], wanted: tuple[Claim, ...]
) -> None:
    policies = Policies([rule(line, claims=claims(said)) for line, said in enumerate(rules, 1)])
    assert policy_of(policies, declared(claims=says)).claims == wanted


def test_claims_of_every_version_must_hold() -> None:
    both = policy_of(Policies(), declared(claims={"a": ("1",)}), declared("2.0.0", claims={"b": ()}))
    assert both.claims == (Claim("a", ("1",)), Claim("b"))
    assert both.origins["claims"] == "billing 1.4.0, billing 2.0.0"


def test_a_claim_that_asks_for_less_is_told() -> None:
    policies = Policies([rule(claims=claims({"scope": ("a", "b"), "team": ("x",)}))])
    assert policy_of(policies, declared(claims={"scope": ("a",)})).origins["claims"] == "billing 1.4.0, penstock.yaml:1"
    assert policies.notes == (
        "the rule penstock.yaml:1: its claim scope has no effect on GET /invoices/{id}, since billing 1.4.0 declares a"
        " stricter one",
    )


CLAIMS = st.dictionaries(st.sampled_from("ab"), st.frozensets(st.sampled_from("xyz")), max_size=2)


@given(
    CLAIMS, st.lists(CLAIMS, max_size=3), st.dictionaries(st.sampled_from("ab"), st.frozensets(st.sampled_from("xyz")))
)
def test_who_is_let_in_meets_everybody(
    says: dict[str, frozenset[str]], rules: list[dict[str, frozenset[str]]], has: dict[str, frozenset[str]]
) -> None:
    policies = Policies([rule(claims=said) for said in rules])
    policy = policy_of(policies, declared(claims={name: tuple(sorted(values)) for name, values in says.items()}))

    def meets(name: str, values: frozenset[str]) -> bool:
        return name in has and (not values or bool(has[name] & values))

    everybody = all(meets(name, values) for said in (says, *rules) for name, values in said.items())
    assert all(meets(claim.name, frozenset(claim.values)) for claim in policy.claims) == everybody


# ---- what is counted and measured ----


def test_rate_limits_add_up_and_none_counts_twice() -> None:
    texts = ("100/s", "10/s by tenant")
    policies = Policies(
        [
            rule(1, rate_limits=(parse_rate_limit("5/s by address"),)),
            rule(2, rate_limits=(parse_rate_limit("100/s"), parse_rate_limit("7/m"))),
        ]
    )
    policy = policy_of(policies, declared(rate_limits=texts), declared("2.0.0", rate_limits=texts[:1]))
    wanted = (*texts, "5/s by address", "7/m")
    assert policy.rate_limits == tuple(map(parse_rate_limit, wanted))
    assert policy.origins["rate_limits"] == "billing 1.4.0, penstock.yaml:1, penstock.yaml:2"


@pytest.mark.parametrize("field", ["deadline_ms", "body_bytes"])
@pytest.mark.parametrize(
    ("says", "rules", "least", "origin"),
    [
        ([None], [], None, None),
        ([500], [], 500, "billing 1.4.0"),
        ([500, 300, None], [], 300, "billing 1.5.0"),
        ([None], [900], 900, "penstock.yaml:1"),
        ([None], [900, 700], 700, "penstock.yaml:2"),
        ([None], [700, 900], 700, "penstock.yaml:1"),
        ([500], [400], 400, "penstock.yaml:1"),
        ([500], [500], 500, "billing 1.4.0"),
        ([500], [900], 500, "billing 1.4.0"),
        ([0], [900], 0, "billing 1.4.0"),
    ],
)
def test_the_least_holds(
    field: str, says: list[int | None], rules: list[int], least: int | None, origin: str | None
) -> None:
    policies = Policies([rule(line, **{field: said}) for line, said in enumerate(rules, 1)])
    offers = [declared(f"1.{minor}.0", **{field: said}) for minor, said in enumerate(says, 4)]
    policy = policy_of(policies, *offers)
    assert (getattr(policy, field), policy.origins.get(field)) == (least, origin)
    first = next((said for said in says if said is not None), None)
    assert bool(policies.notes) == any(first is not None and said > first for said in rules)


def test_a_longer_deadline_is_told() -> None:
    policies = Policies([rule(name="slow", deadline_ms=9_000)])
    policy_of(policies, declared(deadline_ms=500))
    assert policies.notes == (
        "the rule slow (penstock.yaml:1): its deadline has no effect on GET /invoices/{id}, since billing 1.4.0"
        " declares less",
    )


# ---- the last rule that says anything ----

SPLIT = Split(cases=(Case(version="2.0.0", tenants=frozenset({"acme"})),))
MIRROR = Mirror(version="2.0.0")


@pytest.mark.parametrize(
    ("field", "said", "got"),
    [
        ("tenant", [], TenantRule.OPTIONAL),
        ("tenant", [TenantRule.REQUIRED, None], TenantRule.REQUIRED),
        ("tenant", [TenantRule.REQUIRED, TenantRule.OPTIONAL], TenantRule.OPTIONAL),
        ("split", [SPLIT, None], SPLIT),
        ("split", [SPLIT, Split()], None),
        ("mirror", [MIRROR, None], MIRROR),
        ("mirror", [MIRROR, Mirror(version="2.0.0", percent=0)], None),
        ("placement", ["runner_placement", None], "runner_placement"),
        ("placement", ["runner_placement", ""], ""),
        ("versions", [], Versions()),
        (
            "versions",
            [VersionsRule(default="^1"), VersionsRule(takes_ranges=True)],
            Versions(default="^1", takes_ranges=True),
        ),
        ("versions", [VersionsRule(default="^1"), VersionsRule(default="2.0.0")], Versions(default="2.0.0")),
        ("versions", [VersionsRule(default="^1"), VersionsRule(default="")], Versions()),
    ],
)
def test_the_last_rule_wins(field: str, said: list[Any], got: object) -> None:
    policy = policy_of(Policies([rule(line, **{field: value}) for line, value in enumerate(said, 1)]))
    assert getattr(policy, field) == got


def test_who_said_so() -> None:
    policies = Policies(
        [
            rule(1, name="all", tenant=TenantRule.REQUIRED),
            rule(2, versions=VersionsRule(default="^1"), placement="runner_placement", split=SPLIT, mirror=MIRROR),
            rule(3, versions=VersionsRule(takes_ranges=True)),
        ]
    )
    assert policy_of(policies, declared(access="public", body_bytes=9)).origins == {
        "access": "billing 1.4.0",
        "body_bytes": "billing 1.4.0",
        "tenant": "all (penstock.yaml:1)",
        "versions": "penstock.yaml:2, penstock.yaml:3",
        "split": "penstock.yaml:2",
        "mirror": "penstock.yaml:2",
        "placement": "penstock.yaml:2",
    }


def test_nothing_is_said_by_nobody() -> None:
    assert policy_of(Policies()).origins == {}


# ---- many routes ----


def test_routes_of_which_the_same_is_said_have_one_policy() -> None:
    policies = Policies([rule(path="/invoices", deadline_ms=5)])
    invoice, other = policy_of(policies), policy_of(policies, path="/invoices")
    assert invoice is other
    assert policy_of(policies, path="/bills") is not invoice
    assert policy_of(policies, declared(access="public")) is not invoice
    assert policy_of(policies, declared("1.5.0")) is not invoice  # whose origins are others
    assert policy_of(policies, service="orders") is not invoice


def test_policies_and_notes_are_bounded() -> None:
    policies = Policies([rule(line, access=PUBLIC) for line in range(NOTES_MAX + 50)])
    policy_of(policies, declared(access="authenticated"))
    assert len(policies.notes) == NOTES_MAX
    small = Policies()
    for number in range(POLICIES_REMEMBERED_MAX + 10):
        policy_of(small, declared(deadline_ms=number))
    assert len(small._made) <= POLICIES_REMEMBERED_MAX
