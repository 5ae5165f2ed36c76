"""What a case of the corpus is, and how the modules of cases write theirs.

A case is raw bytes of one connection, the rule that decides about them in a few words, and what must come of them: for
each request an answer, in order. A request that reaches the service is told by what the service must see; any other by
the status that the gateway gives. The runner puts one more request behind the bytes, which is answered exactly if the
connection stays open after them: so a case also says where the gateway must think that it ends.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ANY = "(any)"
"""As the value of a field: it must be there, with whatever value."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the service must see it. fields and trailers: name (lower case) to value; None: must not be there;
    several values of one name are joined by a line feed. Names that are not listed may or may not be there. trailers
    are looked at where the endpoint streams."""

    method: str = "GET"
    target: str = "/echo"
    fields: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes = b""
    trailers: Mapping[str, str | None] = field(default_factory=dict)


Answer = Seen | int
"""What must come of one request: seen by the service and answered by it with 200, or this status from the gateway."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answers, and whether the connection ends after them."""

    answers: tuple[Answer, ...]
    closes: bool


@dataclass(frozen=True, slots=True)
class Case:
    """id: RFC, section, and a name, such as ``9112-3.2-host-missing``."""

    id: str
    rule: str
    data: bytes
    strict: Verdict
    tolerant: Verdict
    ends: bool = False  # the client closes its side behind the bytes: they are less than a request

    @property
    def section(self) -> str:
        """Such as ``9112-3.2``."""
        match = re.match(r"91\d\d-[0-9.]+", self.id)
        assert match, self.id
        return match[0]


def ok(name: str, rule: str, data: bytes, *seen: Answer, closes: bool = False) -> Case:
    """Return a case of requests that are carried, in both modes."""
    verdict = Verdict(seen or (Seen(),), closes)
    return Case(name, rule, data, verdict, verdict)


def bad(
    name: str,
    rule: str,
    data: bytes,
    status: int = 400,
    *,
    before: Sequence[Answer] = (),
    tolerant: Seen | int | None = None,
) -> Case:
    """Return a case whose last request is refused, after which the connection ends.

    before: what comes of the requests before it; tolerant: what comes of it in the tolerant mode, where that differs.
    """
    strict = Verdict((*before, status), closes=True)
    if tolerant is None:
        return Case(name, rule, data, strict, strict)
    return Case(name, rule, data, strict, Verdict((*before, tolerant), closes=isinstance(tolerant, int)))


def truncated(name: str, rule: str, data: bytes, *before: Answer) -> Case:
    """Return a case that ends before its last request does: no service answers that one."""
    verdict = Verdict(before, closes=True)
    return Case(name, rule, data, verdict, verdict, ends=True)


# ---- bytes ----

Line = str | bytes


def as_bytes(line: Line) -> bytes:
    """Return text as the bytes that it stands for, one for each character."""
    return line if isinstance(line, bytes) else line.encode("latin-1")


def lines(*of_head: Line) -> bytes:
    """Return lines with CR LF after each, and the empty line that ends a head."""
    return b"".join(as_bytes(line) + b"\r\n" for line in of_head) + b"\r\n"


def get(*fields: Line, target: Line = "/echo", host: str = "edge") -> bytes:
    """Return a GET request with Host and these field lines."""
    return lines(b"GET " + as_bytes(target) + b" HTTP/1.1", f"Host: {host}", *fields)


def post(*fields: Line, body: bytes = b"", method: str = "POST") -> bytes:
    """Return a POST request with Host, these field lines (the length is not added), and these bytes behind its head."""
    return lines(f"{method} /echo HTTP/1.1", "Host: edge", *fields) + body


def chunked(body: bytes, *fields: Line) -> bytes:
    """Return a POST request with Transfer-Encoding: chunked and these bytes behind its head."""
    return post("Transfer-Encoding: chunked", *fields, body=body)


POSTED = Seen("POST", body=b"abc")
EMPTY_POST = Seen("POST")
