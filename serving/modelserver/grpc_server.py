"""The gRPC server: services, reflection, health, ports."""

import os
import re

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from serving.modelserver.errors import InvalidArgumentError, UnavailableError
from serving.modelserver.flags import Flags
from serving.modelserver.grpc_handlers import handler
from serving.modelserver.health import Health
from serving.modelserver.model_service import ModelService
from serving.modelserver.prediction_service import PredictionService
from serving.modelserver.socket_file import SocketFile
from tfserving_api.messages import pool
from transport.threads import running_threads

_PREDICTION = "tensorflow.serving.PredictionService"
_MODEL = "tensorflow.serving.ModelService"
_MARGIN_S = 1.0
"""Calls are cancelled when the grace period is over, and what they compute may go on."""
_MIN_THREADS = 16
"""A few predictions may take for ever; the others still need threads."""
_RELOAD_THREADS = 16
"""Reloads wait for models, and for each other."""
_THREADS = 16
"""Of what takes no time: health, status, metadata, reflection."""
_ARGUMENTS: dict[str, int | str] = {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    # Two servers that share a port by accident would answer in turn.
    "grpc.so_reuseport": 0,
}
_INTEGER = re.compile(r"-?[0-9]{1,10}", re.ASCII)


class GrpcServer:
    """Listening from `start` on.

    Raises:
      InvalidArgumentError: `--grpc_channel_arguments` is malformed.
    """

    def __init__(self, flags: Flags, prediction_service: PredictionService, model_service: ModelService) -> None:
        threads = flags.grpc_max_threads or max(_MIN_THREADS, 4 * (os.cpu_count() or 1))
        self._flags = flags
        self._socket = SocketFile(flags.grpc_socket_path) if flags.grpc_socket_path else None
        predict = {"Predict": running_threads(threads, "predict")}
        reload = {"HandleReloadConfigRequest": running_threads(_RELOAD_THREADS, "reload")}
        arguments = _ARGUMENTS | _channel_arguments(flags.grpc_channel_arguments)
        self._server = grpc.server(running_threads(_THREADS, "grpc"), options=list(arguments.items()))
        self._server.add_generic_rpc_handlers(
            (handler(_PREDICTION, prediction_service, predict), handler(_MODEL, model_service, reload))
        )
        names = [_PREDICTION, _MODEL, reflection.SERVICE_NAME]
        self._health = Health(self._server) if flags.enable_grpc_healthcheck_service else None
        # Reflection looks descriptors up in one pool: TensorFlow Serving's, joined by those of the others.
        pool.AddSerializedFile(reflection_pb2.DESCRIPTOR.serialized_pb)
        if self._health:
            names.append("grpc.health.v1.Health")
            pool.AddSerializedFile(health_pb2.DESCRIPTOR.serialized_pb)
        reflection.enable_server_reflection(names, self._server, pool=pool)

    def start(self) -> list[str]:
        """Begins to serve.

        Returns:
          The addresses that it listens on.

        Raises:
          UnavailableError: a port is taken, or no socket can be where it should.
        """
        host = self._flags.bind_address
        host = f"[{host}]" if ":" in host else host
        addresses = [f"{host}:{self._listen(f'{host}:{self._flags.port}')}"]
        if self._socket:
            self._listen_on(self._socket)
            addresses.append(f"UNIX socket {self._flags.grpc_socket_path}")
        self._server.start()
        return addresses

    def _listen(self, address: str) -> int:
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError as err:
            raise UnavailableError(f"Failed to listen on {address}") from err

    def _listen_on(self, socket: SocketFile) -> None:
        try:
            self._server.add_insecure_port(f"unix:{socket.bound}")
            socket.place()
        except (RuntimeError, OSError) as err:
            raise UnavailableError(f"Failed to listen on unix:{self._flags.grpc_socket_path}") from err

    def update_health(self, *, serving: bool) -> None:
        """Tells health checks how things are."""
        if self._health:
            self._health.update(serving=serving)

    def drain(self, grace_s: float) -> None:
        """Takes no more calls, and returns when those in progress have finished or the time is over."""
        if self._health:
            self._health.drain()
        if self._socket:
            self._socket.remove()
        self._server.stop(grace_s).wait(grace_s + _MARGIN_S)


def _channel_arguments(text: str) -> dict[str, int | str]:
    """What `--grpc_channel_arguments` says, by key. The last one wins; a value is an integer where it reads as one."""
    arguments: dict[str, int | str] = {}
    for argument in text.split(",") if text else ():
        key, equals, value = argument.partition("=")
        if not key or not equals:
            raise InvalidArgumentError(f"--grpc_channel_arguments has {argument!r}, which is not key=value")
        is_int32 = _INTEGER.fullmatch(value) and -(2**31) <= int(value) < 2**31
        arguments[key] = int(value) if is_int32 else value
    return arguments
