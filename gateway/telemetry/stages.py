"""Stages of an image's way: each is timed, and a span where its call is traced."""

import time
from collections.abc import Sequence

from gateway.errors import GatewayError
from gateway.imaging import InvalidImageError
from gateway.telemetry import metrics
from observability import tracing


class DecodingStage:
    """Context of reading and resizing one image."""

    __slots__ = ("_begun", "_trace")

    def __enter__(self) -> None:
        self._begun = time.perf_counter()
        self._trace = tracing.child("decode")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        metrics.DECODE_DURATION.observe(time.perf_counter() - self._begun)
        tracing.end(self._trace, {}, _reason(kind))


class Wait:
    """One image's wait for a batch, from now on."""

    __slots__ = ("_begun", "_begun_ns", "_is_over", "trace")

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self.trace = tracing.current.get()
        self._begun_ns = time.time_ns() if self.trace is not None and self.trace.span is not None else 0
        self._is_over = False

    def end(self) -> None:
        """Ends it. A second time, where a batch is run again image by image, changes nothing."""
        if self._is_over:
            return
        self._is_over = True
        metrics.QUEUE_DURATION.observe(time.perf_counter() - self._begun)
        if self._begun_ns:
            tracing.end(tracing.child("queue", self.trace, self._begun_ns), {})


class Inference:
    """Context of one batch in serving, which learns of the first traced call whose image is in it."""

    __slots__ = ("_begun", "_traces", "_version", "_waits")

    def __init__(self, version: int, waits: Sequence[Wait]) -> None:
        self._version = version
        self._waits = waits

    def __enter__(self) -> None:
        for wait in self._waits:
            wait.end()
        metrics.BATCH_SIZE.observe(len(self._waits))
        children = (tracing.child("inference", wait.trace) for wait in self._waits if wait.trace is not None)
        self._traces = [trace for trace in children if trace is not None]
        # Else it would be that of whichever call came first in this turn of the loop.
        tracing.current.set(self._traces[0] if self._traces else None)
        self._begun = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        metrics.INFERENCE_DURATION.observe(time.perf_counter() - self._begun)
        reason = _reason(kind)
        metrics.inferences(self._version, reason or "OK").inc()
        for trace in self._traces:
            tracing.end(trace, {"batch_size": len(self._waits), "model_version": self._version}, reason)


def _reason(kind: type[BaseException] | None) -> str:
    if kind is None:
        return ""
    if issubclass(kind, GatewayError | InvalidImageError):
        return kind.reason
    return "INTERNAL" if issubclass(kind, Exception) else "CANCELLED"
