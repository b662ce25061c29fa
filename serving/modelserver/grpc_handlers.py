"""Joins servicers to gRPC: one handler per method of the service's descriptor, and the one place that maps errors."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from google.protobuf import message_factory

from serving.modelserver.errors import ServingError
from tfserving_api.messages import pool

_log = logging.getLogger(__name__)

_MAX_MESSAGE_BYTES = 1024

_Method = Callable[[Any, grpc.ServicerContext], Any]


def handler(service_name: str, servicer: object, threads: Mapping[str, ThreadPoolExecutor]) -> grpc.GenericRpcHandler:
    """A generic handler for a service.

    Args:
      service_name: full name of a service in the descriptor pool, of unary methods only.
      servicer: has a method of the name of each RPC, from message and context to message. It raises
        ServingErrors.
      threads: of RPCs that may take long, so that the others, on the server's own threads, need not wait for them.
    """
    methods = {
        method.name: grpc.unary_unary_rpc_method_handler(
            _mapping_errors(getattr(servicer, method.name), threads.get(method.name)),
            request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
            response_serializer=message_factory.GetMessageClass(method.output_type).SerializeToString,
        )
        for method in pool.FindServiceByName(service_name).methods
    }
    return grpc.method_handlers_generic_handler(service_name, methods)


def _mapping_errors(method: _Method, threads: ThreadPoolExecutor | None) -> _Method:
    def call(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(request, context)
        except ServingError as err:
            _abort(context, err.status_code, err.message)
        except Exception:  # noqa: BLE001 one fault of ours must not end the server
            _log.exception("Unexpected error in %s", method.__name__)
            _abort(context, grpc.StatusCode.INTERNAL, "Internal error of the model server; see its log")

    vars(call)["experimental_thread_pool"] = threads  # gRPC's name for it
    return call


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
    encoded = message.encode()
    if len(encoded) > _MAX_MESSAGE_BYTES:
        message = encoded[:_MAX_MESSAGE_BYTES].decode(errors="ignore") + "...TRUNCATED"
    context.abort(code, message)
