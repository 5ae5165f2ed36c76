"""What secrets look like that nobody has told us: tokens, keys, cookies and passwords of clients and services.

A line may hold them as a header (``Cookie: a=b``), as what Python or JSON shows of one (``{'cookie': 'a=b'}``), in a
query (``?access_token=...``), in a URL (``//user:password@host``), or just as they are (``Bearer ...``, a JWT, a key
that begins with ``psk_``, a private key in PEM). It is better to hide a word too many than one too few.

Patterns are looked for in the line's lower case, which takes a quarter of the time that it takes to ignore case. Each
has a group ``secret``, in whose place stars are shown.
"""

import re
from typing import Final

_SHOWN: Final = b"***"

# A value is told from its name in one of these ways, of which the second may have backslashes, within JSON:
# name: value, name=value, "name": "value", (b'name', b'value')
_IS: Final = rb"(?:\s?[:=]\s?|%3[ad])"
_QUOTED_IS: Final = rb"""(?:\\{0,3}["']\s?[:=,]|\s?[:=])\s?b?(?P<quote>\\{0,3}["'])"""
_UP_TO_QUOTE: Final = rb"(?P<secret>(?:(?!(?P=quote))(?:\\.|[^\\]))*)"
_WORD: Final = rb"""[^\s"'\\,;&<>)\]}]+"""

# Of a longer name, like x-auth-token or db_password, its end is enough.
_VALUES: Final = (
    rb"token(?<=[_-]token)|id_token_hint|session_?id|sessiontoken|api[_-]?key|private_key|secret|password|passwd|pwd"
    rb"|assertion|signature"
)
_PARAMETERS: Final = _VALUES + rb"|token|auth|key|sig|code|jwt"
_QUOTED: Final = rb"cookie|authorization|token|jwt|" + _VALUES

_PATTERNS: Final = (
    # A private key, whole or cut off; its lines may be joined by \n as JSON has it.
    rb"(?P<secret>-----begin [a-z ]*private key-----(?:[a-z0-9+/=:,\s]|-(?!-)|\\+[nr])*"
    rb"(?:-----end [a-z ]*private key-----)?)",
    # A JSON Web Token: signed has three parts, encrypted five.
    rb"(?P<secret>eyj[a-z0-9_-]{4,}(?:\.[a-z0-9_-]*){1,4})",
    rb"(?P<secret>psk_[a-z0-9_-]{8,})",
    rb"(?:" + _QUOTED + rb")" + _QUOTED_IS + _UP_TO_QUOTE,
    rb"cookie" + _IS + rb"(?P<secret>" + _WORD + rb"(?:;\s?" + _WORD + rb")*)",
    rb"authorization" + _IS + rb"(?P<secret>(?:(?:bearer|basic|digest|negotiate)\s+)?" + _WORD + rb")",
    rb"(?:bearer|basic|negotiate)(?:\s+|%20|\+)(?P<secret>[a-z0-9._~+/=%-]{8,})",
    rb"[?&;](?:[a-z0-9_-]{0,32}[_-])?(?:" + _PARAMETERS + rb")=(?P<secret>[^&\s\"'\\#]+)",
    rb"(?:" + _VALUES + rb")" + _IS + rb"(?P<secret>" + _WORD + rb")",
    # The password of a URL, and the user before it.
    rb"://(?P<secret>[^\s/@:\"'\\]*:[^\s/@\"'\\]*)@",
)

_COMPILED: Final = tuple(map(re.compile, _PATTERNS))


def without_secrets(line: bytes) -> bytes:
    """Return a line with stars in place of what looks like a secret."""
    lower = line.lower()  # of ASCII alone, so that what is found in it is at the same place
    for pattern in _COMPILED:
        found = [match.span("secret") for match in pattern.finditer(lower)]
        if found:
            line = _spliced(line, found)
            lower = line.lower()
    return line


def _spliced(line: bytes, places: list[tuple[int, int]]) -> bytes:
    parts, at = [], 0
    for begin, end in places:
        parts += [line[at:begin], _SHOWN]
        at = end
    return b"".join([*parts, line[at:]])
