"""A page of metrics, of figures that a test has made up."""

from collections.abc import Generator
from typing import TypeVar

from proxy.admin.exposition import content_type_for
from proxy.admin.figures import Figures
from proxy.admin.metrics import Metrics
from proxy.admin.traffic_figures import ProcessFigures

T = TypeVar("T")

PROCESS = ProcessFigures(41, 1.5, 2_000, 3_000, 17, 1_024, 1_700_000_000.0)


def render(figures: Figures, accept: str = "", metrics: Metrics | None = None) -> tuple[str, bytes]:
    """Content type and body."""
    content_type = content_type_for(accept)
    return content_type, "".join((metrics or Metrics()).text(figures, content_type, PROCESS)).encode()


def result_of(steps: Generator[str, None, T]) -> T:
    """What steps return in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
