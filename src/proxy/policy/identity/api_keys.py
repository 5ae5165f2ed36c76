"""Static keys for machines. The gateway knows their hashes only.

A key is 256 random bits, so one round of SHA-256 is enough: there is nothing to guess, and who has the hash cannot find
the key. A password is not random; it would need a slow hash, and has no place here. The hash of what was sent is looked
up in a table, so how long that takes tells nothing of any key.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from penstock.settings.identity import ApiKey
from proxy.request.caller import Identity

from .causes import Cause, RefusedError
from .issuer import Proof, tell_claims

PREFIX: Final = "psk_"
"""By which a key is known as one, by people and by what looks for secrets in sources."""
KEY_BYTES: Final = 32
_FORM: Final = re.compile(rb"[\x21-\x7e]{16,512}")


class MadeKey(NamedTuple):
    """A new key, to be shown once, and the hash for the configuration."""

    key: str
    hash: str


def make_key() -> MadeKey:
    """Return a new key of 256 random bits."""
    import secrets

    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    return MadeKey(key, f"sha256:{sha256(key.encode()).hexdigest()}")


class ApiKeys:
    """The keys of a configuration."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        """Take keys whose hashes differ.

        Raises:
            RefusedError: the claims of one are too long.
        """
        self._proofs: Mapping[bytes, Proof] = {bytes.fromhex(key.hash): _proof(key) for key in keys}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._proofs)

    def __repr__(self) -> str:
        """How many there are."""
        return f"<ApiKeys {len(self)}>"

    def prove(self, key: bytes, now_s: float) -> Proof:
        """Return what a key proves.

        Raises:
            RefusedError: it is none of ours, or is over.
        """
        proof = self._proofs.get(sha256(key).digest()) if _FORM.fullmatch(key) else None
        if proof is None:
            raise RefusedError(Cause.API_KEY)
        if now_s >= proof.identity.expires_at_s:
            raise RefusedError(Cause.API_KEY_EXPIRED)
        return proof


def _proof(key: ApiKey) -> Proof:
    identity = Identity(
        principal=key.principal,
        claims={name: value if isinstance(value, str) else list(value) for name, value in key.claims.items()},
        tenants=None if key.tenants is None else frozenset(key.tenants),
        expires_at_s=float("inf") if key.expires is None else key.expires,
    )
    return Proof(identity, tell_claims(identity.claims))
