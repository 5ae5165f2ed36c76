"""Idempotency-Key: how it is written, whose it is, and what was asked with it.

Source: draft-ietf-httpapi-idempotency-key-header-07.

    POST /payments
    Idempotency-Key: "8e03978e-40d5-43e8-bc93-6894a57f9324"

The draft (section 2.1) has it as a String of a structured field (RFC 9651, section 3.3.3). Many clients write it bare,
as a token: that is taken, too, and is the same key.
"""

import re
from hashlib import blake2b
from typing import Final, NamedTuple

KEY_BYTES_MAX: Final = 255
"""Of the key itself: a UUID has 36."""
_DIGEST_BYTES: Final = 32
_PRINT_BYTES: Final = 16

_string = re.compile(rb'"((?:[ !#-\[\]-~]++|\\["\\])*+)"')
_escape = re.compile(rb'\\(["\\])')
_token = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z:/=]+")


def parse_key(value: bytes) -> bytes | None:
    """Return the key of a field; None where it is malformed, empty, too long, or where there are several."""
    text = value.strip(b" \t")
    match = _string.fullmatch(text)
    if match is not None:
        key = match.group(1)
        if b"\\" in key:
            key = _escape.sub(rb"\1", key)
    else:
        key = text if _token.fullmatch(text) else b""
    return key if 0 < len(key) <= KEY_BYTES_MAX else None


def digest_of(*parts: bytes) -> bytes:
    """Return what stands for texts of any length, told apart by where each ends."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(4))
        digest.update(part)
    return digest.digest()


class Fingerprint(NamedTuple):
    """What was asked with a key, as far as it was known when it was looked at.

    The body of a request that a task carries has not come by then: of it, the length is known, where it is said.
    """

    head: bytes
    body_bytes: int | None = None
    body: bytes | None = None
    """Of all of it."""

    def is_other(self, other: "Fingerprint") -> bool:
        """Whether the two cannot be of the same request."""
        return self.head != other.head or _differ(self.body_bytes, other.body_bytes) or _differ(self.body, other.body)


def fingerprint(target: bytes, content_type: bytes, body: bytes | None, body_bytes: int | None) -> Fingerprint:
    """Return the fingerprint of a request. body: None where it has not come."""
    head = blake2b(b"%s\n%s" % (target, content_type), digest_size=_PRINT_BYTES).digest()
    if body is None:
        return Fingerprint(head, body_bytes)
    return Fingerprint(head, len(body), blake2b(body, digest_size=_PRINT_BYTES).digest())


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other
