"""The bounds of the histograms: values that are at most a bound are counted as within it.

They are few, since each is a series for each route. Percentiles between them are for `penstock top`, which reads the
counts themselves.
"""

from typing import Final

REQUEST_BOUNDS_S: Final = (
    *(0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
"""From what a gateway and a fast service take together to the longest deadline."""

GATEWAY_BOUNDS_S: Final = (
    *(0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025),
    *(0.1, 0.25, 1.0),
)
"""From what one request costs in an idle gateway to waits for a place."""

TURN_BOUNDS_S: Final = (0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
"""A turn of the loop is to take less than 5 ms, and never 20."""

BATCH_BOUNDS: Final = (0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0, 255.0, 511.0, 1023.0)
"""As the wire counts batches: those with none, with 1, with 2 or 3, and so on (`wire_turn_figures` in C)."""


def microseconds(bounds_s: tuple[float, ...]) -> tuple[int, ...]:
    """Return bounds in the unit in which the wire counts."""
    return tuple(round(bound * 1_000_000) for bound in bounds_s)
