"""Tolerant parsing: a head that the scanner refuses is rewritten where it can have one meaning only (RFC 9112).

A rewritten head goes through the strict scanner again, so nothing comes in by this way that it would not take. h11
reads; what is decided here is which heads are worth reading:

    cause                                            tolerated                    RFC 9112
    bare LF for CR LF                                where every line ends so     2.2
    a mixture of both, a bare CR                     never
    empty lines before the request line              yes, they are left out       2.2
    white space at the end of the request line       yes, it is left out          3
    any other white space in the request line        never
    a folded field line                              joined by one space          5.2
    a folded line of a field that frames, routes or  never
    says who asks
    a folded line that is empty or looks like        never
    a field itself
    white space before the colon, or before the      never                        5.1, 2.2
    first field
    Content-Length several times, all the same       yes, one is left             6.3
    Content-Length that differs, or is no number     never                        6.3
    anything at all with Transfer-Encoding           never                        6.1

`proxy.edge.forwarded` and `proxy.edge.target` have the other decisions where servers differ.
"""

import re
from typing import TYPE_CHECKING, Final

from proxy.errors import (
    BAD_CONTENT_LENGTH,
    BAD_FIELD_NAME,
    BAD_LINE_END,
    BAD_METHOD,
    BAD_VERSION,
    NOT_HTTP,
    reason_of_verdict,
)

if TYPE_CHECKING:
    import h11

_REASONS: Final = frozenset((BAD_METHOD, BAD_VERSION, BAD_LINE_END, BAD_FIELD_NAME, BAD_CONTENT_LENGTH, NOT_HTTP))
_HEAD_BYTES_MAX: Final = 1 << 17  # above edge.head_bytes; h11 counts only what is not whole yet

_EMPTY_LINES = re.compile(rb"(?:\r?\n)*")
_TRANSFER_ENCODING = re.compile(rb"transfer[-_ \t\r\n]*encoding", re.IGNORECASE)
_END_OF_REQUEST_LINE = re.compile(rb"\A([^\r\n]*[^ \t\r\n])[ \t]+(?=\r?\n)")
_FOLDED = re.compile(rb"^(?P<field>[^\n]*)\n(?P<folds>(?:[ \t][^\n]*\n)+)", re.MULTILINE)
_LOOKS_LIKE_A_FIELD = re.compile(rb"[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*:")
_NOT_TO_BE_FOLDED = re.compile(
    rb"(?:host|content-length|connection|keep-alive|proxy-connection|upgrade|te|trailer|expect|forwarded|trace.*"
    rb"|authorization|true[-_]client.*"
    rb"|x[-_](?:tenant|api|service|correlation|request|forwarded|real|client|cluster|penstock)[-_].*)[ \t]*:",
    re.IGNORECASE,
)


def may_be_repaired(received: bytes, verdict: int) -> bool:
    """Whether it makes sense to wait for the head's end, and to try `repair` then."""
    reason = reason_of_verdict(verdict)
    return reason in _REASONS and (reason is not NOT_HTTP or received[:1] in (b"\r", b"\n"))


def is_worth_waiting(received: bytes) -> bool:
    """Whether the beginning of a head may be repaired when its rest has come: not where its lines end in two ways."""
    return _has_one_line_end(received[_start_of(received) :].removesuffix(b"\r"))


def head_end(received: bytes) -> int | None:
    """Return how many bytes a head takes, empty lines before it included, or None where more must come.

    It ends as its first line does: with an empty line of CR LF or of LF.
    """
    start = _start_of(received)
    first = received.find(b"\n", start)
    if first < 0:
        return None
    end = b"\r\n\r\n" if first > start and received[first - 1] == 0x0D else b"\n\n"
    found = received.find(end, start)
    return found + len(end) if found >= 0 else None


def repair(head: bytes, verdict: int) -> bytes | None:
    """Return the same head as the strict scanner wants it, or None where it stays refused.

    head: whole, as measured by `head_end`; verdict: of the scanner. What is returned has to be scanned again, and is
    not to be repaired again.
    """
    if not may_be_repaired(head, verdict) or head_end(head) != len(head) or _TRANSFER_ENCODING.search(head):
        return None
    head = head[_start_of(head) :]
    if not _has_one_line_end(head) or _is_folded_badly(head):
        return None
    request = _read(_END_OF_REQUEST_LINE.sub(rb"\1", head))
    return None if request is None else _write(request)


def _start_of(head: bytes) -> int:
    empty = _EMPTY_LINES.match(head)
    return empty.end() if empty else 0


def _has_one_line_end(head: bytes) -> bool:
    """Whether all lines end alike, and CR is nowhere else: then whoever reads it sees the same lines, or none."""
    line_ends = head.count(b"\r\n")
    return head.count(b"\r") == line_ends and line_ends in (0, head.count(b"\n"))


def _is_folded_badly(head: bytes) -> bool:
    lines = head.replace(b"\r\n", b"\n")
    return any(
        _NOT_TO_BE_FOLDED.match(folded["field"])
        or any(not line.strip() or _LOOKS_LIKE_A_FIELD.match(line) for line in folded["folds"].splitlines())
        for folded in _FOLDED.finditer(lines)
    )


def _read(head: bytes) -> "h11.Request | None":
    """Let h11 read it: it joins folded lines, and takes several Content-Lengths for one where they are the same."""
    import h11

    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES_MAX)
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if isinstance(event, h11.Request) else None


def _write(request: "h11.Request") -> bytes:
    lines = [b"%s %s HTTP/%s" % (request.method, request.target, request.http_version)]
    lines += [b"%s: %s" % field for field in request.headers.raw_items()]
    return b"\r\n".join(lines) + b"\r\n\r\n"
