"""Reading what came back on a connection: a small strict reader of responses; and comparing them with a verdict."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from corpus import ANY, Answer, Seen, Verdict
from echo_service import show_body


class Came(NamedTuple):
    """One final answer. echo: what the service saw, where one answered."""

    status: int
    headers: dict[str, str]
    body: bytes
    echo: dict[str, Any] | None
    interim: int

    @property
    def is_closing(self) -> bool:
        return self.headers.get("connection") == "close"

    def __str__(self) -> str:
        told = (
            self.echo if self.echo is not None else self.reason if b'"reason"' in self.body else repr(self.body[:100])
        )
        return f"{self.status} {told}"

    @property
    def reason(self) -> str:
        return str(json.loads(self.body)["reason"])


class BadAnswerError(Exception):
    """The bytes are no sequence of whole responses."""


def _read_head(data: bytes, at: int) -> tuple[int, list[tuple[str, str]], int]:
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        raise BadAnswerError(f"no end of a head: {data[at : at + 200]!r}")
    first, *rest = data[at:end].decode("latin-1").split("\r\n")
    version, status, _phrase = first.split(" ", 2)
    if version != "HTTP/1.1" or not (len(status) == 3 and status.isdigit()):
        raise BadAnswerError(f"no status line: {first!r}")
    fields = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in rest)]
    if any("\r" in line or "\n" in line or "\0" in line for line in rest):
        raise BadAnswerError(f"a control in a head: {rest!r}")
    return int(status), fields, end + 4


def _read_chunks(data: bytes, at: int) -> tuple[bytes, int]:
    body = b""
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            raise BadAnswerError("a chunk is cut off")
        size, at = int(data[at:line_end], 16), line_end + 2
        if not size:
            end = data.find(b"\r\n\r\n", at - 2)
            if end < 0:
                raise BadAnswerError("the last chunk is cut off")
            return body, end + 4
        if data[at + size : at + size + 2] != b"\r\n":
            raise BadAnswerError("a chunk is cut off")
        body += data[at : at + size]
        at += size + 2


def read_answers(data: bytes) -> Iterator[Came]:
    """Yield the answers that data is made of, or raise BadAnswerError."""
    at = interim = 0
    while at < len(data):
        status, fields, at = _read_head(data, at)
        headers = dict(fields)
        if len(headers) != len(fields):
            raise BadAnswerError(f"a field twice: {fields!r}")
        if status < 200:
            interim += 1
            continue
        echo = json.loads(headers["x-echo"]) if "x-echo" in headers else None
        body = b""
        if echo is None or echo["method"] != "HEAD":
            if "transfer-encoding" in headers:
                body, at = _read_chunks(data, at)
            elif "content-length" in headers:
                end = at + int(headers["content-length"])
                if at == len(data) and status >= 400 and echo is None:
                    end = at  # a refusal of HEAD
                if end > len(data):
                    raise BadAnswerError("a body is cut off")
                body, at = data[at:end], end
        yield Came(status, headers, body, echo, interim)
        interim = 0


def _group(pairs: list[tuple[str, str]]) -> dict[str, str]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return {name: "\n".join(values) for name, values in grouped.items()}


def _differing(what: str, there: dict[str, str], wanted: Any) -> Iterator[str]:
    for name, value in wanted.items():
        if (there.get(name) is None) if value is ANY else (there.get(name) != value):
            yield f"{what} {name}: {there.get(name)!r} instead of {value!r}"


def compare_answer(came: Came, wanted: Answer, *, streams: bool) -> Iterator[str]:
    """Yield what is wrong with an answer. streams: trailers reach the service."""
    if isinstance(wanted, int):
        if came.status != wanted or came.echo is not None:
            yield f"{came} instead of {wanted}"
        return
    if came.echo is None:
        yield f"{came} instead of {wanted}"
        return
    saw = came.echo
    if (saw["method"], saw["target"]) != (wanted.method, wanted.target):
        yield f"{saw['method']} {saw['target']!r} instead of {wanted.method} {wanted.target!r}"
    if saw["body"] != show_body(wanted.body):
        yield f"body {saw['body'][:100]!r} instead of {wanted.body[:100]!r}"
    yield from _differing("field", _group(saw["fields"]), wanted.fields)
    if streams:
        yield from _differing("trailer", _group(saw["trailers"]), wanted.trailers)


AFTER = b"GET /after HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n"
AFTER_SEEN = Seen(target="/after")


def wanted_answers(verdict: Verdict) -> tuple[Answer, ...]:
    """Return all answers to the bytes of a case with AFTER behind them."""
    return verdict.answers if verdict.closes else (*verdict.answers, AFTER_SEEN)


def compare(data: bytes, verdict: Verdict, *, streams: bool, ends: bool = False) -> list[str]:
    """Return what is wrong with all that came on a connection until its end.

    ends: the client closed its side in the midst of a request, so that it may get fewer answers, or an error last.
    """
    try:
        came = list(read_answers(data))
    except (BadAnswerError, ValueError) as error:
        return [f"{error}: {data[:300]!r}"]
    wanted = wanted_answers(verdict)
    if ends:
        if len(came) == len(wanted) + 1 and came[-1].status in (400, 408) and came[-1].is_closing:
            came.pop()
        wanted = wanted[: len(came)]
    if len(came) != len(wanted):
        return [f"{[str(one) for one in came]} instead of {len(wanted)} answers: {wanted}"]
    wrong = [text for one, two in zip(came, wanted, strict=True) for text in compare_answer(one, two, streams=streams)]
    if came and not ends and not came[-1].is_closing:
        wrong.append("the last answer does not say that the connection ends")
    wrong += [
        f"answer {number} says that the connection ends" for number, one in enumerate(came[:-1]) if one.is_closing
    ]
    return wrong
