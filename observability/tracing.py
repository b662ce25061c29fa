"""Traces: where a call stands in its caller's trace, and spans for OpenTelemetry, which is loaded where they are on."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

TRACEPARENT = "traceparent"
"""Metadata key of a caller's place in its trace. Source: W3C Trace Context."""

_Value = str | int
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1
_EXPORT_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Trace:
    """A place in a trace."""

    trace_id: str
    """32 hex digits."""
    traceparent: str
    """What tells the next process of this place."""
    span: "Span | None" = None
    """What is recorded; None where the trace is not."""


current: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""Place of the call that the running task works for; None outside of calls, and where traces are off."""


@dataclass(frozen=True, slots=True)
class _Exporter:
    tracer: "Tracer"
    ratio: float


_exporter: _Exporter | None = None


@contextmanager
def exporting(service: str, endpoint: str, ratio: float) -> Iterator[None]:
    """Sends the spans of the process to a collector, in a thread, until the block ends. The rest of them then has 3 s.

    Where the collector is away, or too slow, spans are dropped and nobody waits.

    Args:
      service: name of the process in traces.
      endpoint: OTLP over gRPC, such as "http://127.0.0.1:4317"; empty for no traces at all.
      ratio: share of the traces that begin here that are recorded, in [0, 1]. Others are as their callers say.
    """
    global _exporter  # noqa: PLW0603 one for the process, as its log is
    if not endpoint:
        yield
        return
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    provider = TracerProvider(ALWAYS_ON, Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    before, _exporter = _exporter, _Exporter(provider.get_tracer(service), ratio)
    try:
        yield
    finally:
        _exporter = before
        ending = Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_EXPORT_TIMEOUT_S)


def is_on() -> bool:
    """Whether there is a collector. The first look: without one nothing else of this module needs to be called."""
    return _exporter is not None


def begin(name: str, metadata: Iterable[tuple[str, str | bytes]]) -> Trace | None:
    """Begins what a caller asked for; `end` ends it.

    Args:
      name: of the span.
      metadata: the caller's. Where it holds a traceparent, that decides whether the trace is recorded.

    Returns:
      The place in the caller's trace, or in a new one; None where traces are off.
    """
    if _exporter is None:
        return None
    given = next((value for key, value in metadata if key == TRACEPARENT), None)
    parent = _PARENT.fullmatch(given) if isinstance(given, str) else None
    if parent is None:
        return _started(_exporter, name, None) if random.random() < _exporter.ratio else _unrecorded()  # noqa: S311 no secret
    if int(parent[3], 16) & _SAMPLED:
        return _started(_exporter, name, parent)
    return Trace(parent[1], parent[0])


def child(name: str, parent: Trace | None = None, start_ns: int | None = None) -> Trace | None:
    """Begins a part of what is recorded; `end` ends it.

    Args:
      name: of the span.
      parent: what it is a part of; by default of `current`.
      start_ns: when it began, in nanoseconds since 1970; by default now.

    Returns:
      Its place; None where the parent is not recorded.
    """
    parent = parent or current.get()
    if _exporter is None or parent is None or parent.span is None:
        return None
    from opentelemetry.trace import set_span_in_context

    return _placed(_exporter.tracer.start_span(name, set_span_in_context(parent.span), start_time=start_ns))


def end(trace: Trace | None, attributes: Mapping[str, _Value], error: str = "") -> None:
    """Ends what was begun.

    Args:
      trace: what `begin` or `child` returned.
      attributes: bounded in number and size, and nothing of an image or a patient.
      error: name of the status with which it failed; empty where it did not.
    """
    if trace is None or trace.span is None:
        return
    from opentelemetry.trace import StatusCode

    trace.span.set_attributes(attributes)
    if error:
        trace.span.set_status(StatusCode.ERROR, error)
    trace.span.end()


def outgoing() -> tuple[tuple[str, str], ...]:
    """Returns the metadata that tells the next process of the current place."""
    trace = current.get()
    return () if trace is None else ((TRACEPARENT, trace.traceparent),)


def _started(exporter: _Exporter, name: str, parent: re.Match[str] | None) -> Trace:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

    context = Context()
    if parent is not None:
        place = SpanContext(int(parent[1], 16), int(parent[2], 16), is_remote=True, trace_flags=TraceFlags(_SAMPLED))
        context = set_span_in_context(NonRecordingSpan(place), context)
    return _placed(exporter.tracer.start_span(name, context, kind=SpanKind.SERVER))


def _placed(span: "Span") -> Trace:
    place = span.get_span_context()
    trace_id = f"{place.trace_id:032x}"
    return Trace(trace_id, f"00-{trace_id}-{place.span_id:016x}-01", span)


def _unrecorded() -> Trace:
    # It goes along all the same: so the next process does not begin a trace of its own.
    trace_id = f"{random.getrandbits(128) or 1:032x}"  # no secret
    return Trace(trace_id, f"00-{trace_id}-{random.getrandbits(64) or 1:016x}-00")
