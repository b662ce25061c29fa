"""Serving and gateway, as they run by default."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.processes import Server, await_true, server
from bench.ways import MODEL_NAME


@contextmanager
def running_service(model_base_path: Path) -> Iterator[tuple[Server, Server]]:
    """Runs both for as long as the context lasts; yields serving and gateway once callers are welcome."""
    flags = [
        "--port=0",
        f"--model_name={MODEL_NAME}",
        f"--model_base_path={model_base_path.absolute()}",
        "--grpc_max_threads=64",  # the direct way has 32 calls in flight
    ]
    with server(["serving.modelserver", *flags], ready=r"Running gRPC ModelServer at (\S+)") as serving:
        environment = {"GATEWAY_ADDRESS": "127.0.0.1:0", "SERVING_ADDRESS": serving.address}
        with server(["gateway"], ready=r"Gateway listening on (\S+)", environment=environment) as gateway:
            await_true("health of the gateway is SERVING", lambda: _is_serving(gateway.address))
            yield serving, gateway


def _is_serving(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
