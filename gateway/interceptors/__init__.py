"""What every call passes through, outermost first."""

from gateway.interceptors.authentication import AuthenticationInterceptor
from gateway.interceptors.caller import CallerInterceptor
from gateway.interceptors.caller_rate import CallerRateInterceptor
from gateway.interceptors.error_status import ErrorStatusInterceptor
from gateway.interceptors.parsing import ParsingInterceptor
from gateway.interceptors.receiving import ReceivingInterceptor
from gateway.interceptors.request_id import RequestIdInterceptor
from gateway.interceptors.streams import StreamsInterceptor
from gateway.interceptors.telemetry import TelemetryInterceptor
from gateway.interceptors.wrapping import Chain, WrappingInterceptor

INTERCEPTORS: tuple[type[WrappingInterceptor], ...] = (
    RequestIdInterceptor,
    TelemetryInterceptor,
    ErrorStatusInterceptor,
    CallerInterceptor,
    AuthenticationInterceptor,
    CallerRateInterceptor,
    ReceivingInterceptor,
    StreamsInterceptor,
    ParsingInterceptor,
)
"""In the order in which a call meets them. The request id comes first: errors and their log records carry it. What
counts calls stands around what gives them their status. Who is not let in gets no further than the authentication; who
is known has a rate, and only then, and where there is room, the request is read. Streams are counted after that, where
they still differ from other calls. The parsing comes last, as part of the handling."""

PROBE_INTERCEPTORS: tuple[type[WrappingInterceptor], ...] = (
    ErrorStatusInterceptor,
    CallerInterceptor,
    ReceivingInterceptor,
    ParsingInterceptor,
)
"""The same for calls of the port for probes, which are neither counted nor asked who makes them."""

__all__ = ["INTERCEPTORS", "PROBE_INTERCEPTORS", "Chain"]
