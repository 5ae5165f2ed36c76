"""Cache-Control, as it is written (RFC 9111, section 5.2): names, and arguments that are tokens or quoted strings.

What is malformed is read as far as it can be, and never makes an answer last longer: who cannot write a number asks for
nothing to be kept.
"""

import re
from typing import Final

Directives = dict[bytes, bytes | None]
"""By name in lower case: the argument, None without one. Of several of one name, the first counts (section 4.2.1)."""

SECONDS_MAX: Final = 2_147_483_648
"""What is longer counts as this (section 1.2.2)."""

_directive = re.compile(rb'[\s,]*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?')
_is_number = re.compile(rb"[0-9]+").fullmatch


def parse_directives(value: bytes | None) -> Directives:
    """Return the directives of a Cache-Control field, whose values are joined by commas."""
    if not value:
        return {}
    found: Directives = {}
    for match in _directive.finditer(value):
        name, quoted, plain = match.groups()
        found.setdefault(name.lower(), quoted if quoted is not None else plain)
    return found


def seconds(directives: Directives, name: bytes) -> int | None:
    """Return the number of a directive: None where it is not there, 0 where it has none that can be read."""
    if name not in directives:
        return None
    value = directives[name]
    if value is None or not _is_number(value):
        return 0
    return min(int(value[:12]), SECONDS_MAX)
