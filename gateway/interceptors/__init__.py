"""What every call passes through, outermost first."""

from gateway.interceptors.around import AroundInterceptor
from gateway.interceptors.authentication import AuthenticationInterceptor
from gateway.interceptors.caller import CallerInterceptor
from gateway.interceptors.error_status import ErrorStatusInterceptor
from gateway.interceptors.request_id import RequestIdInterceptor

INTERCEPTORS: tuple[type[AroundInterceptor], ...] = (
    RequestIdInterceptor,
    ErrorStatusInterceptor,
    CallerInterceptor,
    AuthenticationInterceptor,
)
"""In the order in which a call meets them. The request id comes first: errors and their log records carry it. The
last is where those end who are not let in."""

__all__ = ["INTERCEPTORS"]
