"""What one metric is called, and what it says."""

from typing import Literal, NamedTuple


class MetricName(NamedTuple):
    """One metric family, and its help text: one sentence."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """Of a histogram, without the last, which is infinite."""
