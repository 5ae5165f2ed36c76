"""Merged: the answers of several legs as one JSON document, in a shape that does not change within a version.

    {"version": 1, "complete": false, "legs": [
        {"name": "billing", "instance": "", "ok": true, "status": 200, "reason": null, "ms": 1.9, "body": {"due": 3}},
        {"name": "orders", "instance": "", "ok": false, "status": null, "reason": "fanout_leg_timeout", "ms": 1000.2}]}

A body that is JSON stands in ``body`` as it came; another text in ``text``, all else in ``base64``. Of a leg without an
answer, or with an empty one, none of the three is there. ``complete`` says whether every leg is ok.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from frames.fields import decode_fields, encode_response, find_named
from frames.frame import FieldId, FrameError
from frames.limits import FIELD_ENTRY_BYTES, RESPONSE_FIXED_BYTES
from proxy.fanout.results import LegResult

VERSION: Final = 1
_FIELDS: Final = (
    (FieldId.NAMED, b"content-type", b"application/json"),
    (FieldId.NAMED, b"cache-control", b"no-store"),
)
_OK: Final = 200
_encode = msgspec.json.Encoder().encode


class LegName(NamedTuple):
    """What a document calls a leg. instance: empty where one of its service is asked."""

    name: str
    instance: str = ""


def merged_payload(names: Sequence[LegName], results: Sequence[LegResult]) -> tuple[bytes, int] | None:
    """Return the RESPONSE's payload and how much of it is body; None where it is longer than a frame can be."""
    body = merge(names, results)
    try:
        return encode_response(_OK, _FIELDS, body), len(body)
    except FrameError:
        return None


def merge(names: Sequence[LegName], results: Sequence[LegResult]) -> bytes:
    """Return the document, with a line end for those who look at it in a terminal."""
    legs = [_leg(name, result) for name, result in zip(names, results, strict=True)]
    return _encode({"version": VERSION, "complete": all(leg["ok"] for leg in legs), "legs": legs}) + b"\n"


def head_payload(payload: bytes, body_bytes: int) -> bytes:
    """Return a RESPONSE's payload as the answer to HEAD: without its body, whose length is said (section 3, field 10).

    body_bytes: the last bytes of the payload, which are the body.
    """
    count = int.from_bytes(payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    fields = [field for field in decode_fields(payload, RESPONSE_FIXED_BYTES, count, text_at) if field[0] != _LENGTH]
    said = [(FieldId.BODY_LENGTH, b"", b"%d" % body_bytes)] if body_bytes else []
    return encode_response(int.from_bytes(payload[:2]), [*said, *fields])


_LENGTH: Final = FieldId.BODY_LENGTH


def _leg(name: LegName, result: LegResult) -> dict[str, Any]:
    leg: dict[str, Any] = {
        "name": name.name,
        "instance": name.instance,
        "ok": result.is_good,
        "status": result.status or None,
        "reason": None if result.reason is None else result.reason.code,
        "ms": round(result.ms, 1),
    }
    return leg | _body(result) if result.body_bytes else leg


def _body(result: LegResult) -> dict[str, Any]:
    body, content_type = result.body, _field(result.payload, b"content-type").partition(b";")[0].strip().lower()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(body).decode()}
    if _is_json(content_type) and _reads(body):
        return {"body": msgspec.Raw(body.strip())}
    return {"text": text}


def _is_json(content_type: bytes) -> bool:
    return content_type == b"application/json" or content_type.endswith(b"+json")


def _reads(body: bytes) -> bool:
    """Whether a body is one JSON value, so that it does not break the document that it is put into."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _field(payload: bytes, name: bytes) -> bytes:
    count = int.from_bytes(payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    return find_named(payload, RESPONSE_FIXED_BYTES, count, text_at, name) or b""
