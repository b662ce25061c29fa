"""Interceptor through which calls come in."""

from gateway.interceptors.around import BeforeInterceptor, Context
from gateway.interceptors.wrapping import Handler
from transport.calls import HEALTH
from transport.entrance import Entrance


class EntranceInterceptor(BeforeInterceptor):
    """Holds up calls while the entrance does. Whoever asks how the gateway is, is told at once."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that may be held up; the same one for health."""
        return handler if method.startswith(f"/{HEALTH}") else super().wrap(method, handler)

    async def before(self, method: str, context: Context) -> None:
        """Lets a call in."""
        await self._entrance.enter()
