"""The text of a JWK set becomes keys, or a reason with its line why not."""

import logging
from typing import TYPE_CHECKING

from .compact import parse_json

if TYPE_CHECKING:
    from .keys import BadKeyError, KeySet

_log = logging.getLogger("penstock.identity")


class KeysError(Exception):
    """A document holds no keys that can be used. line: 0 where it is not known."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.line = line


def parse_keys(document: bytes, *, is_ours: bool = False) -> "KeySet":
    """Return the keys of a JWK set in JSON.

    is_ours: every key of it must be right; else one that is wrong is left out, for it may be there for others.

    Raises:
        KeysError: it is none, or no key of it can be used.
    """
    import json

    from .keys import BadKeyError, KeySet, read_keys

    try:
        read = read_keys(parse_json(document))
        if read.bad and (is_ours or not read.keys):
            raise read.bad[0]
        keys = KeySet(read.keys)
    except json.JSONDecodeError as error:
        raise KeysError(f"it is no JSON: {error.msg}", error.lineno) from None
    except BadKeyError as error:
        raise KeysError(_of_key(error), _line_of_key(document, error.index)) from None
    except (ValueError, RecursionError) as error:
        why = (
            "it is not UTF-8 text"
            if isinstance(error, UnicodeDecodeError)
            else f"it is no JSON as it should be: {error}"
        )
        raise KeysError(why) from None
    if not len(keys):
        raise KeysError("it has no key that verifies signatures by RS256, ES256, EdDSA or HS256")
    for bad in read.bad:
        _log.warning("a key was left out: %s", _of_key(bad))
    return keys


def _of_key(error: "BadKeyError") -> str:
    return f"key {error.index + 1}: {error.why}" if error.index >= 0 else error.why


def _line_of_key(document: bytes, index: int) -> int:
    """Return the line of the key's `kty`, which every key has once; 0 for the set."""
    import re

    places = [match.start() for match in re.finditer(rb'"kty"', document)]
    return document.count(b"\n", 0, places[index]) + 1 if 0 <= index < len(places) else 0
