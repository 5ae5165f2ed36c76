"""What secrets look like that nobody has told us: tokens, keys, cookies and passwords of clients and services.

A line may hold them as a header (``Cookie: a=b``), as what Python or JSON shows of one (``{'cookie': 'a=b'}``), in a
query (``?access_token=...``), in a URL (``//user:password@host``), or just as they are (``Bearer ...``, a JWT, a key
that begins with ``psk_``, a private key in PEM). It is better to hide a word too many than one too few.
"""

import re
from typing import Final

_SHOWN: Final = rb"***"

_START: Final = rb"(?i)(?:\b|(?<=\\[nrt]))"
"""Of a word, in upper and lower case, also behind a line end that was escaped."""

# A value is told from its name in one of these ways, of which the second may have backslashes, within JSON:
# name: value, name=value, "name": "value", (b'name', b'value')
_IS: Final = rb"(?:\s?[:=]\s?|%3[AaDd])"
_QUOTED_IS: Final = rb"""((?:\\{0,3}["']\s?[:=,]|\s?[:=])\s?b?)(\\{0,3}["'])"""
_UP_TO_QUOTE: Final = rb"(?:(?!\3)(?:\\.|[^\\]))*"
_WORD: Final = rb"""[^\s"'\\,;&<>)\]}]+"""

_COOKIES: Final = rb"(?:set-)?cookie"
_HEADERS: Final = rb"(?:proxy-)?authorization"
_VALUES: Final = (
    rb"(?:[a-z0-9]{1,32}[_-]){1,4}token|id_token_hint|session_?id|sessiontoken"
    rb"|(?:[a-z0-9]{1,32}[_-]){0,4}(?:api[_-]?key|private_key|secret|password|passwd|pwd|assertion|signature)"
)
_PARAMETERS: Final = _VALUES + rb"|token|auth|key|sig|code|jwt"
_QUOTED: Final = rb"|".join((_COOKIES, _HEADERS, _VALUES, rb"token|jwt"))

_PATTERNS: Final[tuple[tuple[bytes, bytes], ...]] = (
    # A private key, whole or cut off; its lines may be joined by \n as JSON has it.
    (
        rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=:,\s]|-(?!-)|\\+[nr])*"
        rb"(?:-----END [A-Z ]*PRIVATE KEY-----)?",
        _SHOWN,
    ),
    # A JSON Web Token: signed has three parts, encrypted five.
    (_START + rb"eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,4}", _SHOWN),
    (_START + rb"psk_[A-Za-z0-9_-]{8,}", _SHOWN),
    (_START + rb"(" + _QUOTED + rb")" + _QUOTED_IS + _UP_TO_QUOTE, rb"\1\2\3" + _SHOWN),
    (_START + rb"(" + _COOKIES + _IS + rb")" + _WORD + rb"(?:;\s?" + _WORD + rb")*", rb"\1" + _SHOWN),
    (
        _START + rb"(" + _HEADERS + rb")(" + _IS + rb")(?:(?:bearer|basic|digest|negotiate)\s+)?" + _WORD,
        rb"\1\2" + _SHOWN,
    ),
    (_START + rb"(bearer|basic|negotiate)(\s+|%20|\+)[A-Za-z0-9._~+/=%-]{8,}", rb"\1\2" + _SHOWN),
    (rb"(?i)([?&;](?:" + _PARAMETERS + rb")=)[^&\s\"'\\#]+", rb"\1" + _SHOWN),
    (_START + rb"((?:" + _VALUES + rb")" + _IS + rb")" + _WORD, rb"\1" + _SHOWN),
    # The password of a URL, and the user before it.
    (rb"(://)[^\s/@:\"'\\]*:[^\s/@\"'\\]*@", rb"\1" + _SHOWN + rb"@"),
)

_COMPILED: Final = tuple((re.compile(pattern), replacement) for pattern, replacement in _PATTERNS)


def without_secrets(line: bytes) -> bytes:
    """Return a line with stars in place of what looks like a secret."""
    for pattern, replacement in _COMPILED:
        line = pattern.sub(replacement, line)
    return line
