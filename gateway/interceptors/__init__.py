"""What every call passes through, outermost first."""

from gateway.interceptors.around import AroundInterceptor
from gateway.interceptors.caller import CallerInterceptor
from gateway.interceptors.error_status import ErrorStatusInterceptor
from gateway.interceptors.request_id import RequestIdInterceptor
from gateway.interceptors.telemetry import TelemetryInterceptor

INTERCEPTORS: tuple[type[AroundInterceptor], ...] = (
    RequestIdInterceptor,
    TelemetryInterceptor,
    ErrorStatusInterceptor,
    CallerInterceptor,
)
"""In the order in which a call meets them. The request id comes first: errors and their log records carry it. What
counts calls stands around what gives them their status."""

__all__ = ["INTERCEPTORS"]
