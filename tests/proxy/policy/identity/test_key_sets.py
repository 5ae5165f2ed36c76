"""JWK sets: which keys are taken, and what is wrong with others."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from identity_lab import Signer, b64, jwks, number, signer

from proxy.policy.identity.document import KeysError, parse_keys
from proxy.policy.identity.keys import KEYS_MAX

RSA, EC, ED, OCT = (signer(name) for name in ("RS256", "ES256", "EdDSA", "HS256"))


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def parsed(*keys: Any) -> dict[str, bool]:
    """Which of the four algorithms have a key named k1."""
    found = parse_keys(document(*keys))
    return {name: found.find(name, "k1") is not None for name in ("RS256", "ES256", "EdDSA", "HS256")}


def test_each_kind_serves_one_algorithm() -> None:
    for one in (RSA, EC, ED, OCT):
        found = parsed(one.jwk)
        assert [name for name, is_there in found.items() if is_there] == [one.algorithm]
        text, _, _ = one.token().rpartition(b".")
        key = parse_keys(jwks(one)).find(one.algorithm, "k1")
        assert key is not None
        assert not key.verify(text + b"x", b"x" * 64)
        assert repr(key) == f"<VerificationKey {one.algorithm} 'k1'>"


@pytest.mark.parametrize(
    ("members", "is_taken"),
    [
        ({}, True),
        ({"use": "sig"}, True),
        ({"use": "enc"}, False),
        ({"use": 1}, False),
        ({"key_ops": ["verify"]}, True),
        ({"key_ops": ["sign", "verify"]}, True),
        ({"key_ops": ["sign"]}, False),
        ({"key_ops": []}, False),
        ({"alg": "RS256"}, True),
        ({"alg": "RS512"}, False),
        ({"alg": "PS256"}, False),
        ({"alg": "HS256"}, False),
        ({"alg": "RSA-OAEP"}, False),
        ({"x5c": ["AA"], "x5t": "x", "more": {}}, True),
        ({"d": "AQAB", "p": "nonsense"}, True),
    ],
)
def test_what_a_key_is_meant_for(members: dict[str, Any], is_taken: bool) -> None:
    assert parsed(RSA.jwk | members, EC.jwk)["RS256"] is is_taken


P384 = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()


@pytest.mark.parametrize(
    "other",
    [
        {"kty": "XYZ", "x": "y"},
        {"kty": "EC", "crv": "P-384", "x": number(P384.x), "y": number(P384.y)},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))},
        {"kty": "OKP", "crv": "Ed448", "x": b64(bytes(57))},
        {"kty": "rsa", "n": "AA", "e": "AQAB"},
    ],
)
def test_kinds_that_are_not_known_are_left_out(other: dict[str, Any]) -> None:
    keys = parse_keys(document(other, RSA.jwk), is_ours=True)
    assert len(keys) == 1


WRONG = [
    ("x", 'it is no key: an object with the member "kty"'),
    ({}, 'it is no key: an object with the member "kty"'),
    ({"kty": 1}, 'it is no key: an object with the member "kty"'),
    (RSA.jwk | {"kid": 7}, 'its "kid" is not a text of 1 to 256 characters'),
    (RSA.jwk | {"kid": ""}, 'its "kid" is not a text of 1 to 256 characters'),
    (RSA.jwk | {"kid": "k" * 257}, 'its "kid" is not a text of 1 to 256 characters'),
    (RSA.jwk | {"key_ops": "verify"}, 'its "key_ops" is no list'),
    ({"kty": "RSA", "e": "AQAB"}, 'its member "n" is missing, or no text'),
    (RSA.jwk | {"n": 5}, 'its member "n" is missing, or no text'),
    (RSA.jwk | {"e": "!"}, "its numbers make no key"),
    (RSA.jwk | {"e": "AA"}, "its numbers make no key"),
    (Signer("RS256", "k", 1024).jwk, "an RSA key has 2048 to 8192 bits here"),
    (RSA.jwk | {"n": number((1 << 2047) - 1)}, "an RSA key has 2048 to 8192 bits here"),
    (RSA.jwk | {"n": number((1 << 8192) + 1)}, "an RSA key has 2048 to 8192 bits here"),
    (RSA.jwk | {"n": "A" * 20_000}, "an RSA key has 2048 to 8192 bits here"),
    (EC.jwk | {"x": EC.jwk["y"]}, "its numbers make no key"),
    (EC.jwk | {"x": "AA"}, "its numbers make no key"),
    (ED.jwk | {"x": "AAAA"}, "its numbers make no key"),
    ({"kty": "oct"}, 'its member "k" is missing, or no text'),
    ({"kty": "oct", "k": ""}, "a secret for HS256 has 32 bytes or more"),
    ({"kty": "oct", "k": b64(b"x" * 31)}, "a secret for HS256 has 32 bytes or more"),
]


@pytest.mark.parametrize(("wrong", "why"), WRONG)
def test_a_wrong_key_is_an_error_in_a_file_and_left_out_elsewhere(wrong: Any, why: str) -> None:
    text = b'{"keys": [\n' + json.dumps(ED.jwk).encode() + b",\n" + json.dumps(wrong).encode() + b"\n]}"
    with pytest.raises(KeysError) as caught:
        parse_keys(text, is_ours=True)
    assert caught.value.why == f"key 2: {why}"
    assert caught.value.line == (3 if isinstance(wrong, dict) and "kty" in wrong else 0)
    assert len(parse_keys(text)) == 1
    with pytest.raises(KeysError, match="key 1: "):
        parse_keys(document(wrong))


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        (b"", "it is no JSON: Expecting value", 1),
        (b'{"keys": [\n}', "it is no JSON: Expecting value", 2),
        (b"<html>\n", "it is no JSON: Expecting value", 1),
        (b"\xff\xfe", "it is not UTF-8 text", 0),
        (b"[]", 'it is no JWK set: an object with a list "keys"', 0),
        (b"{}", 'it is no JWK set: an object with a list "keys"', 0),
        (b'{"keys": {}}', 'it is no JWK set: an object with a list "keys"', 0),
        (b'{"keys": []}', "it has no key that verifies signatures by RS256, ES256, EdDSA or HS256", 0),
        (b'{"keys": [], "keys": []}', "it is no JSON as it should be: a member is there twice", 0),
        (b'{"keys": ' + b"[" * 5000 + b"]" * 5000 + b"}", None, 0),
        (document({"kty": "XYZ"}), "it has no key that verifies signatures by RS256, ES256, EdDSA or HS256", 0),
        (document(*[ED.jwk] * (KEYS_MAX + 1)), f"it has more than {KEYS_MAX} keys", 0),
    ],
)
def test_a_document_that_is_none(text: bytes, why: str | None, line: int) -> None:
    with pytest.raises(KeysError) as caught:
        parse_keys(text)
    assert caught.value.line == line
    assert why is None or caught.value.why == why


def test_two_keys_of_one_name() -> None:
    other = Signer("EdDSA", "k1")
    with pytest.raises(KeysError, match="key 2: two keys for EdDSA have the kid 'k1'"):
        parse_keys(jwks(ED, other))
    assert len(parse_keys(jwks(ED, ED))) == 1, "the same key twice is one"
    both = parse_keys(jwks(ED, RSA))
    assert both.find("EdDSA", "k1") is not both.find("RS256", "k1"), "one name for each algorithm"


def test_a_token_without_kid_needs_a_key_that_is_alone() -> None:
    other = Signer("EdDSA", "k2")
    assert parse_keys(jwks(ED, RSA)).find("EdDSA", None) is not None
    assert parse_keys(jwks(ED, other)).find("EdDSA", None) is None
    assert parse_keys(jwks(ED, other)).find("EdDSA", "k2") is not None
    nameless = Signer("EdDSA", None)
    assert parse_keys(jwks(nameless)).find("EdDSA", None) is not None
    assert parse_keys(jwks(nameless)).find("EdDSA", "k1") is None
    assert repr(parse_keys(jwks(ED, other))) == "<KeySet of 2>"


def test_no_part_of_a_key_is_shown() -> None:
    keys = parse_keys(jwks(OCT, RSA))
    text = repr(keys) + repr(keys.find("HS256", "k1")) + str(keys)
    assert OCT.jwk["k"] not in text
    with pytest.raises(KeysError) as caught:
        parse_keys(document({"kty": "oct", "k": b64(b"hunter2")}))
    assert b64(b"hunter2") not in str(caught.value) + repr(caught.value)
