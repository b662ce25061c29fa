"""What every call passes through, outermost first."""

from gateway.interceptors.authentication import AuthenticationInterceptor, authenticator_of
from gateway.interceptors.caller import CallerInterceptor
from gateway.interceptors.caller_rate import CallerRateInterceptor
from gateway.interceptors.error_status import ErrorStatusInterceptor
from gateway.interceptors.parsing import ParsingInterceptor
from gateway.interceptors.receiving import ReceivingInterceptor
from gateway.interceptors.request_id import RequestIdInterceptor
from gateway.interceptors.streams import StreamsInterceptor
from gateway.interceptors.telemetry import TelemetryInterceptor
from gateway.interceptors.wrapping import Chain, WrappingInterceptor
from gateway.outlook import OutlookOf
from gateway.settings import Settings


def interceptors(settings: Settings, outlook: OutlookOf) -> list[WrappingInterceptor]:
    """Returns them in the order in which a call meets them.

    The request id comes first: errors and their log records carry it. What counts calls stands around what gives them
    their status. Who is not let in gets no further than the authentication, where there is one; who is known has a
    rate, and only then, and where there is room, the request is read. Streams are counted after that, where they still
    differ from other calls. The parsing comes last, as part of the handling.

    Args:
      settings: of the gateway.
      outlook: of an image that comes now.

    Raises:
      UnusableFileError: what callers are known by cannot be used.
    """
    authenticator = authenticator_of(settings)
    return [
        RequestIdInterceptor(),
        TelemetryInterceptor(settings),
        ErrorStatusInterceptor(),
        CallerInterceptor(),
        *([AuthenticationInterceptor(authenticator)] if authenticator else []),
        CallerRateInterceptor(settings.caller_rate, settings.caller_burst),
        ReceivingInterceptor(settings, outlook),
        StreamsInterceptor(settings.max_streams_of_caller),
        ParsingInterceptor(),
    ]


def probe_interceptors(settings: Settings, outlook: OutlookOf) -> list[WrappingInterceptor]:
    """Returns those of the port for probes, whose calls are neither counted nor asked who makes them."""
    return [
        ErrorStatusInterceptor(),
        CallerInterceptor(),
        ReceivingInterceptor(settings, outlook),
        ParsingInterceptor(),
    ]


__all__ = ["Chain", "interceptors", "probe_interceptors"]
