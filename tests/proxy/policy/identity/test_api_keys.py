"""Keys of machines: made once, known by their hashes."""

import re
from hashlib import sha256

import pytest
from identity_lab import NOW_S

from penstock.settings.identity import ApiKey
from proxy.policy.identity.api_keys import ApiKeys, make_key
from proxy.policy.identity.causes import RefusedError


def test_a_new_key_is_random_and_known_by_its_hash() -> None:
    made = [make_key() for _ in range(100)]
    assert len({key.key for key in made}) == 100
    for key in made:
        assert re.fullmatch(r"psk_[A-Za-z0-9_-]{43}", key.key), "32 random bytes"
        assert key.hash == "sha256:" + sha256(key.key.encode()).hexdigest()


def test_the_right_one_of_many_is_found() -> None:
    made = [make_key() for _ in range(20)]
    keys = ApiKeys([ApiKey(principal=f"m{i}", hash=key.hash.removeprefix("sha256:")) for i, key in enumerate(made)])
    for i, key in enumerate(made):
        assert keys.prove(key.key.encode(), NOW_S).identity.principal == f"m{i}"
    with pytest.raises(RefusedError, match="api_key"):
        keys.prove(make_key().key.encode(), NOW_S)
    assert repr(keys) == "<ApiKeys 20>"


def test_claims_that_are_longer_than_services_are_told() -> None:
    with pytest.raises(RefusedError, match="claims_too_large"):
        ApiKeys([ApiKey(principal="m", hash="0" * 64, claims={"a": "x" * 4100})])
