"""Rules and what goes with them: read whole, and every kind of mistake told with its place and its fix."""

from pathlib import Path

import pytest

from frames.frame import Method
from penstock.settings import Address, SettingsError
from penstock.settings.rate import RateKey, RateLimit
from proxy.config import load_gateway
from proxy.config.rule import Rule, VersionsRule
from proxy.config.rules import make_rules
from proxy.config.structured import ServiceCall
from proxy.request.route_policy import Access, Case, Key, KeyKind, Mirror, Split, TenantRule

YAML = """\
regions:
  own: eu-1
  neighbours: {eu-1: [eu-2], eu-2: [eu-1]}
versions: {header: X-Version, path_prefix: true}
placement: {maps: []}
services:
  dial: [127.0.0.1:7501]
  required: [billing]
  calls:
    - {from: billing, to: inventory, claims: {scope: read, roles: [a, b]}}
rules:
  - name: invoices
    service: billing
    path: /invoices/{id}
    methods: [GET, POST]
    access: authenticated
    claims: {scope: [write, read], admin: "*"}
    tenant: required
    rate_limits: [100/s by tenant, "5/s by route, principal"]
    deadline: 5s
    body_bytes: 1KiB
    versions: {default: ^1.2, ranges: true}
    split:
      by: header X-User
      weights: {1.4.0: 90, "^2": 10%}
      cases:
        - {version: 2.0.0, headers: {X-Beta: "yes"}, tenants: [acme], percent: 50%}
    mirror: {version: 2.0.0, percent: 10, in_flight: 4}
    placement: none
  - split: {}
"""


def load_text(tmp_path: Path, text: str) -> tuple[Rule, ...]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return make_rules(load_gateway({}, path=path).settings.rules)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_text(tmp_path, text)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def test_a_rule_with_all_there_is(tmp_path: Path) -> None:
    first, second = load_text(tmp_path, YAML)
    assert first == Rule(
        origin=f"{tmp_path}/p.yaml:12",
        name="invoices",
        service="billing",
        path="/invoices/{id}",
        methods=frozenset({Method.GET, Method.HEAD, Method.POST}),
        access=Access.AUTHENTICATED,
        claims={"scope": frozenset({"read", "write"}), "admin": frozenset()},
        tenant=TenantRule.REQUIRED,
        rate_limits=(
            RateLimit(100, 1000, 100, (RateKey.TENANT,)),
            RateLimit(5, 1000, 5, (RateKey.ROUTE, RateKey.PRINCIPAL)),
        ),
        deadline_ms=5000,
        body_bytes=1024,
        versions=VersionsRule(default="^1.2", takes_ranges=True),
        split=Split(
            weights=(("1.4.0", 90.0), ("^2", 10.0)),
            key=Key(KeyKind.HEADER, "x-user"),
            cases=(Case(version="2.0.0", headers={"x-beta": "yes"}, tenants=frozenset({"acme"}), percent=50.0),),
        ),
        mirror=Mirror(version="2.0.0", percent=10.0, in_flight_max=4),
        placement="",
    )
    assert second == Rule(origin=f"{tmp_path}/p.yaml:30", split=Split())


def test_sections_beside_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(YAML)
    config = load_gateway({}, path=path).settings
    assert (config.regions.own, config.regions.neighbours) == ("eu-1", {"eu-1": ("eu-2",), "eu-2": ("eu-1",)})
    assert (config.versions.header, config.versions.path_prefix) == ("x-version", True)
    assert (config.services.dial, config.services.required) == ((Address("127.0.0.1", 7501),), ("billing",))
    call = ServiceCall(caller="billing", callee="inventory", claims={"scope": "read", "roles": ("a", "b")})
    assert config.services.calls == (call,)
    assert config.services.hello_rate_per_minute == 60


def test_rules_in_a_variable() -> None:
    config = load_gateway({"PENSTOCK_RULES": '[{"service": "billing", "access": "public"}]'}).settings
    (rule,) = make_rules(config.rules)
    assert rule == Rule(origin="PENSTOCK_RULES[0]", service="billing", access=Access.PUBLIC)


