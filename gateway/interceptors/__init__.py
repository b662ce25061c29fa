"""What every call passes through, outermost first."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from gateway.interceptors.authentication import authentication_of
from gateway.interceptors.caller import CallerInterceptor
from gateway.interceptors.caller_rate import CallerRateInterceptor
from gateway.interceptors.entrance import EntranceInterceptor
from gateway.interceptors.error_status import ErrorStatusInterceptor
from gateway.interceptors.parsing import ParsingInterceptor
from gateway.interceptors.receiving import ReceivingInterceptor
from gateway.interceptors.request_id import RequestIdInterceptor
from gateway.interceptors.streams import StreamsInterceptor
from gateway.interceptors.telemetry import TelemetryInterceptor
from gateway.interceptors.wrapping import Chain, WrappingInterceptor
from gateway.outlook import OutlookOf
from gateway.settings import Settings
from transport.entrance import Entrance

_Make: TypeAlias = Callable[[Settings, OutlookOf, Entrance], WrappingInterceptor | None]

INTERCEPTORS: tuple[_Make, ...] = (
    lambda *_: RequestIdInterceptor(),
    lambda settings, *_: TelemetryInterceptor(settings.access_log_level),
    lambda *_: ErrorStatusInterceptor(),
    lambda _settings, _outlook, entrance: EntranceInterceptor(entrance),
    lambda *_: CallerInterceptor(),
    lambda settings, *_: authentication_of(settings),
    lambda settings, *_: CallerRateInterceptor(settings.caller_rate, settings.caller_burst),
    lambda settings, outlook, _: ReceivingInterceptor(settings, outlook),
    lambda settings, *_: StreamsInterceptor(settings.max_streams_of_caller),
    lambda *_: ParsingInterceptor(),
)
"""In the order in which a call meets them. The request id comes first: errors and their log records carry it. What
counts calls stands around what gives them their status. At the entrance calls wait while a drain lets all in, before
anything is done for them. Who is unknown gets no further than the authentication, where there is one; who is known has
a rate, and only then, and where there is room, the request is read. Streams are counted after that, where they still
differ from other calls. The parsing comes last, as part of the handling."""

PROBE_INTERCEPTORS: tuple[_Make, ...] = (
    lambda *_: ErrorStatusInterceptor(),
    lambda *_: CallerInterceptor(),
    lambda settings, outlook, _: ReceivingInterceptor(settings, outlook),
    lambda settings, *_: StreamsInterceptor(settings.max_streams_of_caller),
    lambda *_: ParsingInterceptor(),
)
"""The same for calls of the port for probes, which are neither counted nor asked who makes them."""


def chain(makes: Iterable[_Make], settings: Settings, outlook: OutlookOf, entrance: Entrance) -> Chain:
    """Makes interceptors, and joins them.

    Args:
      makes: INTERCEPTORS or PROBE_INTERCEPTORS.
      settings: of the gateway.
      outlook: of an image that comes now.
      entrance: of the gateway.

    Raises:
      UnusableFileError: what callers are known by cannot be used.
    """
    made = [make(settings, outlook, entrance) for make in makes]
    return Chain([interceptor for interceptor in made if interceptor is not None])


__all__ = ["INTERCEPTORS", "PROBE_INTERCEPTORS", "chain"]
