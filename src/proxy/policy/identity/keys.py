"""A JWK set as verification keys (RFC 7517, RFC 7518 section 6, RFC 8037).

Each kind of key serves one algorithm and no other, so that no token can choose how a key is used (RFC 8725, section
3.1): RSA RS256, EC on P-256 ES256, OKP on Ed25519 EdDSA, oct HS256. A key that is meant for something else, by `use`,
`key_ops` or `alg`, and one of a kind that is not known, is left out. Private parts are not looked at.

Importing this module imports `joserfc` and `cryptography`, which are there with the extra `identity`.
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from .compact import KEY_ID_CHARACTERS_MAX

KEYS_MAX: Final = 100
RSA_BITS_MIN: Final = 2_048
RSA_BITS_MAX: Final = 8_192
"""A larger one would only make each token cost more."""
SECRET_BYTES_MIN: Final = 32
"""As many as the hash has (RFC 7518, section 3.2)."""

_MODELS: Final = {name: JWSRegistry.algorithms[name] for name in ("RS256", "ES256", "EdDSA", "HS256")}


class BadKeyError(ValueError):
    """A key, or a set of keys, that cannot be used. index: of the key in its set; -1 for the set."""

    def __init__(self, why: str, index: int = -1) -> None:
        super().__init__(why)
        self.why = why
        self.index = index


class VerificationKey(msgspec.Struct, frozen=True, eq=False):
    """One key and the algorithm that it is for. Its ``repr`` shows no part of it."""

    algorithm: str
    key_id: str | None
    thumbprint: str
    """What makes two keys the same (RFC 7638)."""
    _key: Any

    def verify(self, signed: bytes, signature: bytes) -> bool:
        """Whether the signature is of these bytes."""
        try:
            return bool(_MODELS[self.algorithm].verify(signed, signature, self._key))
        except (JoseError, ValueError, OverflowError):  # of a form that no signature has
            return False

    def __repr__(self) -> str:
        """Algorithm and id."""
        return f"<VerificationKey {self.algorithm} {self.key_id!r}>"


class KeySet:
    """Keys that were read at one time. It never changes."""

    def __init__(self, keys: Sequence[VerificationKey]) -> None:
        """Take keys; two that differ must not have one name."""
        self._by_id: dict[tuple[str, str | None], VerificationKey] = {}
        self._by_algorithm: dict[str, list[VerificationKey]] = {}
        for index, key in enumerate(keys):
            self._add(key, index)
        self.thumbprints = frozenset((key.algorithm, key.key_id, key.thumbprint) for key in keys)

    def _add(self, key: VerificationKey, index: int) -> None:
        same = self._by_algorithm.setdefault(key.algorithm, [])
        if key.key_id is not None:
            other = self._by_id.setdefault((key.algorithm, key.key_id), key)
            if other.thumbprint != key.thumbprint:
                raise BadKeyError(f"two keys for {key.algorithm} have the kid {key.key_id!r}", index)
        if all(key.thumbprint != other.thumbprint for other in same):
            same.append(key)

    def find(self, algorithm: str, key_id: str | None) -> VerificationKey | None:
        """Return the key of that id, or, for a token that names none, the only one of its algorithm."""
        if key_id is not None:
            return self._by_id.get((algorithm, key_id))
        keys = self._by_algorithm.get(algorithm, ())
        return keys[0] if len(keys) == 1 else None

    def for_algorithms(self, algorithms: Sequence[str]) -> int:
        """Return how many keys are for one of the algorithms."""
        return sum(len(self._by_algorithm.get(algorithm, ())) for algorithm in algorithms)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.thumbprints)

    def __repr__(self) -> str:
        """How many there are."""
        return f"<KeySet of {len(self)}>"


class Read(msgspec.Struct, frozen=True, eq=False):
    """A JWK set: its keys, and what is wrong with others of it."""

    keys: tuple[VerificationKey, ...]
    bad: tuple[BadKeyError, ...]


def read_keys(document: Any) -> Read:
    """Return the keys of a JWK set (RFC 7517, section 5).

    Raises:
        BadKeyError: the document is no JWK set.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise BadKeyError('it is no JWK set: an object with a list "keys"')
    if len(entries) > KEYS_MAX:
        raise BadKeyError(f"it has more than {KEYS_MAX} keys")
    keys: list[VerificationKey] = []
    bad: list[BadKeyError] = []
    for index, entry in enumerate(entries):
        try:
            key = _read_key(entry)
        except BadKeyError as error:
            bad.append(BadKeyError(error.why, index))
        else:
            keys += [key] if key else []
    return Read(tuple(keys), tuple(bad))


def _read_key(entry: Any) -> VerificationKey | None:
    """Return the key; None where it is for something else."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kty"), str):
        raise BadKeyError('it is no key: an object with the member "kty"')
    curve = entry.get("crv") if entry["kty"] in ("EC", "OKP") else ""
    read = _READERS.get((entry["kty"], curve)) if isinstance(curve, str) else None
    if read is None or not _is_meant(entry, read[0]):
        return None
    key_id = entry.get("kid")
    if key_id is not None and (not isinstance(key_id, str) or not 0 < len(key_id) <= KEY_ID_CHARACTERS_MAX):
        raise BadKeyError(f'its "kid" is not a text of 1 to {KEY_ID_CHARACTERS_MAX} characters')
    algorithm, kind, members = read
    try:
        key = kind.import_key({"kty": entry["kty"], **{name: _member(entry, name) for name in members}})
        thumbprint = key.thumbprint()
    except BadKeyError:
        raise
    except Exception:  # whatever libraries think of it: it came from elsewhere
        raise BadKeyError("its numbers make no key") from None
    return VerificationKey(algorithm, key_id, thumbprint, key)


def _is_meant(entry: Mapping[str, Any], algorithm: str) -> bool:
    """Whether the key may verify signatures of the algorithm (RFC 7517, sections 4.2 to 4.4)."""
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list):
        raise BadKeyError('its "key_ops" is no list')
    return entry.get("use", "sig") == "sig" and "verify" in operations and entry.get("alg", algorithm) == algorithm


def _member(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise BadKeyError(f'its member "{name}" is missing, or no text')
    if name == "n" and not RSA_BITS_MIN <= int.from_bytes(_decoded(value)).bit_length() <= RSA_BITS_MAX:
        raise BadKeyError(_RSA_SIZE)  # before anybody computes with it
    if name == "k" and len(_decoded(value)) < SECRET_BYTES_MIN:
        raise BadKeyError(_SECRET_SIZE)
    return value


_RSA_SIZE: Final = f"an RSA key has {RSA_BITS_MIN} to {RSA_BITS_MAX} bits here"
_SECRET_SIZE: Final = f"a secret for HS256 has {SECRET_BYTES_MIN} bytes or more"


def _decoded(text: str) -> bytes:
    """Return the bytes of a member; none where it is no base64url, or longer than anybody would want to know."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) <= RSA_BITS_MAX else b""
    except ValueError:
        return b""


_READERS: Final[Mapping[tuple[str, str], tuple[str, Any, tuple[str, ...]]]] = {
    ("RSA", ""): ("RS256", RSAKey, ("n", "e")),
    ("EC", "P-256"): ("ES256", ECKey, ("crv", "x", "y")),
    ("OKP", "Ed25519"): ("EdDSA", OKPKey, ("crv", "x")),
    ("oct", ""): ("HS256", OctKey, ("k",)),
}
"""By kind and curve: the algorithm, what reads the key, and the members that are looked at."""
