"""How much traffic there is when: read from YAML, checked, and asked. No I/O but reading the file; no clock.

document  what a file says, and everything that can be wrong with it
shape     the phases of a run of a certain length, and how much is wanted at a moment
arrivals  when requests of an open loop are due whose rate changes
knee      what the steps of a run have shown
"""

from .document import ShapeError
from .shape import Shape, read, read_text

__all__ = ["Shape", "ShapeError", "read", "read_text"]
