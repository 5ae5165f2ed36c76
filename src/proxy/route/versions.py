"""Versions: the version that a request asks for, by a header field or before its path (stages).

    x-service-version: 1.4.0        a version; or a range, ^1.2, where the route takes ranges
    GET /@1.4.0/invoices/42         the same; what is not allowed in a path is percent-encoded there: /@%5E1.2/invoices

What stands before the path is taken off once the path is normalised and before anything is matched, so that rules and
services see the path alone. Who names no version gets the route's default.
"""

from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote_from_bytes, unquote_to_bytes

from frames.template import quoted
from frames.wire_values import HEAD_HAS_MORE, HEAD_ODD, SERVICE_VERSION_FIELD, RequestHead
from proxy.errors import INTERNAL, VERSION_INVALID, VERSION_UNKNOWN
from proxy.request.exchange import NEEDS_TASK, VERSION_IN_PATH, VERSION_NAMED, Exchange
from proxy.request.stage import Answer, Stage, for_flags

if TYPE_CHECKING:
    from proxy.route.choice import Choice

VERSIONS_TOLD_MAX: Final = 16
"""To who asks for one that is not there."""

_DIFFERENT: Final = Answer(VERSION_INVALID, "The path asks for another version than the header field.")


if TYPE_CHECKING:

    class HeadPort(Protocol):
        """What is asked of the wire about a request whose path names a version."""

        def request_head(self, exchange: int, /) -> RequestHead | None:
            """Return what was read of its head."""
            ...


def make_choose_version(header: str, *, is_in_path: bool = False) -> Stage:
    """Return the stage. header: the name of the field, empty for none; is_in_path: the path may name a version, too.

    It is for after match, and before whatever chooses among the versions for who named none.
    """
    name = header.lower().encode("ascii")
    told = HEAD_HAS_MORE if name == SERVICE_VERSION_FIELD else 0  # of any other, only looking tells whether it is there

    def choose_by_header(exchange: Exchange) -> Answer | None:
        if exchange.flags & told != told:
            return None
        asked = exchange.fields.named_field(exchange.id, name)
        return None if asked is None else _take_version(exchange, asked)

    def choose_by_either(exchange: Exchange) -> Answer | None:
        is_asked = name and exchange.flags & told == told
        asked = exchange.fields.named_field(exchange.id, name) if is_asked else None
        if exchange.flags & VERSION_IN_PATH:
            if asked is not None and asked != exchange.version:
                return _DIFFERENT
            asked = exchange.version
        return None if asked is None else _take_version(exchange, asked)

    stage = choose_by_either if is_in_path else choose_by_header
    return stage if name and not told else for_flags(told | VERSION_IN_PATH)(stage)


def _take_version(exchange: Exchange, asked: bytes) -> Answer | None:
    choice: Choice = exchange.route.choice
    candidates = choice.find(asked)
    if candidates is None:
        return _refuse(choice, asked.decode("latin-1"))
    exchange.offers = candidates.offers
    exchange.flags |= VERSION_NAMED
    return None


def _refuse(choice: "Choice", asked: str) -> Answer:
    """Say why there is nothing for what was asked."""
    from penstock.semver import VersionError, is_version, parse_range

    if not is_version(asked):
        try:
            parse_range(asked)
        except VersionError as error:
            return Answer(VERSION_INVALID, f"{error}.")
        if not choice.takes_ranges:
            return Answer(VERSION_INVALID, f"{quoted(asked)} is a range; this path takes exact versions only.")
    versions = choice.versions
    told, more = ", ".join(versions[:VERSIONS_TOLD_MAX]), len(versions) - VERSIONS_TOLD_MAX
    there = f"there are {told}" if versions else "there is none now"
    return Answer(VERSION_UNKNOWN, f"{quoted(asked)}: {there}{f' and {more} more' if more > 0 else ''}.")


def make_take_version_prefix(port: "HeadPort") -> Stage:
    """Return the stage that takes the version off the path. It is for after head and before match.

    The request then goes the way of those whose target is another one than came, as an absolute target does.
    """

    def take_version_prefix(exchange: Exchange) -> Answer | None:
        return _take_prefix(exchange, port) if exchange.path[1:2] == b"@" else None

    return take_version_prefix


def _take_prefix(exchange: Exchange, port: "HeadPort") -> Answer | None:
    path = exchange.path
    named, _, rest = path[2:].partition(b"/")
    if not exchange.flags & NEEDS_TASK:
        head = exchange.head if exchange.flags & HEAD_ODD else port.request_head(exchange.id)
        if head is None:
            return Answer(INTERNAL)
        exchange.head, exchange.content_length = head, head.content_length
        exchange.target, exchange.authority = head.target, None
    exchange.path = b"/" + rest
    exchange.target = exchange.path + exchange.target[len(path) :]
    exchange.version = unquote_to_bytes(named)
    exchange.flags |= NEEDS_TASK | HEAD_ODD | VERSION_IN_PATH
    return None


def version_prefix(exchange: Exchange) -> bytes:
    """Return what was taken off the path, as it is written in one; nothing where it named no version."""
    if not exchange.flags & VERSION_IN_PATH:
        return b""
    return b"/@" + quote_from_bytes(exchange.version, safe="~*").encode("ascii")
