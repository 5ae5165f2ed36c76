"""What a RESPONSE says: its fields as HTTP has them, and the same answer with other fields.

A payload is immutable, and is given to many: what changes from one to the next, Age say, is put in front of a part that
is made once.
"""

from collections.abc import Iterable
from typing import NamedTuple

from frames.fields import Field, decode_fields, encode_block
from frames.frame import FieldId
from frames.limits import FIELD_ENTRY_BYTES, FIELDS_MAX, RESPONSE_FIXED_BYTES


class Response(NamedTuple):
    """A RESPONSE that a scan has accepted, taken apart."""

    status: int
    fields: tuple[Field, ...]
    body: bytes

    def value(self, name: bytes) -> bytes | None:
        """Return the values of all fields of a name, which is in lower case, joined by commas; None: there is none."""
        values = [value for _, given, value in self.fields if given == name]
        if len(values) < 2:
            return values[0] if values else None
        return b", ".join(values)

    def has(self, name: bytes) -> bool:
        """Whether there is a field of this name."""
        return any(given == name for _, given, _ in self.fields)


def read_response(payload: bytes) -> Response:
    """Take a payload apart. Raises `frames.frame.FrameError` where it is none."""
    count = int.from_bytes(payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    fields = decode_fields(payload, RESPONSE_FIXED_BYTES, count, text_at)
    body_at = text_at + sum(len(name) + len(value) for _, name, value in fields)
    return Response(int.from_bytes(payload[:2]), tuple(fields), payload[body_at:])


class Template:
    """An answer to be given again and again, each time with other fields besides its own.

    None of ``added`` names may be among its fields; see `without`. Where it has as many fields as the protocol knows,
    none is added.
    """

    __slots__ = ("_count", "_status", "_table", "_text", "byte_count")

    def __init__(self, status: int, fields: Iterable[Field], body: bytes) -> None:
        fields = list(fields)
        self._status = status.to_bytes(2)
        self._count = len(fields)
        table, text = encode_block(fields)
        self._table = table
        self._text = text + body
        self.byte_count = len(self._table) + len(self._text)

    def filled(self, *added: tuple[bytes, bytes]) -> bytes:
        """Return the payload with these fields in front of its own."""
        if self._count + len(added) > FIELDS_MAX:
            return b"".join((self._status, self._count.to_bytes(2), self._table, self._text))
        count = (self._count + len(added)).to_bytes(2)
        entries = [b"\0%c%s" % (len(name), len(value).to_bytes(2)) for name, value in added]
        texts = [name + value for name, value in added]
        return b"".join((self._status, count, *entries, self._table, *texts, self._text))


def without(fields: Iterable[Field], *names: bytes) -> list[Field]:
    """Return the fields but those of these names, and but what belongs to one exchange alone."""
    return [field for field in fields if field[1] not in names and field[0] in (FieldId.NAMED, FieldId.BODY_LENGTH)]
