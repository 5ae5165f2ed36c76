"""Builds ``frames._native`` from the C in this folder (cffi, API mode, out of line, abi3).

The headers are the contract, for C and for Python alike: what stands in them between ``cdef: begin`` and ``cdef: end``
is what Python sees. This is the one place with compiler flags for the extension.
"""

import re
from pathlib import Path

from cffi import FFI

FOLDER = Path(__file__).resolve().parent
HEADERS = (
    "frame.h",
    "http1_head.h",
    "http1_body.h",
    "http1_response.h",
    "latency_sums.h",
    "record.h",
    "wire_values.h",
    "wire.h",
)
COMPILER_FLAGS = ["-O3", "-std=gnu11", "-Wall", "-Wextra", "-fvisibility=hidden", "-D_GNU_SOURCE"]


def declarations(header: Path) -> str:
    """Return the parts of a header that Python sees."""
    return "\n".join(re.findall(r"/\* cdef: begin \*/(.*?)/\* cdef: end \*/", header.read_text(), re.DOTALL))


def sources() -> list[str]:
    """Return the C files of the extension; tests and fuzzers are built by the Makefile."""
    return [f"csrc/{path.name}" for path in sorted(FOLDER.glob("*.c")) if not path.name.startswith("test_")]


def make_builder() -> FFI:
    """Return the cffi builder that setup.py runs."""
    ffi = FFI()
    ffi.cdef("\n".join(declarations(FOLDER / name) for name in HEADERS))
    ffi.set_source(
        "frames._native",
        "\n".join(f'#include "{name}"' for name in HEADERS),
        sources=sources(),
        include_dirs=["csrc"],
        depends=[f"csrc/{path.name}" for path in sorted(FOLDER.glob("*.h"))],
        extra_compile_args=COMPILER_FLAGS,
        py_limited_api=True,
    )
    return ffi


builder = make_builder()
