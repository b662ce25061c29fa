"""Interceptor that gives every call an id."""

from gateway.interceptors.around import BeforeInterceptor, Context
from observability import request_id


class RequestIdInterceptor(BeforeInterceptor):
    """Takes the id from the caller's metadata, or makes one; it goes to the logs and back in trailing metadata."""

    async def before(self, method: str, context: Context) -> None:
        """Sets the id of the call's task, which ends with the call."""
        metadata = context.invocation_metadata() or ()
        offered = next((value for key, value in metadata if key == request_id.METADATA_KEY), None)
        identity = request_id.accept(offered)
        request_id.current.set(identity)
        context.set_trailing_metadata(((request_id.METADATA_KEY, identity),))
