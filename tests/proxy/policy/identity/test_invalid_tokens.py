"""Tokens of every invalid kind: each is answered with the same bytes, and each is told apart in the counts."""

import json
from collections.abc import Callable
from hmac import digest
from typing import Any

import pytest
from identity_lab import CLAIMS, ISSUER, NOW_S, Bench, Signer, b64, rendered, signer, unauthenticated

from proxy.policy.identity.causes import Cause
from proxy.request.route_policy import OPEN

RSA = signer("RS256")
CLAIMS_TEXT = json.dumps(CLAIMS)
HEADER = '{"alg":"RS256","kid":"k1"}'
PARTS = RSA.token().split(b".")


def changed(part: int, change: Callable[[bytes], bytes]) -> bytes:
    """The good token with one part changed."""
    return b".".join(change(text) if index == part else text for index, text in enumerate(PARTS))


def claiming(**claims: Any) -> bytes:
    return RSA.token({name: value for name, value in claims.items() if value is not ...})


def without(*names: str) -> bytes:
    return RSA.signed(HEADER, json.dumps({name: value for name, value in CLAIMS.items() if name not in names}))


def unsigned(algorithm: str) -> bytes:
    return b".".join((b64(json.dumps({"alg": algorithm}).encode()).encode(), PARTS[1], b""))


