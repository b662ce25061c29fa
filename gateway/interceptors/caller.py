"""Interceptor that tells who makes a call."""

from gateway import caller
from gateway.interceptors.around import BeforeInterceptor, Context


class CallerInterceptor(BeforeInterceptor):
    """Takes the name in its certificate for a call's caller, or the host that the call comes from."""

    async def before(self, method: str, context: Context) -> None:
        """Sets the caller of the call's task, which ends with the call."""
        caller.current.set(caller.certified_name(context.auth_context()) or caller.host_of(context.peer()))
