"""A service's part in traces: a span for each handler of a sampled request, and for each call that it makes.

While a handler runs, its span is OpenTelemetry's current one, so that whatever else makes spans in it makes children.
Handlers of requests that are not sampled run under the same context without a span. Where the process has set a
TracerProvider of its own, spans are that one's business; else they go to a collector as the standard variables say.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import trio
from msgspec.structs import replace
from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from frames.frame import FieldId
from penstock.asking import Asker, Question, Reply
from penstock.call import OWN_TRACE, Call
from penstock.errors import CallError, Problem
from penstock.tracing.collector import Collector, make_resource
from penstock.tracing.environment import batch_limits, sampled_ratio
from penstock.tracing.exporting import SpanExport

if TYPE_CHECKING:
    from penstock.handler import Endpoint

RATIO: Final = 0.01
"""Of the traces that begin in the service itself: calls that it makes by itself."""
FINISH_S: Final = 3.0
"""At the end, for the spans that wait."""

_SAMPLED: Final = 1
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


class Joining:
    """The part of one service process."""

    def __init__(self, service: str, version: str, instance: str) -> None:
        """Whose spans they are."""
        self._export: SpanExport[ReadableSpan] | None = None
        provider = otel.get_tracer_provider()
        if not isinstance(provider, TracerProvider):
            provider = self._own_provider(service, version, instance)
        self._tracer = provider.get_tracer("penstock.service", version)

    def _own_provider(self, service: str, version: str, instance: str) -> TracerProvider:
        ratio = sampled_ratio(os.environ)
        self._export = SpanExport(Collector, _as_they_are, batch_limits(os.environ))
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(RATIO if ratio is None else ratio)),
            resource=make_resource(service, version, instance),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(_Giving(self._export))
        return provider

    async def run(self) -> None:
        """Send spans, until cancelled or finished."""
        if self._export is not None:
            await self._export.run()

    async def finish(self) -> None:
        """Send what waits, while `run` does so, for some seconds at most."""
        if self._export is not None:
            self._export.end(FINISH_S)
            await self._export.ended.wait()

    def endpoints(self, endpoints: "Mapping[int, Endpoint]") -> "dict[int, Endpoint]":
        """Return the same endpoints with handlers that make spans."""
        return {number: replace(each, invoke=self._traced(each)) for number, each in endpoints.items()}

    def asker(self, asker: Asker) -> "TracedAsker":
        """Return what sends the same questions with spans."""
        return TracedAsker(asker, self._tracer)

    def _traced(self, endpoint: "Endpoint") -> Callable[[Call], Any]:
        return partial(_run_async if endpoint.is_async else _run, self._tracer, endpoint.invoke)


def _run(tracer: otel.Tracer, invoke: Callable[[Call], Any], call: Call) -> Any:
    with _Turn(tracer, call) as turn:
        value = invoke(call)
        turn.answered(value)
        return value


async def _run_async(tracer: otel.Tracer, invoke: Callable[[Call], Any], call: Call) -> Any:
    with _Turn(tracer, call) as turn:
        value = await invoke(call)
        turn.answered(value)
        return value


class _Turn:
    """One handler's run, in the context of its trace."""

    __slots__ = ("_call", "_span", "_token", "_tracer")

    def __init__(self, tracer: otel.Tracer, call: Call) -> None:
        self._tracer = tracer
        self._call = call
        self._span: otel.Span | None = None
        self._token: Any = None

    def __enter__(self) -> "_Turn":
        call, trace = self._call, self._call.trace
        if trace is None:
            return self
        parent = otel.SpanContext(
            int(trace.trace_id, 16),
            int(trace.parent_id, 16),
            is_remote=True,
            trace_flags=otel.TraceFlags(trace.flags),
            trace_state=otel.TraceState.from_header([call.tracestate or ""]),
        )
        context = otel.set_span_in_context(otel.NonRecordingSpan(parent))
        if trace.flags & _SAMPLED:
            self._span = self._tracer.start_span(
                f"{call.endpoint.method} {call.endpoint.path}",
                context,
                kind=otel.SpanKind.SERVER,
                attributes=_attributes(call),
            )
            context = otel.set_span_in_context(self._span, context)
            if self._span.is_recording():
                vars(call)[OWN_TRACE] = _trace_of(self._span.get_span_context())
        self._token = otel_context.attach(context)
        return self

    def answered(self, value: object) -> None:
        """Note what the handler returned."""
        if self._span is not None:
            self._note(_status_of(value))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            otel_context.detach(self._token)
        if self._span is None:
            return
        if error is not None:
            self._failed(self._span, error)
        self._span.end()

    def _failed(self, span: otel.Span, error: BaseException) -> None:
        if isinstance(error, trio.Cancelled):
            span.set_attribute("error.type", "cancelled")
            span.set_status(otel.StatusCode.ERROR, "cancelled: its deadline has passed, or its caller is gone")
            return
        status = error.status if isinstance(error, (Problem, CallError)) else _SERVER_ERROR
        if status >= _SERVER_ERROR:
            span.set_attribute("error.type", type(error).__qualname__)
        self._note(status)

    def _note(self, status: int | None) -> None:
        span = self._span
        if span is None or status is None:
            return
        span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            span.set_status(otel.StatusCode.ERROR)


