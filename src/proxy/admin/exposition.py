"""Metrics as text: the Prometheus text format 0.0.4, and OpenMetrics 1.0.

Seventy thousand series of a thousand routes are written while requests are served on the same interpreter. So this
writes each of them once, in one expression, instead of making an object of it first; and in pieces, between which
others can have their turn.
"""

import math
from collections.abc import Iterable, Iterator
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
    """How families are written in one of the formats. Each piece of text is a few whole lines."""

    def __init__(self, content_type: str) -> None:
        """content_type: TEXT or OPENMETRICS."""
        self.content_type = content_type
        self._is_open = content_type == OPENMETRICS

    def plain(self, name: MetricName, samples: Samples) -> Iterator[str]:
        """Write a family of counters or gauges."""
        yield self._beginning(name)
        names, family = name.labels, name.name
        for labels, value in samples:
            braces = f"{{{labelled(names, labels)}}}" if labels else ""
            yield f"{family}{braces} {number(value)}\n"

    def histogram(self, name: MetricName, samples: Distributions) -> Iterator[str]:
        """Write a family of histograms. One with other bounds, of another version, is left out."""
        yield self._beginning(name)
        family = name.name
        ends = [f'le="{number(bound)}"}} ' for bound in (*name.bounds, math.inf)]
        for values, each in samples:
            if len(each.within) != len(ends):
                continue
            labels = labelled(name.labels, values)
            start = f"{family}_bucket{{{labels}," if labels else f"{family}_bucket{{"
            buckets = "".join([f"{start}{end}{count}\n" for end, count in zip(ends, each.within, strict=True)])
            braces = f"{{{labels}}}" if labels else ""
            yield f"{buckets}{family}_sum{braces} {number(each.total)}\n{family}_count{braces} {each.within[-1]}\n"

    def end(self) -> Iterator[str]:
        """Write what stands behind all families."""
        if self._is_open:
            yield "# EOF\n"

    def _beginning(self, name: MetricName) -> str:
        family, kind = name.name, str(name.kind)
        help_text = name.help.translate(_ESCAPES if self._is_open else _HELP_ESCAPES)
        if self._is_open:
            family = family.removesuffix("_total" if kind == "counter" else "_info" if kind == "info" else "")
        elif kind == "info":
            kind = "gauge"
        return f"# HELP {family} {help_text}\n# TYPE {family} {kind}\n"
