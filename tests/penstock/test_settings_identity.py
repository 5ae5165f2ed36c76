"""Issuers and API keys as they are written in settings."""

from pathlib import Path
from typing import Any

import pytest

from penstock.settings.identity import (
    ApiKey,
    Issuer,
    KeysPlace,
    KeysPlaceKind,
    Moment,
    api_keys_kind,
    issuers_kind,
)
from penstock.settings.types import BadValueError

HASH = "sha256:" + "0a" * 32
GOOD: dict[str, Any] = {
    "name": "login",
    "issuer": "https://x.example/",
    "audience": "penstock",
    "algorithms": ["RS256"],
    "jwks": "/j",
}


def faults(parse: Any, raw: Any) -> list[str]:
    with pytest.raises(BadValueError) as caught:
        parse(raw)
    return [f"{'.'.join(map(str, fault.path))}: {fault.why}; {fault.fix}" for fault in caught.value.faults]


def test_an_issuer_on_one_line_and_back() -> None:
    text = (
        "[{name: login, issuer: 'https://x.example/', audience: [a, b], algorithms: [RS256, EdDSA], jwks: /etc/j.json}]"
    )
    kind = issuers_kind()
    (issuer,) = kind.parse(text)
    assert (issuer.audience, issuer.algorithms) == (("a", "b"), ("RS256", "EdDSA"))
    assert issuer.jwks == KeysPlace(path=Path("/etc/j.json"))
    assert (issuer.tenant_claim, issuer.principal_claim, issuer.pass_claims) == ("", "sub", ())
    assert kind.parse(kind.render((issuer,))) == (issuer,)
    assert hash(issuer) == hash(kind.parse(text)[0])


def test_an_issuer_with_everything() -> None:
    more = {
        "jwks": "https://x.example/jwks?v=1",
        "jwks_ca": "/etc/ca.pem",
        "tenant_claim": "https://x.example/tenants",
        "principal_claim": "email",
        "principal_prefix": "x:",
        "typ": "at+jwt",
        "pass_claims": "roles, scope",
    }
    kind = issuers_kind()
    value = kind.parse([GOOD | more])
    assert value[0].jwks.url == "https://x.example/jwks?v=1"
    assert value[0].pass_claims == ("roles", "scope")
    assert kind.parse(kind.render(value)) == value


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "a b"}, "0.name: 'a b' is not 1 to 64 of A-Z a-z 0-9 . _ -"),
        ({"audience": []}, "0.audience: tokens for anybody would be taken; name this platform's audience"),
        ({"algorithms": []}, "0.algorithms: no token could be taken; write [RS256], or what it signs with"),
        ({"algorithms": "rs256"}, "0.algorithms.0: 'rs256' is no algorithm that is taken; write RS256"),
        (
            {"algorithms": "none"},
            "0.algorithms.0: 'none' is no algorithm that is taken; write RS256 or ES256 or EdDSA or HS256",
        ),
        ({"algorithms": "RS512"}, "0.algorithms.0: 'RS512' is no algorithm that is taken"),
        ({"algorithms": "RS256, RS256"}, "0.algorithms.1: it is there twice"),
        (
            {"algorithms": "RS256, HS256"},
            "0.algorithms: HS256 has a secret where the others have a public key, and one could be taken for the other;"
            " make two issuers of it, or leave HS256 out",
        ),
        (
            {"algorithms": "HS256", "jwks": "https://x.example/"},
            "0.jwks: the secret of HS256 is not for a URL; name a file by jwks",
        ),
        ({"jwks": "http://x.example/"}, "0.jwks: whoever is on the way could put in keys of their own; write https://"),
        ({"jwks": "http://127.0.0.1.x.example/"}, "0.jwks: whoever is on the way could put in keys of their own"),
        ({"jwks": "https://user:hunter2@x.example/"}, "0.jwks: a URL with a password in it would be shown in logs"),
        ({"jwks": "ftp://x.example/"}, "0.jwks: 'ftp' is not read; write https://, or the path of a file"),
        ({"jwks": "file:///etc/jwks"}, "0.jwks: it is no URL of a document"),
        ({"jwks": "https:///x"}, "0.jwks: it is no URL of a document"),
        ({"jwks": "https://x.example/#a"}, "0.jwks: it is no URL of a document"),
        ({"jwks": "https://x.example/a b"}, "0.jwks: it is no URL of a document"),
        ({"jwks": "https://x.example:99999/"}, "0.jwks: it is no URL"),
        ({"jwks": "https://[::1/"}, "0.jwks: it is no URL"),
        ({"jwks": ""}, "0.jwks: it must be given"),
        ({"jwks": "/a\0b"}, "0.jwks: it has a NUL in it"),
        ({"issuer": "a b"}, "0.issuer: 'a b' is not ASCII without spaces"),
        ({"key": "x"}, "0.key: there is no such key"),
    ],
)
def test_what_is_wrong_with_an_issuer(change: dict[str, Any], told: str) -> None:
    (fault,) = faults(issuers_kind().parse, [GOOD | change])
    assert fault.startswith(told)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(BadValueError) as caught:
        KeysPlaceKind().parse("https://user:hunter2@x.example/")
    assert caught.value.shown == ""
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.9.9.9/", "http://[::1]:80/x", "https://10.0.0.1/"])
def test_urls_that_are_right(url: str) -> None:
    assert str(KeysPlaceKind().parse(url)) == url


