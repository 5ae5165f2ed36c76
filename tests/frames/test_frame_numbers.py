"""Python's names and bounds say the same as the C headers, and loading them loads neither C nor Trio."""

import subprocess
import sys
from enum import IntEnum

import pytest

from frames import codec, frame, limits
from frames._native import ffi, lib


@pytest.mark.parametrize(
    ("members", "prefix"),
    [
        (frame.FrameType, "FRAME_"),
        (frame.Method, "METHOD_"),
        (frame.FieldId, "FIELD_"),
        ([member for member in frame.FrameErrorCode if member], "FRAME_ERROR_"),
    ],
)
def test_enums_are_those_of_the_header(members: list[IntEnum], prefix: str) -> None:
    assert {member.name: member.value for member in members} == {
        member.name: getattr(lib, prefix + member.name) for member in members
    }


@pytest.mark.parametrize(
    "name",
    [
        *(
            "HEADER_BYTES",
            "PAYLOAD_BYTES_MAX",
            "GREETING_BYTES_MAX",
            "DATA_BYTES_MAX",
            "FIELDS_MAX",
            "TARGET_BYTES_MAX",
        ),
        *("FAULT_TEXT_BYTES_MAX", "REQUEST_FIXED_BYTES", "RESPONSE_FIXED_BYTES"),
    ],
)
def test_bounds_are_those_of_the_header(name: str) -> None:
    assert getattr(limits, name) == getattr(lib, f"FRAME_{name}")


def test_structs_are_laid_out_as_python_unpacks_them() -> None:
    names = {"frame_view": codec._VIEW, "frame_field": codec._FIELD, "frame_scan_result": codec._RESULT}
    assert {name: ffi.sizeof(name) for name in names} == {name: form.size for name, form in names.items()}
    assert codec.FrameView._fields == tuple(name for name, _ in ffi.typeof("frame_view").fields)


def test_header_written_by_c_is_the_one_written_by_python() -> None:
    header = ffi.new("uint8_t[16]")
    lib.frame_write_header(header, 3, frame.FrameType.DATA, frame.END, frame.DIALLED | 5)
    assert bytes(header) + b"abc" == codec.encode_frame(frame.FrameType.DATA, frame.END, frame.DIALLED | 5, b"abc")


def test_names_and_codec_load_no_trio() -> None:
    program = (
        "import sys, frames, frames.frame, frames.limits; assert 'frames._native' not in sys.modules;"
        "import frames.codec; assert 'trio' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
