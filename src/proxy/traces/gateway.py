"""How the spans of a gateway go to a collector: which part of the traces, whereto, and made by whom."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from penstock.tracing.environment import (
    batch_limits,
    collector_place,
    is_disabled,
    resource_attributes,
    sampled_ratio,
)
from penstock.tracing.exporting import SpanExport
from proxy.beside_traffic import beside_traffic

if TYPE_CHECKING:
    from penstock.tracing.sending import Sender
    from proxy.traces.sampled import Sampled
    from proxy.traces.spans import SpanMaker

RATIO: Final = 0.01
"""Of the traces that begin here, where nobody says another part."""
SERVICE: Final = "penstock"


class GatewaySpans:
    """Makes spans of records: what `SpanExport` calls in its thread."""

    def __init__(self, name: Callable[[], str], version: str, query: str) -> None:
        """name: of this gateway, and of its worker; query: what is shown of a request's query."""
        self._name = name
        self._version = version
        self._query = query

    def __call__(self, sampled: "Sequence[Sampled]") -> bytes:
        """Return the spans of requests, as they are sent."""
        with beside_traffic():
            return self._make(sampled)

    @cached_property
    def _make(self) -> "SpanMaker":
        from proxy.traces.spans import SpanMaker

        resource = resource_attributes(
            os.environ, service_name=SERVICE, service_version=self._version, service_instance_id=self._name()
        )
        return SpanMaker(resource, self._version, self._query)


def make_export(name: Callable[[], str], version: str, query: str, endpoint: str) -> "SpanExport[Sampled]":
    """Return what takes sampled requests to a collector.

    name: asked with the first batch; endpoint: empty, as the standard variables say.
    """
    return SpanExport(lambda: _open(endpoint), GatewaySpans(name, version, query), batch_limits(os.environ))


def _open(endpoint: str) -> "Sender":
    from penstock.tracing.sending import Sender

    return Sender(collector_place(os.environ, endpoint))


def ratio_of(percent: float | None) -> float:
    """Return which part of the traces begun here is sampled. percent: what the settings say; None: nothing."""
    said = sampled_ratio(os.environ) if percent is None else percent / 100
    return RATIO if said is None else said


def is_switched_off() -> bool:
    """Whether OpenTelemetry is switched off for this process, whatever the settings say."""
    return is_disabled(os.environ)
