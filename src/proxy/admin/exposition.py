"""Metrics as text: the Prometheus text format 0.0.4, and OpenMetrics 1.0.

Sixty thousand series of a thousand routes are written in a thread, while requests are served on the same interpreter.
So this writes each of them once, in one expression, instead of making an object of it first.
"""

import math
from collections.abc import Iterable
from typing import Final

from proxy.admin.metric_name import MetricName
from proxy.admin.traffic_figures import Distribution

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = tuple[str, ...]
Samples = Iterable[tuple[Labels, float]]
Distributions = Iterable[tuple[Labels, Distribution]]

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})


def content_type_for(accept: str) -> str:
    """Return the format for a client that accepts this. What Prometheus sends is not to be weighed further."""
    wants = any(part.split(";")[0].strip().lower() == "application/openmetrics-text" for part in accept.split(","))
    return OPENMETRICS if wants else TEXT


def number(value: float) -> str:
    """Return a number as both formats have it."""
    if isinstance(value, int):
        return str(int(value))  # of a bool, too
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def labelled(names: Labels, values: Labels) -> str:
    """Return labels as they stand within the braces."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))


class Exposition:
    """One page of metrics while it is written."""

    def __init__(self, content_type: str) -> None:
        """content_type: TEXT or OPENMETRICS."""
        self.content_type = content_type
        self._is_open = content_type == OPENMETRICS
        self._lines: list[str] = []

    def add(self, name: MetricName, samples: Samples) -> None:
        """Write a family of counters or gauges."""
        self._begin(name)
        lines, names, family = self._lines, name.labels, name.name
        if not names:
            lines.extend(f"{family} {number(value)}\n" for _, value in samples)
            return
        lines.extend(f"{family}{{{labelled(names, labels)}}} {number(value)}\n" for labels, value in samples)

    def add_histogram(self, name: MetricName, samples: Distributions) -> None:
        """Write a family of histograms. One with other bounds, of another version, is left out."""
        self._begin(name)
        lines, family = self._lines, name.name
        ends = [f'le="{number(bound)}"}} ' for bound in (*name.bounds, math.inf)]
        for values, each in samples:
            if len(each.within) != len(ends):
                continue
            labels = labelled(name.labels, values)
            start = f"{family}_bucket{{{labels}," if labels else f"{family}_bucket{{"
            lines.extend([f"{start}{end}{count}\n" for end, count in zip(ends, each.within, strict=True)])
            braces = f"{{{labels}}}" if labels else ""
            lines.append(f"{family}_sum{braces} {number(each.total)}\n{family}_count{braces} {each.within[-1]}\n")

    def body(self) -> bytes:
        """Return the page. Nothing can be added any more."""
        if self._is_open:
            self._lines.append("# EOF\n")
        return "".join(self._lines).encode("utf-8", "replace")

    def _begin(self, name: MetricName) -> None:
        family, kind = name.name, str(name.kind)
        help_text = name.help.translate(_ESCAPES if self._is_open else _HELP_ESCAPES)
        if self._is_open:
            family = family.removesuffix("_total" if kind == "counter" else "_info" if kind == "info" else "")
        elif kind == "info":
            kind = "gauge"
        self._lines.append(f"# HELP {family} {help_text}\n# TYPE {family} {kind}\n")
