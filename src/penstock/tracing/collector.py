"""A collector: spans go there by OTLP over HTTP, as protobuf, with OpenTelemetry's own exporter.

The exporter reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE, _CLIENT_KEY and
_CLIENT_CERTIFICATE, and the same with _TRACES_; it sends a batch again while that makes sense and time is left.
Everything here is to be called in a thread.
"""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.resources import Resource


class CollectorPort(Protocol):
    """Who takes spans."""

    def export(self, spans: Any, /) -> str | None:
        """Send spans, whatever form they have. None: they were taken; else why not."""
        ...

    def close(self) -> None:
        """Give up what is under way."""
        ...


class Collector:
    """A collector by OTLP over HTTP."""

    def __init__(self, endpoint: str = "", working: "Callable[[], AbstractContextManager[None]]" = nullcontext) -> None:
        """endpoint: where it takes traces; empty: as the standard variables say. working: entered while a batch is
        put into bytes, which needs the interpreter, and left before it is sent.
        """
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import SpanExportResult

        from penstock.tracing.session import CollectorSession

        _hush()
        self._working = working
        self._stack = ExitStack()
        self._session = CollectorSession(self._stack.close)
        self._exporter = OTLPSpanExporter(endpoint=endpoint or None, session=self._session)
        self._success = SpanExportResult.SUCCESS

    def export(self, spans: Sequence[Any]) -> str | None:
        """Send spans. None: they were taken; else why not."""
        self._session.trouble = ""
        with self._stack:
            self._stack.enter_context(self._working())
            result = self._exporter.export(spans)
        return None if result is self._success else self._session.trouble or "they could not be put into bytes"

    def close(self) -> None:
        """Give up what is under way."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def make_resource(name: str, version: str, instance: str) -> "Resource":
    """Return who makes spans: as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, else this."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    said = OTELResourceDetector().detect().attributes
    default = {"service.name": name, "service.version": version, "service.instance.id": instance}
    return Resource.create({key: value for key, value in default.items() if key not in said})


def _hush() -> None:
    """Keep the exporter from telling each failure in the log: it is told here, now and then."""
    for name in ("opentelemetry.exporter.otlp", "opentelemetry.exporter.http"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)
