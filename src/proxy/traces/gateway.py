"""How the spans of a gateway go to a collector: which part of the traces, whereto, and made by whom.

The SDK is loaded in the thread of the first batch: that takes a good part of a second.
"""

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from penstock.tracing.collector import Collector
from penstock.tracing.environment import batch_limits, is_disabled, sampled_ratio
from penstock.tracing.exporting import SpanExport
from proxy.beside_traffic import beside_traffic

if TYPE_CHECKING:
    from proxy.traces.sampled import Sampled
    from proxy.traces.spans import SpanMaker

RATIO: Final = 0.01
"""Of the traces that begin here, where nobody says another part."""
SERVICE: Final = "penstock"


class GatewaySpans:
    """Makes spans of records: what `SpanExport` calls in its thread."""

    def __init__(self, name: str, version: str, query: str) -> None:
        """name: of this gateway; query: what is shown of a request's query."""
        self._name = name
        self._version = version
        self._query = query

    def __call__(self, sampled: "Sequence[Sampled]") -> Sequence[Any]:
        """Return the spans of requests."""
        with beside_traffic():
            return self._make(sampled)

    @cached_property
    def _make(self) -> "SpanMaker":
        from penstock.tracing.collector import make_resource
        from proxy.traces.spans import SpanMaker

        return SpanMaker(make_resource(SERVICE, self._version, self._name), self._version, self._query)


def make_export(name: str, version: str, query: str, endpoint: str) -> "SpanExport[Sampled]":
    """Return what takes sampled requests to a collector. endpoint: empty, as the standard variables say."""
    return SpanExport(
        lambda: Collector(endpoint, beside_traffic), GatewaySpans(name, version, query), batch_limits(os.environ)
    )


def ratio_of(percent: float | None) -> float:
    """Return which part of the traces begun here is sampled. percent: what the settings say; None: nothing."""
    said = sampled_ratio(os.environ) if percent is None else percent / 100
    return RATIO if said is None else said


def is_switched_off() -> bool:
    """Whether OpenTelemetry is switched off for this process, whatever the settings say."""
    return is_disabled(os.environ)
