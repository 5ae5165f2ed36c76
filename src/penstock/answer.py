"""From what a handler returned to the payload of a RESPONSE frame (docs/protocol.md, section 4).

| returned | becomes |
| --- | --- |
| dict, list, msgspec struct, dataclass, number, ... | 200, JSON |
| str | 200, `text/plain; charset=utf-8` |
| bytes | 200, `application/octet-stream` |
| None | 204 |
| (status, value), (status, value, headers) | the same with that status and those fields |
| `Response(...)` | the same, spelled out |

The head of most answers is one of a few: a status and a content type. Those heads are made once and kept as bytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from frames.fields import Field, response_head
from frames.frame import FieldId, FrameError
from frames.limits import FIELD_ENTRY_BYTES, RESPONSE_FIXED_BYTES
from penstock.call import Call
from penstock.errors import AnswerError, FieldProblem, Problem

__all__ = ["BODILESS", "Response", "body_offset", "encode_answer", "header_fields", "problem_answer", "problem_of"]

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
PROBLEM = "application/problem+json"

Fields = Mapping[str, str] | Iterable[tuple[str, str]]

encode_json = msgspec.json.Encoder().encode
BODILESS = (204, 304)
"""RFC 9110, sections 15.3.5 and 15.4.5."""

_heads: dict[tuple[int, str], bytes] = {}


class Response:
    """An answer, spelled out.

    `value` is what a handler could also return by itself; `headers` is a mapping, or pairs, which may repeat a name. A
    `content-type` among the headers replaces the one that goes with the value.
    """

    __slots__ = ("headers", "status", "value")

    def __init__(self, value: object = None, status: int | None = None, headers: Fields = ()) -> None:
        """Take the value, the status (default: 200, or 204 for None) and the header fields."""
        self.value = value
        self.status = status
        self.headers = headers

    def __repr__(self) -> str:
        """Status and kind of value, on one line."""
        return f"<Response {self.status} {type(self.value).__name__}>"


def encode_answer(value: object) -> bytes:
    """Return the payload of the RESPONSE for what a handler returned. Raises `AnswerError` when it cannot be sent."""
    kind = type(value)
    if kind is dict or kind is list:
        return JSON_200 + encode_json(value)
    if kind is tuple:
        return _encode_tuple(value)  # type: ignore[arg-type] # its type was just compared
    if isinstance(value, Response):
        return _encode_response(value.value, value.status, value.headers)
    return _encode_response(value, None, ())


def _encode_tuple(answer: tuple[Any, ...]) -> bytes:
    if len(answer) == 2 and type(answer[1]) is dict:
        return _head(answer[0], JSON) + encode_json(answer[1])
    if len(answer) not in (2, 3):
        raise AnswerError(f"a tuple has {len(answer)} parts; return (status, value) or (status, value, headers)")
    return _encode_response(answer[1], answer[0], answer[2] if len(answer) == 3 else ())


def _encode_response(value: object, status: int | None, headers: Fields) -> bytes:
    content_type, body = _encode_value(value)
    if status is None:
        status = 204 if value is None else 200
    if not body and status in BODILESS:
        content_type = ""
    if not headers:
        return _head(status, content_type) + body
    return _head_with(status, content_type, headers) + body


def _encode_value(value: object) -> tuple[str, bytes]:
    if value is None:
        return "", b""
    if isinstance(value, str):
        return TEXT, value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return BYTES, bytes(value)
    return JSON, encode_json(value)


def _head(status: int, content_type: str) -> bytes:
    head = _heads.get((status, content_type))
    if head is None:
        head = _heads[status, content_type] = _make_head(status, _content_type(status, content_type))
    return head


def _head_with(status: int, content_type: str, headers: Fields) -> bytes:
    fields = header_fields(headers)
    if not any(name == b"content-type" for _, name, _ in fields):
        fields = _content_type(status, content_type) + fields
    return _make_head(status, fields)


def header_fields(headers: Fields) -> list[Field]:
    """Return header fields as frames carry them. Raises `AnswerError` for a name or value that is no text, or not for
    a header.
    """
    return [_field(name, value) for name, value in (headers.items() if isinstance(headers, Mapping) else headers)]


def body_offset(payload: bytes) -> int:
    """Return where the body begins in the payload of a RESPONSE that was made here."""
    count = int.from_bytes(payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    entries = (payload[at : at + FIELD_ENTRY_BYTES] for at in range(RESPONSE_FIXED_BYTES, text_at, FIELD_ENTRY_BYTES))
    return text_at + sum(entry[1] + int.from_bytes(entry[2:]) for entry in entries)


def _content_type(status: int, value: str) -> list[Field]:
    if value and status in BODILESS:
        raise AnswerError(f"status {status} has no body, but a value was returned with it; return ({status}, None)")
    return [_field("content-type", value)] if value else []


def _make_head(status: int, fields: list[Field]) -> bytes:
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise AnswerError(f"the status is {status!r}; it must be an integer from 200 to 599")
    try:
        return response_head(status, fields)
    except FrameError as error:  # it checks names, values and their number
        raise AnswerError(f"headers: {error}") from error


def _field(name: object, value: object) -> Field:
    if not isinstance(name, str) or not isinstance(value, str):
        raise AnswerError(
            f"header {name!r}: name and value must be text, not {type(name).__name__} and {type(value).__name__}"
        )
    try:
        return FieldId.NAMED, name.lower().encode("ascii"), value.strip(" \t").encode("latin-1")
    except UnicodeEncodeError as error:
        raise AnswerError(
            f"header {name!r} holds characters that a header cannot carry; percent-encode them"
        ) from error


def problem_answer(
    call: Call, status: int, reason: str, detail: str | None = None, errors: tuple[FieldProblem, ...] = ()
) -> bytes:
    """Return the payload of an answer with problem+json (RFC 9457), and in it the ids that the logs have too."""
    problem: dict[str, object] = {"title": _title(status), "status": status, "reason": reason}
    if detail:
        problem["detail"] = detail
    if errors:
        problem["errors"] = errors
    if call.request_id:
        problem["request_id"] = call.request_id
    if call.correlation_id:
        problem["correlation_id"] = call.correlation_id
    return _head(status, PROBLEM) + encode_json(problem)


def _title(status: int) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:  # a status that no standard names
        return "Error"


def problem_of(call: Call, problem: Problem) -> bytes:
    """Return the answer to a `Problem` that a handler raised."""
    return problem_answer(call, problem.status, problem.reason, problem.detail, problem.errors)


JSON_200 = _head(200, JSON)
