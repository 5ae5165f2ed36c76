"""The request target: which of its four forms it has, what is matched, what the service sees (RFC 9112, section 3.2).

The path is normalised here once, before anything is matched, and goes on as it was matched: what was allowed is what
the service sees. The scanner passes the usual target by; only what it calls unusual comes here.

    strict     a path that could be read in two ways is refused
    tolerant   it is brought into the one form that RFC 3986, section 6.2.2 calls equal
"""

import re
from typing import Final, NamedTuple

from frames.frame import Method
from proxy.errors import (
    BAD_AUTHORITY,
    BAD_HOST,
    BAD_PATH,
    BAD_TARGET,
    METHOD_NOT_IMPLEMENTED,
    MISDIRECTED,
    Reason,
)

METHOD_UNKNOWN: Final = 0  # METHOD_NONE of csrc/frame.h: CONNECT is one of those that have no number
SERVER_WIDE: Final = b"*"  # asterisk-form: OPTIONS about the server as a whole


class Target(NamedTuple):
    """Where a request goes."""

    path: bytes
    """What is matched: normalised, without the query; ``*`` for the server as a whole."""
    target: bytes
    """What the service sees: the path, and the query as it came."""
    authority: bytes
    """``host`` or ``host:port`` as it came: of the target where it has one, else of Host; empty where there is none."""
    has_own_authority: bool
    """Whether the authority is the target's own, so that Host does not count and must be replaced."""


_SEGMENT: Final = rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*"  # *pchar (RFC 3986, section 3.3)
_PATH = re.compile(rb"(?:/" + _SEGMENT + rb")+")
_QUERY = re.compile(rb"\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?{}|^\\[\]`-]|%[0-9A-Fa-f]{2})*")  # and what browsers leave
_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)([^?]*)(\?.*)?", re.DOTALL)
_AUTHORITY = re.compile(
    rb"(?:\[(?P<literal>[0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::(?P<port>[0-9]{1,5}))?"
)
_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")
_SEVERAL_SLASHES = re.compile(rb"//+")
_DOT_SEGMENT = re.compile(rb"/\.\.?(?:/|\Z)")
_DOTS_WITH_PARAMETER = re.compile(rb"/\.\.?(?:;|%3B)")  # a dot segment for servers that take parameters off first

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DECODED: Final = {byte: bytes((byte,)) if byte in _UNRESERVED else b"%%%02X" % byte for byte in range(256)}
_NUL = re.compile(rb"%00")
_DANGEROUS = re.compile(rb"%(?:[01][0-9A-F]|7F|2F|5C)")  # control bytes, '/' and '\': read as data here, not there


def read_target(
    target: bytes,
    method: int,
    host: bytes | None,
    *,
    scheme: bytes = b"http",
    is_tolerant: bool = False,
) -> Target | Reason:
    """Return where a request goes, or why it cannot go there.

    method: a ``Method``, or 0; host: the value of Host, None where there is none (HTTP/1.0 only); scheme: of the
    connection, as its TLS or a trusted proxy has it.
    """
    if host is not None and not is_authority(host):
        return BAD_HOST
    if target.startswith(b"/"):
        return _with_path(target, b"", host or b"", is_tolerant)
    if target == SERVER_WIDE:
        return Target(target, target, host or b"", False) if method == Method.OPTIONS else BAD_TARGET
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        return _read_absolute(absolute, method, scheme, is_tolerant)
    return METHOD_NOT_IMPLEMENTED if method == METHOD_UNKNOWN and is_authority(target) else BAD_TARGET


def _read_absolute(absolute: re.Match[bytes], method: int, scheme: bytes, is_tolerant: bool) -> Target | Reason:
    """Read absolute-form, whose authority wins over Host (RFC 9112, section 3.2.2)."""
    named, authority, path, query = absolute.groups(b"")
    if named.lower() not in (b"http", b"https"):
        return BAD_TARGET
    if not is_authority(authority):  # empty, or with userinfo too (RFC 9110, sections 4.2.1 and 4.2.4)
        return BAD_AUTHORITY
    if named.lower() != scheme:  # https must not come over what is not secured (RFC 9110, section 7.4)
        return MISDIRECTED
    if not path and not query and method == Method.OPTIONS:
        return Target(SERVER_WIDE, SERVER_WIDE, authority, True)  # RFC 9112, section 3.2.4
    return _with_path((path or b"/") + query, authority, b"", is_tolerant)


def _with_path(target: bytes, authority: bytes, host: bytes, is_tolerant: bool) -> Target | Reason:
    path, question, _ = target.partition(b"?")
    query = target[len(path) :]
    if not _PATH.fullmatch(path) or (question and not _QUERY.fullmatch(query)):
        return BAD_TARGET
    normalised = normalise_path(path, is_tolerant=is_tolerant)
    if normalised is None:
        return BAD_PATH
    return Target(normalised, normalised + query, authority or host, bool(authority))


def is_authority(text: bytes) -> bool:
    """Whether it is ``host`` or ``host:port``: a name, an IPv4 address, or an IPv6 address in brackets; no userinfo."""
    found = _AUTHORITY.fullmatch(text)
    return found is not None and int(found["port"] or 0) <= 65535


def normalise_path(path: bytes, *, is_tolerant: bool = False) -> bytes | None:
    r"""Return a path of RFC 3986 characters in its one form, or None where it is refused.

    What need not be encoded is decoded, and hexadecimal digits are in upper case (RFC 3986, sections 6.2.2.1 and
    6.2.2.2). Then strict: no dot segments, no empty segments but a last one, no encoded control bytes, ``/`` or ``\``.
    Tolerant: dot segments are removed (section 5.2.4) unless they would leave the root, empty segments are merged with
    the next one, and encoded separators stay encoded; only NUL is refused. In both modes dots with a parameter,
    ``..;x``, are refused: for some that is a dot segment, for others data, and no other form is equal for both.
    """
    if b"%" in path:
        path = _ENCODED.sub(lambda encoded: _DECODED[int(encoded[1], 16)], path)
    if _DOTS_WITH_PARAMETER.search(path):
        return None
    if is_tolerant:
        return None if _NUL.search(path) else _remove_dots(_SEVERAL_SLASHES.sub(b"/", path))
    is_refused = b"//" in path or _DOT_SEGMENT.search(path) or _DANGEROUS.search(path)
    return None if is_refused else path


def _remove_dots(path: bytes) -> bytes | None:
    if not _DOT_SEGMENT.search(path):
        return path
    kept: list[bytes] = []
    segments = path[1:].split(b"/")
    for segment in segments:
        if segment == b"..":
            if not kept:
                return None  # above the root: RFC 3986 would stay there, and whoever counts differently would not
            kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")  # what they stand for is a folder
    return b"/" + b"/".join(kept)
