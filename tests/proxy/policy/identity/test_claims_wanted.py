"""Whether an identity claims what a route wants."""

from typing import Any

import pytest

from proxy.policy.identity.claims import claims_met, find_claim, unmet_claims
from proxy.request.route_policy import Claim

CLAIMS: dict[str, Any] = {
    "role": "admin",
    "roles": ["user", "admin"],
    "scope": "read write",
    "scp": ["a b", "c"],
    "level": 3,
    "share": 1.5,
    "active": True,
    "blocked": False,
    "nothing": None,
    "blank": "",
    "empty": [],
    "table": {},
    "mixed": ["x", 3, True, None, {"y": 1}],
    "realm": {"roles": ["owner"], "deep": {"er": "yes"}},
    "https://example.com/roles": ["vip"],
    "realm.flat": "flat",
    "space text": "read write",
}


@pytest.mark.parametrize(
    ("name", "values", "is_met"),
    [
        ("role", ("admin",), True),
        ("role", ("user", "admin"), True),
        ("role", ("Admin",), False),
        ("role", ("adm",), False),
        ("roles", ("admin",), True),
        ("roles", ("owner",), False),
        ("scope", ("write",), True),
        ("scope", ("read write",), False),
        ("scope", ("rea",), False),
        ("scp", ("a b",), True),
        ("scp", ("a",), False),
        ("space text", ("write",), False),
        ("space text", ("read write",), True),
        ("level", ("3",), True),
        ("level", ("3.0",), False),
        ("share", ("1.5",), True),
        ("active", ("true",), True),
        ("active", ("True",), False),
        ("active", ("1",), False),
        ("blocked", ("false",), True),
        ("nothing", ("null",), False),
        ("nothing", ("None",), False),
        ("mixed", ("3",), True),
        ("mixed", ("true",), True),
        ("mixed", ("null",), False),
        ("table", ("{}",), False),
        ("realm.roles", ("owner",), True),
        ("realm.deep.er", ("yes",), True),
        ("realm.deep.er.more", ("yes",), False),
        ("realm.flat", ("flat",), True),
        ("realm.none", ("x",), False),
        ("role.x", ("admin",), False),
        ("roles.0", ("user",), False),
        ("https://example.com/roles", ("vip",), True),
        ("never", ("x",), False),
        ("role", (), True),
        ("roles", (), True),
        ("level", (), True),
        ("active", (), True),
        ("realm", (), True),
        ("realm.roles", (), True),
        ("blocked", (), False),
        ("nothing", (), False),
        ("blank", (), False),
        ("empty", (), False),
        ("table", (), False),
        ("never", (), False),
    ],
)
def test_one_claim(name: str, values: tuple[str, ...], is_met: bool) -> None:
    assert claims_met(CLAIMS, [Claim(name, values)]) is is_met


def test_all_must_hold_and_the_same_name_may_be_wanted_twice() -> None:
    both = [Claim("roles", ("user", "x")), Claim("roles", ("admin", "y"))]
    assert claims_met(CLAIMS, both)
    assert not claims_met({"roles": ["user"]}, both)
    assert unmet_claims({"roles": ["user"]}, both) == (both[1],)
    assert claims_met({}, [])


def test_a_name_with_dots_reaches_inside_only_where_no_claim_has_it() -> None:
    assert find_claim({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert find_claim({"a": {"b": 2}}, "a.b") == 2
    assert find_claim({"a": {"b.c": 2}}, "a.b.c") is None