def test_rules_are_rendered_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(YAML)
    loaded = load_gateway({}, path=path)
    from proxy.config import gateway_registry

    for setting in gateway_registry():
        assert (
            setting.is_secret
            or setting.parse(setting.kind.render(loaded.values[setting.name])) == loaded.values[setting.name]
            or not loaded.values[setting.name]
        )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            "rate_limits: [often]",
            "bad_value: rules[0].rate_limits[0] = often (p.yaml:2): 'often' is no rate limit; write",
        ),
        ("rate_limits: 5/s by route, principal", "bad_value: rules[0].rate_limits[1] = principal (p.yaml:2): "),
        (
            "service: billing",
            "bad_value: rules[0] (p.yaml:2): the rule says nothing about the routes that it is for; say",
        ),
        (
            "claims: {a: b}\n    access: public",
            "bad_value: rules[0].claims (p.yaml:2): who is let in without an identity",
        ),
        ("acces: public", "unknown_key: rules[0].acces (p.yaml:2): there is no such key; did you mean access?"),
        (
            "access: open",
            "bad_value: rules[0].access = open (p.yaml:2): 'open' is none of public, authenticated; write",
        ),
        ("service: Billing", "bad_value: rules[0].service = Billing (p.yaml:2): 'Billing' is not 1 to 64 of a-z 0-9 -"),
        (
            "path: invoices",
            "bad_value: rules[0].path = invoices (p.yaml:2): 'invoices' is no path: it must begin with '/'",
        ),
        (
            "path: /a/../b",
            "bad_value: rules[0].path = /a/../b (p.yaml:2): '/a/../b' is no path: it has the dot segment",
        ),
        ("path: /a/%2e/b", "bad_value: rules[0].path = /a/%2e/b (p.yaml:2): '/a/%2e/b' is no path: it "),
        ("path: //a", "bad_value: rules[0].path = //a (p.yaml:2): '//a' is no path: it has an empty segment"),
        (
            "path: '/a/{rest...}'",
            "bad_value: rules[0].path = /a/{rest...} (p.yaml:2): a path covers all below it by itself; write /a",
        ),
        (
            "methods: [get]",
            "bad_value: rules[0].methods[0] = get (p.yaml:2): 'get' is no method that a service can offer",
        ),
        ("methods: [GET, GET]", "bad_value: rules[0].methods[1] = GET (p.yaml:2): it is there twice, as the one with"),
        ("deadline: 5", "bad_value: rules[0].deadline = 5 (p.yaml:2): a duration needs a unit; write 5s or 5ms"),
        (
            "deadline: 0s",
            "bad_value: rules[0].deadline = 0s (p.yaml:2): 0ms is below 1ms; write a value of at least 1ms",
        ),
        ("body_bytes: 1KB", "bad_value: rules[0].body_bytes = 1KB (p.yaml:2): 'KB' is no unit of a size"),
        ("claims: {a: []}", "bad_value: rules[0].claims.a (p.yaml:2): a claim is a text or a list of texts; write"),
        ("claims: {a: ['*', b]}", "bad_value: rules[0].claims.a (p.yaml:2): '*' stands alone; write '*' for any value"),
        ("tenant: yes", "bad_value: rules[0].tenant = yes (p.yaml:2): 'yes' is none of optional, required; write"),
        (
            "versions: {default: v1}",
            "bad_value: rules[0].versions.default = v1 (p.yaml:2): 'v1' is no version and no range",
        ),
        (
            "versions: {default: 01.2.3}",
            "bad_value: rules[0].versions.default = 01.2.3 (p.yaml:2): '01.2.3' is no version",
        ),
        (
            "split: {weights: {1.x: 90, 2.x: 9}}",
            "bad_value: rules[0].split.weights (p.yaml:2): the weights add up to 99",
        ),
        (
            "split: {weights: {1.x: 101}}",
            "bad_value: rules[0].split.weights.1.x = 101 (p.yaml:2): 101 is more than the",
        ),
        ("split: {weights: {1.x: -1}}", "bad_value: rules[0].split.weights.1.x = -1 (p.yaml:2): '-1' is no percentage"),
        (
            "split: {by: header}",
            "bad_value: rules[0].split.by = header (p.yaml:2): 'header' names no header; write header",
        ),
        (
            "split: {by: user}",
            "bad_value: rules[0].split.by = user (p.yaml:2): 'user' is no key; write tenant, principal",
        ),
        ("split: {by: tenant x}", "bad_value: rules[0].split.by = tenant x (p.yaml:2): 'tenant x' is no key; write"),
        (
            "split: {cases: [{version: 1.0.0}]}",
            "bad_value: rules[0].split.cases[0] (p.yaml:2): a case without conditions",
        ),
        (
            "split: {cases: [{tenants: [a]}]}",
            "missing_key: rules[0].split.cases[0].version (p.yaml:2): it must be given",
        ),
        (
            "split: {cases: [{version: 1.0.0, percent: 200}]}",
            "bad_value: rules[0].split.cases[0].percent = 200 (p.yaml:2): 200 is more than the whole",
        ),
        ("mirror: {percent: 10}", "missing_key: rules[0].mirror.version (p.yaml:2): it must be given; write version"),
        ("mirror: {version: 1.0.0, in_flight: 0}", "bad_value: rules[0].mirror.in_flight = 0 (p.yaml:2): 0 is below 1"),
        (
            "placement: Aggregates",
            "bad_value: rules[0].placement = Aggregates (p.yaml:2): 'Aggregates' is not 1 to 64 of a-z 0-9 _",
        ),
    ],
)
def test_mistakes_in_a_rule(tmp_path: Path, rule: str, expected: str) -> None:
    told = problems(tmp_path, f"rules:\n  - {rule}\n")
    assert len(told) == 1
    assert told[0].startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("routes: {trailing_slash: maybe}", "bad_value: routes.trailing_slash = maybe (p.yaml:1): 'maybe' is none of"),
        (
            "routes: {hosts: {'a:80': [b]}}",
            "bad_value: routes.hosts.a:80 = a:80 (p.yaml:1): 'a:80' is no host; write a",
        ),
        ("routes: {hosts: {a: [B]}}", "bad_value: routes.hosts.a[0] = B (p.yaml:1): 'B' is not 1 to 64 of a-z"),
        ("routes: {hosts: {a: [b], A.: [c]}}", "bad_value: routes.hosts.A. (p.yaml:1): a is there twice; keep one of"),
        ("routes: {hosts: {a: [b, b]}}", "bad_value: routes.hosts.a[1] = b (p.yaml:1): it is there twice, as the one"),
        (
            "routes: {hosts: {a: []}}",
            "conflict: routes.hosts.a (p.yaml:1): there is no service that the host has; name",
        ),
        ("rates: {admit: [fast]}", "bad_value: rates.admit[0] = fast (p.yaml:1): 'fast' is no rate limit; write how"),
        (
            "versions: {header: x version}",
            "bad_value: versions.header = x version (p.yaml:1): 'x version' is no name of a",
        ),
        (
            "regions: {own: eu/1}",
            "bad_value: regions.own = eu/1 (p.yaml:1): 'eu/1' is not 1 to 64 of A-Z a-z 0-9 . _ -",
        ),
        ("regions: {neighbours: [a]}", "bad_value: regions.neighbours = ['a'] (p.yaml:1): a map is a table of names"),
        (
            "services: {dial: [localhost]}",
            "bad_value: services.dial[0] = localhost (p.yaml:1): 'localhost' has no port",
        ),
        ("services: {hello_rate: 5}", "bad_value: services.hello_rate = 5 (p.yaml:1): '5' is no rate; write how often"),
        (
            "services: {calls: [{from: a}]}",
            "missing_key: services.calls[0].to (p.yaml:1): it must be given; write to: ",
        ),
    ],
)
def test_mistakes_beside_the_rules(tmp_path: Path, text: str, expected: str) -> None:
    told = problems(tmp_path, text + "\n")
    assert len(told) == 1
    assert told[0].startswith(expected)
