"""Why credentials prove nothing: for counters and debug logs, never for the client."""

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .keyring import Keyring


class Cause(Enum):
    """Why a token or a key was refused."""

    MALFORMED = "malformed"
    """No JWS in compact form: parts, base64url, JSON, UTF-8, members that are there twice or are none of its type."""
    TOO_LARGE = "too_large"
    HEADER = "header"
    """It needs an extension that is not understood (`crit`, `b64`), or has the wrong `typ`."""
    ISSUER = "issuer"
    ALGORITHM = "algorithm"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    CLAIMS = "claims"
    """A claim is missing or is none of its type: exp, the principal, the tenants."""
    CLAIMS_TOO_LARGE = "claims_too_large"
    """What services would be told is longer than they are told."""
    KEY_UNKNOWN = "key_unknown"
    SIGNATURE = "signature"
    API_KEY = "api_key"
    API_KEY_EXPIRED = "api_key_expired"
    AMBIGUOUS = "ambiguous"
    """A token and an API key at once."""


class RefusedError(Exception):
    """Credentials prove nothing."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class KeysWantedError(Exception):
    """A token cannot be judged without keys that are not there."""

    def __init__(self, keyring: "Keyring") -> None:
        super().__init__("keys are wanted")
        self.keyring = keyring
