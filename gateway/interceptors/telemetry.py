"""Interceptor that counts, times, traces and logs every call."""

import logging
import time
from contextlib import AbstractAsyncContextManager

from prometheus_client import Counter

from gateway import caller
from gateway.interceptors.around import AroundInterceptor, Context
from gateway.telemetry import call, metrics
from observability import request_id, tracing
from transport.calls import HEALTH, status_name

_access_logger = logging.getLogger("gateway.access")

_REFUSED = "RESOURCE_EXHAUSTED"
"""Of a call that was not taken on, in no time: under much load these would make the others look fast."""


class TelemetryInterceptor(AroundInterceptor):
    """Tells of each call, when it has ended, however it has ended.

    Args:
      log_level: name of the level at which calls are logged.
    """

    def __init__(self, log_level: str) -> None:
        self._log_level = logging.getLevelNamesMapping()[log_level]
        self._methods: dict[str, _Method] = {}

    def around(self, method: str, context: Context) -> AbstractAsyncContextManager[None]:
        """Makes a call of a method observed."""
        if method not in self._methods:
            self._methods[method] = _Method(method.removeprefix("/"), self._log_level)
        return _Observed(self._methods[method], context)


class _Method:
    """Where its calls are counted: each place is looked up once."""

    def __init__(self, name: str, log_level: int) -> None:
        self.name = name
        self.log_level = log_level
        self.is_traced = not name.startswith(HEALTH)
        self.duration = metrics.REQUEST_DURATION.labels(name)
        self.in_progress = metrics.REQUESTS_IN_PROGRESS.labels(name)
        self._ended: dict[tuple[str, int], Counter] = {}

    def ended(self, code: str, version: int) -> Counter:
        key = (code, version)
        if key not in self._ended:
            self._ended[key] = metrics.REQUESTS.labels(self.name, code, version or "")
        return self._ended[key]


class _Observed:
    def __init__(self, method: _Method, context: Context) -> None:
        self._method = method
        self._context = context
        self._trace: tracing.Trace | None = None

    async def __aenter__(self) -> None:
        self._begun = time.perf_counter()
        self._method.in_progress.inc()
        if self._method.is_traced and tracing.is_on():
            self._trace = tracing.begin(self._method.name, self._context.invocation_metadata() or ())
            tracing.current.set(self._trace)

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        duration_s = time.perf_counter() - self._begun
        code, version = status_name(self._context, error, duration_s), call.model_version.get()
        self._method.in_progress.dec()
        if code != _REFUSED:
            self._method.duration.observe(duration_s)
        self._method.ended(code, version).inc()
        if self._trace is not None:
            tracing.current.set(self._trace)  # for the log record: a stream may have put it aside
            self._end_trace(code, version)
        if _access_logger.isEnabledFor(self._method.log_level):
            self._log(code, version, duration_s)

    def _end_trace(self, code: str, version: int) -> None:
        service, _, method = self._method.name.partition("/")
        attributes: dict[str, str | int] = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "rpc.grpc.status_code": code,
            "request_id": request_id.current.get(),
            "model_version": version,
        }
        tracing.end(self._trace, attributes, "" if code == "OK" else code)

    def _log(self, code: str, version: int, duration_s: float) -> None:
        told = {
            "method": self._method.name,
            "code": code,
            "duration_ms": round(duration_s * 1000, 3),
            "model_version": version or None,
            "reason": call.reason.get() or None,
            "caller": caller.current.get(),
        }
        _access_logger.log(self._method.log_level, "call ended", extra=told)
