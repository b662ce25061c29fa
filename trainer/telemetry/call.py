"""One call, from its arrival to its end."""

import time
from typing import Any

from observability import tracing
from trainer.telemetry import metrics
from transport.calls import HEALTH, status_name


class ObservedCall:
    """Context of a call: counts, times and traces it. Goes around what gives it its status."""

    def __init__(self, method: str, context: Any) -> None:
        self._method = method.removeprefix("/")
        self._context = context
        self._trace: tracing.Trace | None = None

    def __enter__(self) -> None:
        self._begun = time.perf_counter()
        if not self._method.startswith(HEALTH) and tracing.is_on():
            self._trace = tracing.begin(self._method, self._context.invocation_metadata() or ())
            tracing.current.set(self._trace)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        duration_s = time.perf_counter() - self._begun
        metrics.REQUEST_DURATION.labels(self._method).observe(duration_s)
        code = status_name(self._context, error, duration_s)
        metrics.REQUESTS.labels(self._method, code).inc()
        tracing.end(self._trace, {"rpc.grpc.status_code": code}, "" if code == "OK" else code)
