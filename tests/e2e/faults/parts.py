"""Processes that come and go, and callers that look on; `conftest.py` loads it."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from braintumor.errors import ServiceError, from_status, service_errors
from braintumor.v1 import classifier_service_pb2 as pb
from braintumor.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from braintumor.v1.model_service_pb2_grpc import ModelServiceStub
from braintumor.v1.trainer_service_pb2_grpc import TrainerServiceStub
from google.longrunning.operations_pb2_grpc import OperationsStub
from grpc_health.v1 import health_pb2, health_pb2_grpc


class Part:
    """A process that comes back at the same address.

    Args:
      start: starts it at a port and returns the Service.
    """

    def __init__(self, start: Callable[[int], Any]) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self._start = lambda: start(port)
        self.service = self._start()
        self.address = f"127.0.0.1:{port}"

    def kill(self) -> None:
        self.service.process.kill()
        self.service.stop()

    def come_back(self) -> None:
        self.service = self._start()

    @contextmanager
    def hung(self) -> Iterator[None]:
        self.service.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.service.process.send_signal(signal.SIGCONT)


class Callers:
    """Calls of a gateway's services by their own deadlines, without a retry."""

    def __init__(self, gateway: Any, image: bytes) -> None:
        self.gateway = gateway
        self.channel = grpc.insecure_channel(gateway.address)
        self.request = pb.PredictRequest(image=image)
        self.classifier: Any = ClassifierServiceStub(self.channel)
        self.trainer: Any = TrainerServiceStub(self.channel)
        self.models: Any = ModelServiceStub(self.channel)
        self.operations: Any = OperationsStub(self.channel)
        self._health: Any = health_pb2_grpc.HealthStub(self.channel)

    def predict(self, timeout_s: float | None = None) -> pb.PredictResponse:
        """Without a deadline of the caller's, the gateway's own is what ends the call."""
        with service_errors():
            return self.classifier.Predict(self.request, timeout=timeout_s)

    def stream(self, count: int = 3) -> list[ServiceError | None]:
        """Returns what became of each image of a stream."""
        items = (pb.PredictStreamRequest(id=str(index), request=self.request) for index in range(count))
        answers = list(self.classifier.PredictStream(items))
        assert len({answer.id for answer in answers}) == count
        return [from_status(answer.error) if answer.HasField("error") else None for answer in answers]

    def serves(self, service: str = "braintumor.v1.ClassifierService") -> bool:
        answer = self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