def test_an_api_key_and_back() -> None:
    kind = api_keys_kind()
    given: dict[str, Any] = {
        "principal": "reports",
        "hash": HASH,
        "claims": {"scope": "a b", "roles": ["x", "y"]},
        "tenants": "acme, b",
    }
    value = kind.parse([{**given, "expires": "2027-12-31"}])
    assert value == (
        ApiKey(
            principal="reports",
            hash="0a" * 32,
            claims={"scope": "a b", "roles": ("x", "y")},
            tenants=("acme", "b"),
            expires=1_830_211_200.0,
        ),
    )
    assert 'hash: "***"' in kind.render(value)
    assert "0a0a" not in kind.render(value) + repr(value)


def test_no_tenants_are_not_any_tenants() -> None:
    kind = api_keys_kind()
    assert kind.parse([{"principal": "a", "hash": HASH}])[0].tenants is None
    assert kind.parse([dict[str, Any](principal="a", hash=HASH, tenants=[])])[0].tenants == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hash": "psk_0123456789"}, "0.hash: it is no hash of a key; write sha256: and 64 hexadecimal digits"),
        ({"hash": "sha256:" + "0" * 63}, "0.hash: it is no hash of a key"),
        ({"hash": "md5:" + "0" * 64}, "0.hash: it is no hash of a key"),
        ({"hash": "0" * 64}, "0.hash: it is no hash of a key"),
        ({"principal": "service:billing"}, "0.principal: 'service:billing' is not ASCII without spaces that does not"),
        ({"principal": "Service:x"}, "0.principal: 'Service:x' is not ASCII without spaces that does not begin"),
        ({"claims": {"a": {"b": "c"}}}, "0.claims.a: a claim is a text or a list of texts"),
        ({"claims": {"a": [["b"]]}}, "0.claims.a: a claim is a text or a list of texts"),
        ({"claims": ["a"]}, "0.claims: "),
        ({"tenants": ["a b"]}, "0.tenants.0: 'a b' is not 1 to 64 of A-Z a-z 0-9 . _ -"),
        ({"expires": "tomorrow"}, "0.expires: 'tomorrow' is no moment; write 2027-12-31T00:00:00Z"),
        (
            {"expires": "2027-12-31T10:00:00"},
            "0.expires: '2027-12-31T10:00:00' has no zone; write 2027-12-31T10:00:00Z",
        ),
    ],
)
def test_what_is_wrong_with_an_api_key(change: dict[str, Any], told: str) -> None:
    (fault,) = faults(api_keys_kind().parse, [{"principal": "a", "hash": HASH} | change])
    assert fault.startswith(told)


def test_a_key_in_place_of_its_hash_is_not_repeated() -> None:
    with pytest.raises(BadValueError) as caught:
        api_keys_kind().parse([{"principal": "a", "hash": "psk_hunter2hunter2"}])
    assert (caught.value.shown, "hunter2" in str(caught.value)) == ("***", False)


@pytest.mark.parametrize(
    ("text", "value", "back"),
    [
        ("2027-12-31", 1_830_211_200.0, "2027-12-31T00:00:00Z"),
        ("2027-12-31T01:00:00+01:00", 1_830_211_200.0, "2027-12-31T00:00:00Z"),
        ("2027-12-31T00:00:00Z", 1_830_211_200.0, "2027-12-31T00:00:00Z"),
        ("", None, ""),
    ],
)
def test_moments(text: str, value: float | None, back: str) -> None:
    kind = Moment()
    assert kind.parse(text) == value
    assert kind.render(value) == back


def test_that_a_table_has_moved_changes_nothing() -> None:
    kind = issuers_kind()
    here = kind.located(kind.parse([GOOD]), lambda _: "here")
    there = kind.located(kind.parse([GOOD]), lambda _: "there")
    assert here == there
    assert (here[0].where.table, there[0].where.of("name")) == ("here", "there")
    assert isinstance(here[0], Issuer)
