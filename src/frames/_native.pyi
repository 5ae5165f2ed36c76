"""The C extension, made by csrc/build.py. What ``lib`` holds is declared in csrc/*.h, between ``cdef: begin`` and
``cdef: end``.

cffi cannot be typed further: only the modules that wrap it (codec.py, chunked.py, wire.py, http1 tests) see these two
names.
"""

from typing import Any

ffi: Any
lib: Any
