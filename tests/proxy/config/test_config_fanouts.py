"""Fan-outs as they are written: read whole, and every kind of mistake told with its place and its fix."""

from pathlib import Path

import pytest

from frames.frame import Method
from penstock.settings import SettingsError
from proxy.config import load_gateway
from proxy.config.fanouts import make_plans
from proxy.fanout.plan import ALL, Combine, FanOutPlan, LegPlan

YAML = """\
fanouts:
  - name: dashboard
    path: /dashboard/{user}
    service: web
    legs:
      - {service: billing, path: "/due/{user}"}
      - {name: others, service: billing, path: "/others", instances: all}
      - {service: orders, instances: 3}
    combine: quorum
    quorum: 2
    width: 8
    at_once: 4
    leg_timeout: 250ms
    bytes: 64KiB
    cancel_on_failure: true
    cache: 1s
    in_flight: 32
  - {name: plain, path: /plain, method: POST, legs: [{service: billing}, {service: orders}]}
"""


def plans(tmp_path: Path, text: str) -> tuple[FanOutPlan, ...]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return make_plans(load_gateway({}, path=path).settings.fanouts)


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    first, second = plans(tmp_path, YAML)
    assert (first.name, first.service, first.method, first.path) == (
        "dashboard",
        "web",
        Method.GET,
        "/dashboard/{user}",
    )
    assert first.legs == (
        LegPlan(name="billing", service="billing", path="/due/{user}"),
        LegPlan(name="others", service="billing", path="/others", instances=ALL),
        LegPlan(name="orders", service="orders", instances=3),
    )
    assert (first.combine, first.quorum, first.width_max, first.at_once) == (Combine.QUORUM, 2, 8, 4)
    assert (first.leg_ms, first.bytes_max, first.stops, first.kept_ms, first.in_flight_max) == (
        250,
        65_536,
        True,
        1_000,
        32,
    )
    assert first.origin.endswith("p.yaml:2")
    assert (second.service, second.method, second.combine, second.width_max, second.at_once, second.leg_ms) == (
        "billing",
        Method.POST,
        Combine.MERGE,
        16,
        16,
        1_000,
    )
    assert (second.bytes_max, second.stops, second.kept_ms, second.in_flight_max) == (262_144, False, 0, 64)


@pytest.mark.parametrize(
    ("combine", "stops", "needed", "ends_when_met"),
    [
        (Combine.MERGE, False, 1, False),
        (Combine.MERGE, True, 5, False),
        (Combine.ALL, False, 5, False),
        (Combine.QUORUM, False, 3, True),
        (Combine.FIRST, True, 1, True),
    ],
)
def test_how_many_are_needed(combine: Combine, stops: bool, needed: int, ends_when_met: bool) -> None:
    plan = FanOutPlan(
        name="a", service="a", method=Method.GET, path="/", legs=(), combine=combine, quorum=3, stops=stops
    )
    assert (plan.needed(5), plan.ends_when_met) == (needed, ends_when_met)


LEGS = "legs: [{service: billing}, {service: orders}]"
BAD = [
    ("{name: a, path: /a, legs: []}", "there is nobody to ask"),
    ("{name: a, path: /a}", "legs"),
    ("{name: a, path: a, " + LEGS + "}", "'a' is no path"),
    ("{name: a b, path: /a, " + LEGS + "}", "a b"),
    ("{name: a, path: '/a/{id}', legs: [{service: b, path: '/b/{no}'}]}", "no parameter {no}"),
    ("{name: a, path: /a, legs: [{service: b}, {service: b, path: /c}]}", "an earlier leg is called 'b', too"),
    ("{name: a, path: /a, width: 1, " + LEGS + "}", "2 legs are more than the width, 1"),
    ("{name: a, path: /a, width: 2, legs: [{service: b, instances: 3}]}", "3 legs are more than the width, 2"),
    ("{name: a, path: /a, combine: quorum, " + LEGS + "}", "0 of 2 legs is no quorum"),
    ("{name: a, path: /a, combine: quorum, quorum: 3, " + LEGS + "}", "3 of 2 legs is no quorum"),
    ("{name: a, path: /a, quorum: 1, " + LEGS + "}", "merge needs no quorum"),
    ("{name: a, path: /a, method: POST, cache: 1s, " + LEGS + "}", "each POST is one of its own"),
    ("{name: a, path: /a, combine: some, " + LEGS + "}", "'some' is none of merge, all, quorum, first"),
    ("{name: a, path: /a, legs: [{service: b, instances: 0}]}", "'0' is no number of instances"),
    ("{name: a, path: /a, leg_timeout: 5, " + LEGS + "}", "needs a unit"),
    ("{name: a, path: /a, bytes: 1MiB, " + LEGS + "}", "512KiB"),
    ("{name: a, path: /a, " + LEGS + "}, {name: a, path: /b, " + LEGS + "}", "is called 'a' already"),
    (
        "{name: a, path: '/a/{x}', " + LEGS + "}, {name: b, path: '/a/{y}', " + LEGS + "}",
        "GET /a/{y} is asked by the fan-out at",
    ),
]


@pytest.mark.parametrize(("text", "why"), BAD)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        plans(tmp_path, f"fanouts: [{text}]\n")
    told = "\n".join(map(str, caught.value.problems))
    assert why in told
    assert "p.yaml:1" in told


def test_a_service_that_may_not_register_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        plans(
            tmp_path,
            "services: {allow: {billing: [/]}, token: abcdefghijklmnop}\nfanouts: [{name: a, path: /a, "
            + LEGS
            + "}]\n",
        )
    told = "\n".join(map(str, caught.value.problems))
    assert "fanouts[0].legs[1].service" in told
    assert "'orders' is not in services.allow" in told


def test_too_many_are_told(tmp_path: Path) -> None:
    many = ", ".join(f"{{name: a{at}, path: /a{at}, legs: [{{service: b}}]}}" for at in range(65))
    with pytest.raises(SettingsError, match="there are 65 fan-outs"):
        plans(tmp_path, f"fanouts: [{many}]\n")
