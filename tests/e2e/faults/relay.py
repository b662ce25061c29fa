"""A relay between a gateway and what stands behind it, which can spoil answers on their way; `conftest.py` loads it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc

Fault: TypeAlias = Callable[[str, bytes, grpc.ServicerContext], bytes]
"""Takes a method's path, an answer's bytes and the call; returns the bytes to answer with, or aborts the call."""

_THREADS = 64
_STREAMING = ("WatchRetrain",)
_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]


def _none(_method: str, answer: bytes, _context: grpc.ServicerContext) -> bytes:
    return answer


class Relay(grpc.GenericRpcHandler):
    """Hands all calls on to a real server, and its answers back through `fault`.

    Attributes:
      address: where it listens.
      fault: what becomes of answers; to be set at any time.
      held: while it is not set no answer comes back.
    """

    def __init__(self, target: str) -> None:
        self.fault: Fault = _none
        self.held = threading.Event()
        self.held.set()
        self._channel = grpc.insecure_channel(target, _UNLIMITED)
        self._threads = ThreadPoolExecutor(_THREADS)
        self._server = grpc.server(self._threads, [self], options=_UNLIMITED)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        """Ends it, with the calls that it has in work."""
        self.heal()
        self._server.stop(None).wait()
        self._channel.close()
        self._threads.shutdown()

    def heal(self) -> None:
        """Spoils no more, and lets go of what it holds."""
        self.fault = _none
        self.held.set()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Returns what hands a method's calls on, whatever the method."""
        method: str = handler_call_details.method
        if method.endswith(_STREAMING):
            return grpc.unary_stream_rpc_method_handler(self._relaying_stream(method))
        return grpc.unary_unary_rpc_method_handler(self._relaying(method))

    def _relaying(self, method: str) -> Callable[[bytes, Any], bytes]:
        onward = self._channel.unary_unary(method)

        def relay(request: bytes, context: Any) -> bytes:
            try:
                answer = onward(request, timeout=context.time_remaining())
            except grpc.RpcError as err:
                _pass_on(err, context)
            return self._spoilt(method, answer, context)

        return relay

    def _relaying_stream(self, method: str) -> Callable[[bytes, Any], Iterator[bytes]]:
        onward = self._channel.unary_stream(method)

        def relay(request: bytes, context: Any) -> Iterator[bytes]:
            answers = onward(request, timeout=context.time_remaining())
            context.add_callback(answers.cancel)
            try:
                for answer in answers:
                    yield self._spoilt(method, answer, context)
            except grpc.RpcError as err:
                _pass_on(err, context)

        return relay

    def _spoilt(self, method: str, answer: bytes, context: Any) -> bytes:
        self.held.wait()
        return self.fault(method, answer, context)


def _pass_on(err: Any, context: Any) -> None:
    context.set_trailing_metadata(err.trailing_metadata() or ())
    context.abort(err.code(), err.details())
