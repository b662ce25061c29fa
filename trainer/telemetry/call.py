"""One call, from its arrival to its end."""

import asyncio
import time
from typing import Any

import grpc

from observability import tracing
from trainer.telemetry import metrics

_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


class ObservedCall:
    """Context of a call: counts, times and traces it. Goes around what gives it its status."""

    def __init__(self, method: str, context: Any) -> None:
        self._method = method.removeprefix("/")
        self._context = context
        self._trace: tracing.Trace | None = None

    def __enter__(self) -> None:
        self._begun = time.perf_counter()
        if tracing.is_on():
            self._trace = tracing.begin(self._method, self._context.invocation_metadata() or ())
            tracing.current.set(self._trace)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        metrics.REQUEST_DURATION.labels(self._method).observe(time.perf_counter() - self._begun)
        code = self._code(error)
        metrics.REQUESTS.labels(self._method, code).inc()
        tracing.end(self._trace, {"rpc.grpc.status_code": code}, "" if code == "OK" else code)

    def _code(self, error: BaseException | None) -> str:
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            # gRPC cancels the handler of a caller who is gone, and also at the deadline.
            remaining_s = self._context.time_remaining()
            return "DEADLINE_EXCEEDED" if remaining_s is not None and remaining_s <= 0 else "CANCELLED"
        code = self._context.code()
        number = code.value[0] if isinstance(code, grpc.StatusCode) else code
        return _NAMES.get(number or 0, "UNKNOWN")
