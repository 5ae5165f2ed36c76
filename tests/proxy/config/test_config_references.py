"""Settings that do not go together: each problem with the line of the key, why, and the fix."""

from pathlib import Path

import pytest

from penstock.settings import SettingsError
from proxy.config import load_gateway


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_gateway({}, path=path)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def warnings(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return [str(warning).replace(f"{tmp_path}/", "") for warning in load_gateway({}, path=path).warnings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "edge:\n  trusted_proxies:\n    - 10.0.0.0/8\n    -\n    - nowhere\n",
            "bad_value: edge.trusted_proxies[2] = nowhere (p.yaml:5): 'nowhere' is no IP address or network; write"
            " 10.0.0.0/8, 192.0.2.1, 2001:db8::/32",
        ),
        (
            "services:\n  allow:\n    billing: [/invoices, bills]\n",
            "bad_value: services.allow.billing[1] (p.yaml:3): 'bills' of 'billing' is no path prefix; write a path that"
            " begins with '/', like /invoices",
        ),
        (
            "services:\n  allow:\n    billing: /\n    Orders: /\n",
            "bad_value: services.allow.Orders (p.yaml:4): 'Orders' is no service name; write 1 to 64 of a-z, 0-9 and"
            " '-', beginning with a letter",
        ),
        (
            "versions:\n  header: Authorization\n",
            "conflict: versions.header (p.yaml:2): authorization says something else about a request; write another"
            " name, like x-service-version",
        ),
        (
            "versions:\n  header: x-forwarded-version\n",
            "conflict: versions.header (p.yaml:2): x-forwarded-version says something else about a request; write"
            " another name, like x-service-version",
        ),
        (
            "services:\n  allow: {billing: /}\n  required: [orders]\n",
            "unknown_service: services.required[0] (p.yaml:3): 'orders' is not in services.allow, so no such service"
            " can register; add it there, or write one of billing",
        ),
        (
            "services:\n  allow: {a: /, b: /}\n  calls:\n    - from: a\n      to: c\n",
            "unknown_service: services.calls[0].to (p.yaml:5): 'c' is not in services.allow, so no such service can"
            " register; add it there, or write one of a, b",
        ),
        (
            "services: {allow: {a: /}}\nrules:\n  - deadline: 1s\n    service: b\n",
            "unknown_service: rules[0].service (p.yaml:4): 'b' is not in services.allow, so no such service can"
            " register; add it there, or write one of a",
        ),
        (
            "services:\n  calls:\n    - {from: a, to: b}\n    - {from: b, to: a}\n    - {from: a, to: b, claims: {x: y}}\n",  # noqa: E501
            "duplicate: services.calls[2] (p.yaml:5): that a may call b is said by services.calls[0] already; put their"
            " claims into one entry",
        ),
        (
            "services:\n  required: [a, b, a]\n",
            "bad_value: services.required[2] = a (p.yaml:2): it is there twice, as the one with index 0 already; name"
            " each service once",
        ),
        (
            "services:\n  dial:\n    - 127.0.0.1:7420\n",
            "conflict: services.dial[0] (p.yaml:3): 127.0.0.1:7420 is services.listen, so the gateway would dial"
            " itself; write an address on which a service listens",
        ),
        (
            "services:\n  dial: [localhost:0]\n",
            "conflict: services.dial[0] (p.yaml:2): localhost:0 has port 0; write the service's port",
        ),
        (
            "regions:\n  own: eu\n  neighbours:\n    eu: [us, eu]\n",
            "conflict: regions.neighbours.eu[1] (p.yaml:4): 'eu' is no neighbour of itself; leave it out",
        ),
        (
            "regions:\n  own: eu\n  neighbours:\n    eu: [us]\n    us: [eu, as]\n",
            "unknown_region: regions.neighbours.us[1] (p.yaml:5): there is no region 'as' among eu, us; correct the"
            " name, or add as: []",
        ),
        (
            "regions:\n  neighbours: {eu: [us]}\n",
            "unknown_region: regions.neighbours (p.yaml:2): regions.own is 'local', which has no entry, so none of this"
            " has an effect; add local: [...], or correct regions.own",
        ),
        (
            "rules:\n  - {name: a, deadline: 1s}\n  - {deadline: 1s}\n  - {name: a, deadline: 2s}\n",
            "duplicate: rules[2].name (p.yaml:4): the rule at p.yaml:2 is called 'a' already; give each rule a name of"
            " its own",
        ),
        (
            "rules:\n  - service: a\n    deadline: 31s\n",
            "conflict: rules[0].deadline (p.yaml:3): 31s is more than edge.deadline_max, 30s; lower it, or raise"
            " edge.deadline_max",
        ),
        (
            "rules:\n  - service: a\n    body_bytes: 2GiB\n",
            "conflict: rules[0].body_bytes (p.yaml:3): 2GiB is more than edge.call_bytes, 1GiB; lower it, or raise"
            " edge.call_bytes",
        ),
        (
            "rules:\n  - service: a\n    placement: aggregate_placement\n",
            "unknown_placement: rules[0].placement (p.yaml:3): there is no map of the kind 'aggregate_placement', since"
            " placement.maps names no file; name the map's file in placement.maps, or leave this out",
        ),
        (
            "admin:\n  listen: 0.0.0.0:9901\n",
            "conflict: admin.listen (admin.listen: p.yaml:2 and admin.token: default): 0.0.0.0:9901 can be reached from"
            " other machines, any of which could see everything and reload the settings; set admin.token"
            " (PENSTOCK_ADMIN_TOKEN_FILE), or listen on 127.0.0.1:9901",
        ),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "services: {allow: {a: /, b: /}, required: [a], calls: [{from: a, to: b}, {from: b, to: a}]}\n",
        "regions: {own: eu, neighbours: {eu: [us, as]}}\n",
        "regions: {own: eu, neighbours: {eu: [us], us: [eu], as: []}}\n",
        "admin: {listen: '0.0.0.0:9901', token: secret}\n",
        "rules: [{deadline: 30s}, {deadline: 1s}, {placement: none}]\n",
    ],
)
def test_what_goes_together(tmp_path: Path, text: str) -> None:
    assert warnings(tmp_path, text) == []


def test_what_does_less_than_it_says(tmp_path: Path) -> None:
    assert warnings(tmp_path, "rules:\n  - service: a\n    access: authenticated\n  - claims: {a: b}\n") == [
        "closed: rules[0].access (p.yaml:3): nobody is let in, since no tokens and no keys are taken; set"
        " identity.issuers or identity.api_keys",
        "closed: rules[1].claims (p.yaml:4): nobody is let in, since no tokens and no keys are taken; set"
        " identity.issuers or identity.api_keys",
    ]
    assert warnings(tmp_path, "versions: {header: none}\nrules: [{versions: {ranges: true}}]\n") == [
        "conflict: rules[0].versions.ranges (p.yaml:2): no request can name a version, so it has no effect; set"
        " versions.header or versions.path_prefix"
    ]


def test_claims_that_no_frame_carries(tmp_path: Path) -> None:
    text = "services:\n  calls:\n    - {from: a, to: b, claims: {scope: %s}}\n"
    assert problems(tmp_path, text % ("x" * 9_000)) == [
        "too_long: services.calls[0].claims (p.yaml:3): the claims have 9,012 bytes as JSON, and a frame carries 8,192;"
        " give fewer or shorter ones"
    ]
    path = tmp_path / "good.yaml"
    path.write_text(text % ("x" * 8_180))
    assert load_gateway({}, path=path).settings.services.calls[0].caller == "a"