class TracedAsker:
    """Sends questions of other services, each with a span of its own where its trace is sampled."""

    def __init__(self, asker: Asker, tracer: otel.Tracer) -> None:
        """asker: what sends them."""
        self._asker = asker
        self._tracer = tracer

    def is_running(self, call: Call) -> bool:
        """Whether the call is still being handled."""
        return self._asker.is_running(call)

    async def ask(self, question: Question) -> Reply:
        """Return the reply, or raise a `CallError`."""
        span = self._tracer.start_span(
            f"{question.method.name} {question.service}",
            kind=otel.SpanKind.CLIENT,
            attributes={
                "http.request.method": question.method.name,
                "server.address": question.service,
                "url.path": question.target.partition(b"?")[0].decode("latin-1"),
            },
        )
        if not span.is_recording():
            return await self._asker.ask(question)
        with otel.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                reply = await self._asker.ask(_within(question, span.get_span_context()))
            except CallError as error:
                span.set_attribute("error.type", error.reason)
                span.set_status(otel.StatusCode.ERROR)
                raise
            span.set_attribute("http.response.status_code", reply.status)
            if reply.status >= _CLIENT_ERROR:
                span.set_attribute("error.type", str(reply.status))
                span.set_status(otel.StatusCode.ERROR)
            return reply


def _within(question: Question, span: otel.SpanContext) -> Question:
    """Return the question as a child of a span."""
    others = tuple(pair for pair in question.context if pair[0] != FieldId.TRACE)
    return replace(question, context=(*others, (FieldId.TRACE, _trace_of(span))))


def _trace_of(span: otel.SpanContext) -> bytes:
    """Return a span as frames name it."""
    return span.trace_id.to_bytes(16) + span.span_id.to_bytes(8) + bytes((span.trace_flags,))


class _Giving(SpanProcessor):
    """Gives spans that have ended to the export."""

    def __init__(self, export: SpanExport[ReadableSpan]) -> None:
        self._export = export

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, in whatever thread it ends."""
        context = span.context
        if context is not None and context.trace_flags.sampled:
            self._export.give(span)


def _as_they_are(spans: Sequence[ReadableSpan]) -> Sequence[ReadableSpan]:
    return spans


def _attributes(call: Call) -> dict[str, str | int]:
    said: dict[str, str | int | None] = {
        "http.request.method": call.method,
        "http.route": call.endpoint.path,
        "url.path": call.path,
        "url.scheme": call.scheme,
        "client.address": call.client_address,
        "penstock.request_id": call.request_id,
        "penstock.correlation_id": call.correlation_id,
        "penstock.tenant": call.tenant,
        "penstock.attempt": call.attempt,
    }
    return {name: value for name, value in said.items() if value}


def _status_of(value: object) -> int | None:
    """The status that a handler's value is answered with; None where it has answered by itself."""
    if isinstance(value, tuple) and value and isinstance(value[0], int):
        return value[0]
    status = getattr(value, "status", None)
    if isinstance(status, int):
        return status
    from penstock.turn import ANSWERED

    if value is ANSWERED:
        return None
    return 204 if value is None else 200
