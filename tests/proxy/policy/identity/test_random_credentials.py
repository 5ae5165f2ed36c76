"""Whatever is sent, and whatever a source of keys says: it is refused in one way, and nothing is let through."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_lab import CLAIMS, NOW_S, Bench, issuer, rendered, signer, unauthenticated

from proxy.policy.identity.causes import RefusedError
from proxy.policy.identity.compact import parse_token
from proxy.policy.identity.document import KeysError, parse_keys
from proxy.policy.identity.issuer import check_token

ED, HS = signer("EdDSA"), signer("HS256")
GOOD = {each.algorithm: each.token() for each in (ED, HS, signer("RS256"), signer("ES256"))}

TEXTS = st.text(max_size=8) | st.sampled_from(["RS256", "none", "k1", "penstock", "sig", "verify", "AQAB", "P-256"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200))
def test_any_bytes_as_a_token(sent: bytes) -> None:
    assert rendered(Bench(ED).answer(token=sent)) == unauthenticated()


@pytest.mark.parametrize("algorithm", GOOD)
@given(data=st.data())
def test_one_other_byte_in_a_token(algorithm: str, data: st.DataObject) -> None:
    good = GOOD[algorithm]
    place = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte not in (good[place], 10)))
    bench = Bench(signer(algorithm))
    bench.keyring.may_fetch = lambda: False  # type: ignore[method-assign]
    changed = good[:place] + bytes((other,)) + good[place + 1 :]
    if place == 0 and other == 32:
        return  # a space more behind the scheme, of a token that begins later
    assert rendered(bench.answer(token=changed)) == unauthenticated()


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "x"]), VALUES, max_size=4), VALUES)
def test_any_header_and_claims(header: dict[str, Any], claims: Any) -> None:
    token = HS.signed(json.dumps(header), json.dumps(claims))
    try:
        parsed = parse_token(token)
    except RefusedError:
        return
    with pytest.raises(RefusedError):
        check_token(parsed, issuer(algorithms=("HS256",)), NOW_S, 30)


NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "tenants", "scope"])


@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_any_claims_in_a_token_that_is_signed(claims: dict[str, Any]) -> None:
    """Either it is refused, or what it proves is of the form that everybody relies on."""
    bench = Bench(HS, tenant_claim="tenants")
    answer, exchange, _ = bench.ask(token=HS.token(claims))
    if answer is not None:
        assert rendered(answer) == unauthenticated()
        return
    assert exchange.caller is not None
    identity = exchange.caller.identity
    assert identity is not None
    assert identity.principal.isprintable()
    assert NOW_S < identity.expires_at_s < 1e13
    assert {**CLAIMS, **claims}["iss"] == CLAIMS["iss"]


MEMBERS = st.sampled_from(["kty", "n", "e", "crv", "x", "y", "k", "kid", "use", "key_ops", "alg"])
KINDS = st.sampled_from(["RSA", "EC", "OKP", "oct"])
CURVES = st.sampled_from(["P-256", "Ed25519", "X25519"])


@given(st.dictionaries(MEMBERS, VALUES, max_size=8), KINDS, CURVES)
def test_any_key(members: dict[str, Any], kind: str, curve: str) -> None:
    for key in (members, {**signer("RS256").jwk, **members}, {"crv": curve, **members, "kty": kind}):
        try:
            keys = parse_keys(json.dumps({"keys": [key]}).encode())
        except KeysError:
            continue
        assert len(keys) == 1


@given(st.binary(max_size=100) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_document(document: bytes) -> None:
    with pytest.raises(KeysError):
        parse_keys(document)
