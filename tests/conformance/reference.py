"""A second opinion: where requests begin and end in a stream of bytes, read as strictly as the rules allow.

Small, slow, and with nothing of the gateway's in it: regular expressions from the grammars of RFC 9112. It knows
only requests of the shape that the tests of desynchronisation send; whatever else it meets, it refuses.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

import h11

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PATH = rb"(?:/(?!\.\.?[/ ])[A-Za-z0-9._~-]+)+"  # without empty and dot segments
_REQUEST_LINE = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (" + _PATH + rb") HTTP/1\.([01])\r\n")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\r\n")
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=-]+(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,20}")
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + _EXTENSION + rb")*")
_NEVER_NOMINATED = {b"host", b"content-length", b"transfer-encoding"}

LENGTH_MAX = 1 << 53
BODY_MAX = 960 * 1024
"""What the gateway takes for an endpoint that does not stream."""


class End(Enum):
    """How the bytes end."""

    CLOSED = "a request asked for the end of the connection"
    REFUSED = "what follows is no request"
    INCOMPLETE = "there is less than a request"


class RefusedError(Exception):
    """What is there is no request."""


class MissingError(Exception):
    """There is not enough to say."""


@dataclass(slots=True)
class Request:
    """One request: its target, its body, and where it ends."""

    target: str
    body: bytes
    end: int
    closes: bool


@dataclass(slots=True)
class Delimited:
    """All requests, and how the bytes end."""

    requests: list[Request] = field(default_factory=list)
    end: End = End.INCOMPLETE


def delimit(data: bytes) -> Delimited:
    """Return the requests that data is made of."""
    found = Delimited()
    at = 0
    try:
        while True:
            request = _read_request(data, at)
            found.requests.append(request)
            at = request.end
            if request.closes:
                found.end = End.CLOSED
                return found
    except RefusedError:
        found.end = End.REFUSED
    except MissingError:
        found.end = End.INCOMPLETE
    return found


def _read_request(data: bytes, at: int) -> Request:
    head_end = data.find(b"\r\n\r\n", at)
    if head_end < 0:
        raise MissingError
    head = data[at : head_end + 2]
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise RefusedError
    fields = _read_fields(head[line.end() :])
    is_1_0 = line[3] == b"0"
    options = {option.strip(b" \t").lower() for value in fields.get(b"connection", []) for option in value.split(b",")}
    if options & _NEVER_NOMINATED or not all(re.fullmatch(_TOKEN, option) for option in options - {b""}):
        raise RefusedError
    hosts = fields.get(b"host", [])
    if len(hosts) > 1 or (not hosts and not is_1_0) or (hosts and not _HOST.fullmatch(hosts[0])):
        raise RefusedError
    body, end = _read_body(data, head_end + 4, fields, is_1_0)
    closes = b"close" in options or (is_1_0 and b"keep-alive" not in options)
    return Request(line[2].decode(), body, end, closes)


def _read_fields(block: bytes) -> dict[bytes, list[bytes]]:
    fields: dict[bytes, list[bytes]] = {}
    at = 0
    while at < len(block):
        found = _FIELD.match(block, at)
        if found is None:
            raise RefusedError
        fields.setdefault(found[1].lower(), []).append(found[2])
        at = found.end()
    return fields


def _read_body(data: bytes, at: int, fields: dict[bytes, list[bytes]], is_1_0: bool) -> tuple[bytes, int]:
    lengths, encodings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    if encodings:
        if lengths or is_1_0 or len(encodings) > 1 or encodings[0].lower() != b"chunked":
            raise RefusedError
        return _read_chunks(data, at)
    if not lengths:
        return b"", at
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]) or int(lengths[0]) > BODY_MAX:
        raise RefusedError
    end = at + int(lengths[0])
    if end > len(data):
        raise MissingError
    return data[at:end], end


def _read_chunks(data: bytes, at: int) -> tuple[bytes, int]:
    body = b""
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            raise MissingError
        line = _CHUNK.fullmatch(data[at:line_end])
        if line is None or int(line[1], 16) > LENGTH_MAX or line_end - at > 254:
            raise RefusedError
        size, at = int(line[1], 16), line_end + 2
        if not size:
            return body, _read_trailers(data, at)
        if at + size + 2 > len(data):
            raise MissingError  # or refused at once, if what is there is wrong already
        if data[at + size : at + size + 2] != b"\r\n":
            raise RefusedError
        body += data[at : at + size]
        at += size + 2


def _read_trailers(data: bytes, at: int) -> int:
    if data.startswith(b"\r\n", at):
        return at + 2
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        raise MissingError
    _read_fields(data[at : end + 2])
    return end + 4


def delimit_with_h11(data: bytes) -> list[tuple[str, bytes]]:
    """Return target and body of each request that h11 finds in data before it refuses one or needs more."""
    found: list[tuple[str, bytes]] = []
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    try:
        while isinstance(request := connection.next_event(), h11.Request):
            body = b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += event.data
            if not isinstance(event, h11.EndOfMessage):
                break
            found.append((request.target.decode("latin-1"), body))
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.their_state is not h11.DONE or connection.our_state is not h11.DONE:
                break
            connection.start_next_cycle()
    except h11.RemoteProtocolError:
        pass
    return found
