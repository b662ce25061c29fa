"""braintumor.v1.TrainerService."""

# ruff: noqa: ARG002, N802 the contract names the methods, and gRPC passes both arguments

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, TypeAlias

import grpc
from braintumor.v1 import trainer_service_pb2 as pb2
from braintumor.v1.trainer_service_pb2_grpc import TrainerServiceServicer
from google.longrunning import operations_pb2

from trainer.classification_report import classification_report
from trainer.errors import InvalidFieldError
from trainer.jobs.evaluator import Evaluator
from trainer.jobs.jobs import Jobs
from trainer.jobs.operation import Order
from trainer.jobs.orders import check_paths, completed
from trainer.operations import Operations
from trainer.services.messages import operation_id, operation_message
from trainer.settings import TrainerSettings

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_MAX_REQUEST_ID_LENGTH = 128


class TrainingServicer(TrainerServiceServicer):
    """Retraining jobs, and evaluation of versions."""

    def __init__(self, operations: Operations, jobs: Jobs, evaluator: Evaluator, settings: TrainerSettings) -> None:
        self._operations = operations
        self._jobs = jobs
        self._evaluator = evaluator
        self._settings = settings

    async def Retrain(self, request: pb2.RetrainRequest, context: _Context) -> operations_pb2.Operation:
        """Queues a job. The same request id with the same fields is the same job, whatever has become of it."""
        request_id = request.request_id
        if len(request_id) > _MAX_REQUEST_ID_LENGTH:
            raise InvalidFieldError(
                f"request_id has {len(request_id)} characters; {_MAX_REQUEST_ID_LENGTH} is the limit", "request_id"
            )
        order = completed(Order(**{name: getattr(request, name) for name in Order.__slots__}))
        operation = await self._operations.of_request(order, request_id)
        if operation is None:
            check_paths(order, self._settings)
            operation = await self._jobs.submit(order, request_id)
        return operation_message(operation)

    async def WatchRetrain(
        self, request: pb2.WatchRetrainRequest, context: _Context
    ) -> AsyncIterator[pb2.WatchRetrainResponse]:
        """Yields the job as it is, then whenever it has changed, until it has ended."""
        async for operation in self._operations.follow(operation_id(request.operation, "operation")):
            yield pb2.WatchRetrainResponse(operation=operation_message(operation))

    async def Evaluate(self, request: pb2.EvaluateRequest, context: _Context) -> pb2.EvaluateResponse:
        """Evaluates a version, the stable one where none is named."""
        measured = await self._evaluator.evaluate(request.version)
        return pb2.EvaluateResponse(
            model_version=measured.version,
            evaluation=pb2.Evaluation(**asdict(measured.figures)),
            classification_report=classification_report(measured.figures),
            seen_in_training=measured.seen_in_training,
        )
