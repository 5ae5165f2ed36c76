"""The C codec agrees with its Python twin: on valid streams, near misses and noise, however they are split."""

import frame_twin
from frame_support import as_found, mutated_streams, scan_pieces, streams
from hypothesis import given
from hypothesis import strategies as st

from frames import codec

anything = st.one_of(streams, mutated_streams(), st.binary(max_size=64))


@given(streams)
def test_valid_streams_are_read_whole(data: bytes) -> None:
    found = as_found(codec.scan(data))
    assert (found.consumed, found.needed, found.error) == (len(data), 0, "OK")
    assert found == frame_twin.scan(data)


@given(streams)
def test_what_was_read_is_written_back_the_same(data: bytes) -> None:
    found = codec.scan(data)
    written = [codec.encode_frame(view.type, view.flags, view.exchange, found.payload(view)) for view in found.frames]
    assert b"".join(written) == data


@given(mutated_streams())
def test_near_misses_are_judged_the_same(data: bytes) -> None:
    assert as_found(codec.scan(data)) == frame_twin.scan(data)


@given(st.binary(max_size=200))
def test_noise_is_judged_the_same(data: bytes) -> None:
    assert as_found(codec.scan(data)) == frame_twin.scan(data)


@given(anything)
def test_byte_by_byte_is_judged_as_the_whole(data: bytes) -> None:
    assert scan_pieces([data[at : at + 1] for at in range(len(data))] or [b""]) == frame_twin.scan(data)


@given(anything, st.data())
def test_any_two_parts_are_judged_as_the_whole(data: bytes, choose: st.DataObject) -> None:
    at = choose.draw(st.integers(0, len(data)))
    assert scan_pieces([data[:at], data[at:]]) == frame_twin.scan(data)


@given(streams)
def test_decode_fields_reads_what_the_scan_reads(data: bytes) -> None:
    found = codec.scan(data)
    fixed_bytes = {6: 12, 7: 4, 9: 4}
    for view in found.frames:
        if view.type in fixed_bytes:
            table = fixed_bytes[view.type]
            text = table + 4 * view.field_count + view.target_bytes
            assert codec.decode_fields(found.payload(view), table, view.field_count, text) == found.fields(view)
