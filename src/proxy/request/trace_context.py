"""W3C Trace Context: what is taken of the trace that a request brings (https://www.w3.org/TR/trace-context/).

Of the two levels of the recommendation the newer one holds where they differ, since it takes whatever the older one
does: keys of `tracestate` may begin with a digit and hold any number of at signs, and of the flags of version 00 not
only *sampled* but also *random* goes on.
"""

import re
from typing import Final

STATE_MEMBERS_MAX: Final = 32
STATE_BYTES_MAX: Final = 512
"""What goes on at most, which is what everybody has to let through at least."""
LONG_MEMBER_BYTES: Final = 128
"""Where something must be left out, members that are longer go first."""

_SAMPLED: Final = 0x01
_KNOWN_FLAGS: Final = _SAMPLED | 0x02  # random: those that began the trace drew its id by chance

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_MEMBER = re.compile(rb"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")


def parse_traceparent(value: bytes) -> bytes | None:
    """Return trace id, parent id and flags (25 bytes), or None when it is not valid (section 3.2).

    Of a version after 00, what is known is taken, as section 3.2.4 asks; of its flags only *sampled* is known. Several
    fields, joined by commas, are not valid.
    """
    match = _TRACEPARENT.fullmatch(value)
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    if not int(trace_id, 16) or not int(parent_id, 16):
        return None
    known = int(flags, 16) & (_KNOWN_FLAGS if version == b"00" else _SAMPLED)
    return bytes.fromhex((trace_id + parent_id).decode("ascii")) + bytes((known,))


def with_known_flags(trace: bytes) -> bytes:
    """Return a trace as frames have it (25 bytes) with those of its flags that are known; the others are zero."""
    return trace[:-1] + bytes((trace[-1] & _KNOWN_FLAGS,))


def passed_tracestate(value: bytes) -> bytes | None:
    """Return what goes on of a `tracestate`, of several fields joined by commas; None for nothing (section 3.3).

    It is dropped whole when a member is malformed, or when there are more than 32. Of one that is longer than 512
    bytes, members are left out: from the end, and those over 128 bytes before others. A key that is there twice is the
    business of whoever wrote it.
    """
    members = [member for each in value.split(b",") if (member := each.strip(b" \t"))]
    if not 0 < len(members) <= STATE_MEMBERS_MAX or not all(map(_MEMBER.fullmatch, members)):
        return None
    if len(value) <= STATE_BYTES_MAX:
        return value
    return b",".join(_fitting(members)) or None


def _fitting(members: list[bytes]) -> list[bytes]:
    """Return what is left of members when they, with the commas between them, are to fit."""
    excess = sum(map(len, members)) + len(members) - 1 - STATE_BYTES_MAX
    long_first = sorted(range(len(members)), key=lambda at: (len(members[at]) > LONG_MEMBER_BYTES, at), reverse=True)
    dropped = set()
    for at in long_first:
        if excess <= 0:
            break
        dropped.add(at)
        excess -= len(members[at]) + 1
    return [member for at, member in enumerate(members) if at not in dropped]
