"""Credentials, as they came, become what they prove.

Ours are `Authorization: Bearer`, where there are issuers, and `X-Api-Key`, where there are keys. Everything else, such
as `Authorization: Basic`, is between the client and the service.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .api_keys import ApiKeys
from .causes import Cause, KeysWantedError, RefusedError
from .compact import Token, parse_token
from .issuer import Proof, check_token

if TYPE_CHECKING:
    from penstock.settings.identity import Issuer

    from .keyring import Keyring

_BEARER: Final = re.compile(rb"(?i:bearer)(?![!#$%&'*+.^_`|~0-9A-Za-z-]) *(.*)", re.DOTALL)
"""The scheme is read in any case (RFC 9110, section 11.1), and what follows it strictly, by `parse_token`."""


class Verifier:
    """Judges credentials. It remembers nothing."""

    def __init__(self, issuers: "Iterable[tuple[Issuer, Keyring]]", api_keys: ApiKeys, skew_s: float) -> None:
        """Take the issuers with their keys, in the order of the configuration, and the keys of machines."""
        self._issuers: dict[str, list[tuple[Issuer, Keyring]]] = {}
        for issuer, keyring in issuers:
            self._issuers.setdefault(issuer.issuer, []).append((issuer, keyring))
        self._api_keys = api_keys
        self._skew_s = skew_s

    def bearer(self, authorization: bytes) -> bytes | None:
        """Return what follows the scheme, if it is ours."""
        match = _BEARER.fullmatch(authorization) if authorization and self._issuers else None
        return None if match is None else match[1]

    def api_key(self, value: bytes) -> bytes | None:
        """Return the API key, if it is ours."""
        return value if value and len(self._api_keys) else None

    def prove(self, bearer: bytes | None, api_key: bytes | None, now_s: float) -> Proof | None:
        """Return what credentials prove; None without any.

        Raises:
            RefusedError: they prove nothing.
            KeysWantedError: that cannot be said without keys.
        """
        if bearer is not None:
            if api_key is not None:
                raise RefusedError(Cause.AMBIGUOUS)
            return self._prove_token(parse_token(bearer), now_s)
        return None if api_key is None else self._api_keys.prove(api_key, now_s)

    def _prove_token(self, token: Token, now_s: float) -> Proof:
        proof, issuer, keyring = self._check(token, now_s)
        key = keyring.find(token.algorithm, token.key_id)
        if key is None:
            if keyring.is_without(issuer.algorithms) or keyring.may_fetch():
                raise KeysWantedError(keyring)
            raise RefusedError(Cause.KEY_UNKNOWN)
        if not key.verify(token.signed, token.signature):
            raise RefusedError(Cause.SIGNATURE)
        return proof

    def _check(self, token: Token, now_s: float) -> "tuple[Proof, Issuer, Keyring]":
        """Return what a token says by the first entry of its issuer that takes it, or raise what the last says."""
        said = token.claims.get("iss")
        entries = self._issuers.get(said, []) if isinstance(said, str) else []
        refused = RefusedError(Cause.ISSUER)
        for issuer, keyring in entries:
            try:
                return check_token(token, issuer, now_s, self._skew_s), issuer, keyring
            except RefusedError as error:
                refused = error
        raise refused
