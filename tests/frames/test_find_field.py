import pytest

from frames.fields import Field, decode_fields, encode_request, find_field, find_named
from frames.frame import FieldId, Method
from frames.limits import FIELD_ENTRY_BYTES, REQUEST_FIXED_BYTES

TARGET = b"/a"
FIELDS: list[Field] = [
    (FieldId.TENANT, b"", b"acme"),
    (FieldId.REQUEST_ID, b"", b"r-1"),
    (FieldId.NAMED, b"host", b"example"),
    (FieldId.TRACE, b"", bytes(range(25))),
]
PAYLOAD = encode_request(1_000, 0, Method.GET, TARGET, FIELDS, b"body")
TEXT = REQUEST_FIXED_BYTES + FIELD_ENTRY_BYTES * len(FIELDS) + len(TARGET)


@pytest.mark.parametrize("field_id", list(FieldId)[1:])
def test_a_context_field_is_found_as_decoding_all_finds_it(field_id: FieldId) -> None:
    all_fields = decode_fields(PAYLOAD, REQUEST_FIXED_BYTES, len(FIELDS), TEXT)
    expected = next((value for found, _, value in all_fields if found == field_id), None)
    assert find_field(PAYLOAD, REQUEST_FIXED_BYTES, len(FIELDS), TEXT, field_id) == expected


def test_nothing_is_found_among_no_fields() -> None:
    assert find_field(PAYLOAD, REQUEST_FIXED_BYTES, 0, TEXT, FieldId.TENANT) is None


@pytest.mark.parametrize(("name", "value"), [(b"host", b"example"), (b"hos", None), (b"example", None)])
def test_a_named_field_is_found_by_its_whole_name(name: bytes, value: bytes | None) -> None:
    fields = [*FIELDS, (FieldId.NAMED, b"x", b"host"), (FieldId.NAMED, b"host", b"second")]
    payload = encode_request(1_000, 0, Method.GET, TARGET, fields)
    text = REQUEST_FIXED_BYTES + FIELD_ENTRY_BYTES * len(fields) + len(TARGET)
    assert (find_named(payload, REQUEST_FIXED_BYTES, len(fields), text, name) or None) == value