def other_spelling(part: bytes) -> bytes:
    """The same bytes by another last character, whose low bits stand for nothing."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4, "no bits are left over"
    return part[:-1] + alphabet[alphabet.index(part[-1:]) + 1 :][:1]


def confused() -> bytes:
    """HS256 with the public key as its secret (RFC 8725, section 2.1)."""
    text = ".".join((b64(b'{"alg":"HS256","kid":"k1"}'), b64(CLAIMS_TEXT.encode()))).encode()
    return text + b"." + b64(digest(RSA.jwk["n"].encode(), text, "sha256")).encode()


STRANGE = {
    # ---- no JWS in compact form ----
    "empty": (b"", Cause.MALFORMED),
    "one part": (b"abc", Cause.MALFORMED),
    "two parts": (b".".join(PARTS[:2]), Cause.MALFORMED),
    "four parts": (b".".join([*PARTS, b"AA"]), Cause.MALFORMED),
    "five parts, as encrypted": (b".".join([*PARTS, b"AA", b"AA"]), Cause.MALFORMED),
    "an empty header": (changed(0, lambda _: b""), Cause.MALFORMED),
    "an empty payload": (changed(1, lambda _: b""), Cause.MALFORMED),
    "no signature": (changed(2, lambda _: b""), Cause.MALFORMED),
    "a JWS in JSON": (b'{"payload":"e30","signatures":[]}', Cause.MALFORMED),
    "padded": (changed(2, lambda text: text + b"=" * (-len(text) % 4)), Cause.MALFORMED),
    "padded header": (changed(0, lambda text: text + b"=="), Cause.MALFORMED),
    "plain base64": (changed(2, lambda text: text[:-2] + b"+/"), Cause.MALFORMED),
    "a length that no bytes have": (changed(2, lambda text: text[:-1] + b"AAAA"[: 4 - len(text) % 4]), None),
    "another spelling of the signature": (changed(2, other_spelling), Cause.MALFORMED),
    "space before": (b" " + RSA.token() + b" x", Cause.MALFORMED),
    "space within": (changed(1, lambda text: text[:4] + b" " + text[4:]), Cause.MALFORMED),
    "a line feed is no end": (RSA.token() + b"%0a", Cause.MALFORMED),
    "quoted": (b'"' + RSA.token() + b'"', Cause.MALFORMED),
    "two tokens": (RSA.token() + b", Bearer " + RSA.token(), Cause.MALFORMED),
    "8 KiB and one byte": (b"a" * 8193, Cause.TOO_LARGE),
    "a good token of more than 8 KiB": (RSA.token({"x": "y" * 6200}), Cause.TOO_LARGE),
    # ---- no objects ----
    "a header that is no JSON": (RSA.signed("{alg:RS256}", CLAIMS_TEXT), Cause.MALFORMED),
    "a header that is a list": (RSA.signed('["RS256"]', CLAIMS_TEXT), Cause.MALFORMED),
    "a header that is not UTF-8": (RSA.signed(b'{"alg":"RS256","x":"\xff"}', CLAIMS_TEXT), Cause.MALFORMED),
    "a header with a BOM": (RSA.signed(b"\xef\xbb\xbf" + HEADER.encode(), CLAIMS_TEXT), Cause.MALFORMED),
    "a header with alg twice": (RSA.signed('{"alg":"none","alg":"RS256"}', CLAIMS_TEXT), Cause.MALFORMED),
    "claims that are a text": (RSA.signed(HEADER, '"anna"'), Cause.MALFORMED),
    "claims that are a list": (RSA.signed(HEADER, "[]"), Cause.MALFORMED),
    "claims that are a token": (RSA.signed(HEADER, RSA.token()), Cause.MALFORMED),
    "sub twice": (RSA.signed(HEADER, CLAIMS_TEXT[:-1] + ',"sub":"root"}'), Cause.MALFORMED),
    "a member twice, deep inside": (RSA.signed(HEADER, CLAIMS_TEXT[:-1] + ',"a":{"b":1,"b":2}}'), Cause.MALFORMED),
    "more behind the claims": (RSA.signed(HEADER, CLAIMS_TEXT + "{}"), Cause.MALFORMED),
    "NaN": (RSA.signed(HEADER, CLAIMS_TEXT[:-1] + ',"a":NaN}'), Cause.MALFORMED),
    "Infinity": (RSA.signed(HEADER, CLAIMS_TEXT[:-1] + ',"exp2":Infinity}'), Cause.MALFORMED),
    "a number that is infinite": (RSA.signed(HEADER, CLAIMS_TEXT[:-1] + ',"a":1e999}'), Cause.MALFORMED),
    "a number of 5,000 digits": (RSA.signed(HEADER, CLAIMS_TEXT[:-1] + ',"a":' + "9" * 5000 + "}"), Cause.MALFORMED),
    "half a character": (RSA.signed(HEADER, CLAIMS_TEXT[:-1] + ',"a":"\\ud800"}'), Cause.MALFORMED),
    "nested 2,000 deep": (
        RSA.signed(HEADER, CLAIMS_TEXT[:-1] + ',"a":' + "[" * 2000 + "]" * 2000 + "}"),
        Cause.MALFORMED,
    ),
    # ---- header ----
    "alg none": (unsigned("none"), Cause.MALFORMED),
    "alg none with a signature": (RSA.token(alg="none"), Cause.ALGORITHM),
    "alg None": (RSA.token(alg="None"), Cause.ALGORITHM),
    "no alg": (RSA.token(alg=None), Cause.ALGORITHM),
    "alg in lower case": (RSA.token(alg="rs256"), Cause.ALGORITHM),
    "alg is a number": (RSA.token(alg=256), Cause.MALFORMED),
    "alg is null": (RSA.signed('{"alg":null}', CLAIMS_TEXT), Cause.MALFORMED),
    "another alg of the same key": (RSA.token(alg="RS512"), Cause.ALGORITHM),
    "PSS": (RSA.token(alg="PS256"), Cause.ALGORITHM),
    "an algorithm that is not allowed": (signer("ES256").token(), Cause.ALGORITHM),
    "a secret instead of a key": (signer("HS256").token(), Cause.ALGORITHM),
    "the public key as a secret": (confused(), Cause.ALGORITHM),
    "crit": (RSA.token(crit=["exp"]), Cause.HEADER),
    "an empty crit": (RSA.token(crit=[]), Cause.HEADER),
    "b64 false": (RSA.token(b64=False), Cause.HEADER),
    "b64 with crit": (RSA.token(b64=True, crit=["b64"]), Cause.HEADER),
    "an unknown kid": (RSA.token(kid="other"), Cause.KEY_UNKNOWN),
    "kid is a number": (RSA.token(kid=1), Cause.MALFORMED),
    "a kid of 257 characters": (RSA.token(kid="k" * 257), Cause.MALFORMED),
    "typ is a list": (RSA.token(typ=["JWT"]), Cause.MALFORMED),
    # ---- whose it is ----
    "another issuer": (claiming(iss="https://evil.example/"), Cause.ISSUER),
    "an issuer that is nearly right": (claiming(iss=ISSUER[:-1]), Cause.ISSUER),
    "no issuer": (without("iss"), Cause.ISSUER),
    "the issuer in a list": (claiming(iss=[ISSUER]), Cause.ISSUER),
    "another audience": (claiming(aud="shop"), Cause.AUDIENCE),
    "an audience in capitals": (claiming(aud="Penstock"), Cause.AUDIENCE),
    "other audiences": (claiming(aud=["shop", "bank"]), Cause.AUDIENCE),
    "no audience": (without("aud"), Cause.AUDIENCE),
    "an empty list of audiences": (claiming(aud=[]), Cause.AUDIENCE),
    "an audience that is a number": (claiming(aud=["penstock", 1]), Cause.AUDIENCE),
    "an audience that is an object": (claiming(aud={"penstock": 1}), Cause.AUDIENCE),
    # ---- when ----
    "expired": (claiming(exp=NOW_S - 30), Cause.EXPIRED),
    "expired long ago": (claiming(exp=0), Cause.EXPIRED),
    "a negative exp": (claiming(exp=-1), Cause.EXPIRED),
    "no exp": (without("exp"), Cause.CLAIMS),
    "exp is a text": (claiming(exp=str(NOW_S + 60)), Cause.CLAIMS),
    "exp is true": (claiming(exp=True), Cause.CLAIMS),
    "exp is null": (claiming(exp=None), Cause.CLAIMS),
    "exp in another age": (claiming(exp=10**17), Cause.CLAIMS),
    "not yet": (claiming(nbf=NOW_S + 31), Cause.NOT_YET),
    "nbf is a text": (claiming(nbf="0"), Cause.CLAIMS),
    "issued tomorrow": (claiming(iat=NOW_S + 86_400), Cause.NOT_YET),
    "iat is a list": (claiming(iat=[1]), Cause.CLAIMS),
    # ---- who ----
    "no sub": (without("sub"), Cause.CLAIMS),
    "an empty sub": (claiming(sub=""), Cause.CLAIMS),
    "sub is a number": (claiming(sub=7), Cause.CLAIMS),
    "a sub with a line feed": (claiming(sub="anna\nroot"), Cause.CLAIMS),
    "a sub with a NUL": (claiming(sub="anna\0"), Cause.CLAIMS),
    "a sub of 257 bytes": (claiming(sub="a" * 257), Cause.CLAIMS),
    "a sub of 129 characters in 258 bytes": (claiming(sub="ü" * 129), Cause.CLAIMS),
    "a service's principal": (claiming(sub="service:billing"), Cause.CLAIMS),
    "a service's principal in capitals": (claiming(sub="SERVICE:billing"), Cause.CLAIMS),
    "claims longer than services are told": (claiming(notes="x" * 4100), Cause.CLAIMS_TOO_LARGE),
    # ---- the signature ----
    "the signature of another token": (
        b".".join([*PARTS[:2], RSA.token({"sub": "bert"}).split(b".")[2]]),
        Cause.SIGNATURE,
    ),
    "the claims of another token": (changed(1, lambda _: RSA.token({"sub": "root"}).split(b".")[1]), Cause.SIGNATURE),
    "a key of the same name": (Signer("RS256", "k1").token(), Cause.SIGNATURE),
    "a key that it brings along": (Signer("RS256", "k1").token(jwk=signer("RS256").jwk), Cause.SIGNATURE),
    "a key from where it says": (Signer("RS256", "k1").token(jku="https://evil.example/jwks"), Cause.SIGNATURE),
    "a short signature": (changed(2, lambda _: b"AAAA"), Cause.SIGNATURE),
    "a signature of zeros": (changed(2, lambda _: b64(bytes(256)).encode()), Cause.SIGNATURE),
    "a long signature": (changed(2, lambda text: text + b"AAAA"), None),
}


@pytest.mark.parametrize(("token", "cause"), STRANGE.values(), ids=STRANGE)
def test_it_is_answered_as_any_other(token: bytes, cause: Cause | None) -> None:
    bench = Bench(RSA)
    bench.keyring.may_fetch = lambda: False  # type: ignore[method-assign]
    assert rendered(bench.answer(token=token)) == unauthenticated()
    told = {each for each, count in bench.callers.refused.items() if count}
    assert told == {cause} if cause else told <= {Cause.MALFORMED, Cause.SIGNATURE}
    assert rendered(bench.answer(token=token)) == unauthenticated(), "what is remembered is answered alike"


@pytest.mark.parametrize(("token", "cause"), STRANGE.values(), ids=STRANGE)
def test_where_anybody_may_ask_it_counts_as_none(token: bytes, cause: Cause | None) -> None:
    answer, exchange, _ = Bench(RSA).ask(OPEN, token=token)
    assert answer is None
    assert exchange.caller is not None
    assert exchange.caller.identity is None


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS256"])
def test_each_algorithm_with_a_good_token_and_a_damaged_one(algorithm: str) -> None:
    bench = Bench(signer(algorithm))
    token = signer(algorithm).token()
    assert bench.answer(token=token) is None
    head, _, signature = token.rpartition(b".")
    for damaged in (b"A" * len(signature), signature[:-4], b"AAAA" + signature[4:], signature[:4]):
        assert rendered(bench.answer(token=head + b"." + damaged)) == unauthenticated()


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"aud": ["shop", "penstock"]}, {}),
        ({"exp": NOW_S - 29.5}, {}),
        ({"exp": int(NOW_S) + 1}, {}),
        ({"nbf": NOW_S + 30, "iat": NOW_S + 30}, {}),
        ({"sub": "a" * 256}, {}),
        ({"sub": "Anna Süß"}, {}),
        ({"sub": "services:x"}, {}),
        ({"notes": "x" * 3900}, {}),
        ({}, {"typ": "JWT", "cty": "x", "jku": "https://evil.example", "x5c": ["AA"], "new": {"deep": 1}}),
        ({}, {"kid": None}),
    ],
)
def test_what_is_still_good(claims: dict[str, Any], header: dict[str, Any]) -> None:
    answer, exchange, _ = Bench(RSA).ask(token=RSA.token(claims, **header))
    assert answer is None
    assert exchange.caller is not None
    assert exchange.caller.identity is not None
    assert exchange.caller.identity.principal == claims.get("sub", "anna")


@pytest.mark.parametrize("authorization", [b"Bearer %s", b"bearer %s", b"BEARER %s", b"Bearer   %s"])
def test_the_scheme_in_any_case(authorization: bytes) -> None:
    assert Bench(RSA).answer(authorization=authorization.replace(b"%s", RSA.token())) is None


@pytest.mark.parametrize("authorization", [b"Bearer", b"Bearer\t%s", b'Bearer="%s"', b"Bearer,%s", b"Bearer:%s"])
def test_the_scheme_with_something_else_behind_it_is_a_bad_token(authorization: bytes) -> None:
    assert rendered(Bench(RSA).answer(authorization=authorization.replace(b"%s", RSA.token()))) == unauthenticated()


@pytest.mark.parametrize("authorization", [b"Basic YTpi", b"Bearers x", b"Bearer-Token x", b"Digest a=b", b"x"])
def test_another_scheme_is_not_ours(authorization: bytes) -> None:
    bench = Bench(RSA)
    assert rendered(bench.answer(authorization=authorization)) == unauthenticated(has_token=False)
    assert sum(bench.callers.refused.values()) == 0


@pytest.mark.parametrize(
    ("wanted", "said", "is_taken"),
    [
        ("", None, True),
        ("", "anything", True),
        ("at+jwt", "at+jwt", True),
        ("at+jwt", "application/at+jwt", True),
        ("at+jwt", "AT+JWT", True),
        ("application/at+jwt", "at+jwt", True),
        ("at+jwt", "JWT", False),
        ("at+jwt", "", False),
        ("at+jwt", None, False),
    ],
)
def test_the_type_where_one_is_wanted(wanted: str, said: str | None, is_taken: bool) -> None:
    answer = Bench(RSA, typ=wanted).answer(token=RSA.token(typ=said))
    assert answer is None if is_taken else rendered(answer) == unauthenticated()


def test_no_algorithm_serves_for_another_when_several_are_allowed() -> None:
    bench = Bench(RSA, signer("ES256"))
    bench.keyring.may_fetch = lambda: False  # type: ignore[method-assign]
    assert bench.answer(token=RSA.token()) is None
    assert bench.answer(token=signer("ES256").token()) is None
    assert rendered(bench.answer(token=RSA.token(alg="ES256"))) == unauthenticated()
    assert rendered(bench.answer(token=signer("ES256").token(alg="RS256"))) == unauthenticated()
