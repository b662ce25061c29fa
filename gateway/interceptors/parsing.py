"""Interceptor that reads the messages of requests where an error has a way to the caller."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.message import DecodeError

from gateway.errors import MalformedRequestError
from gateway.interceptors.wrapping import Handler, WrappingInterceptor, with_requests


class ParsingInterceptor(WrappingInterceptor):
    """Parses requests inside the call: bytes that are no message are the caller's mistake.

    gRPC parses before any handler runs, and calls a failure of it an error of the server, in words of Python.
    """

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler of bytes; one that takes bytes already stays as it is."""
        if handler.request_deserializer is None:
            return handler
        parser = _Parser(handler.request_deserializer, method.rpartition("/")[2])
        return with_requests(handler, parser.each if handler.request_streaming else parser.one)


class _Parser:
    def __init__(self, deserialize: Callable[[bytes], Any], name: str) -> None:
        self._deserialize = deserialize
        self._name = name

    def one(self, data: bytes, _: object = None) -> Any:
        try:
            return self._deserialize(data)
        except DecodeError as err:
            raise MalformedRequestError(
                f"The {len(data)} bytes are no request of {self._name}; make them with stubs of this contract."
            ) from err

    async def each(self, requests: AsyncIterator[bytes], _: object) -> AsyncIterator[Any]:
        async for data in requests:
            yield self.one(data)
