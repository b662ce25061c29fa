"""A small server of the contract whose jobs and versions go by a script."""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent import futures
from typing import Any

import grpc
import pytest
from braintumor.v1 import model_service_pb2, trainer_service_pb2
from braintumor.v1.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from braintumor.v1.trainer_service_pb2_grpc import TrainerServiceServicer, add_TrainerServiceServicer_to_server
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import duration_pb2, empty_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2


class ScriptedTrainer(TrainerServiceServicer, ModelServiceServicer, operations_pb2_grpc.OperationsServicer):
    """Has the jobs and versions that a test gives it. Pages hold two entries.

    Attributes:
      address: where it listens.
      failures: codes with which the next calls fail.
      calls: names of the methods called, the failed ones among them.
      requests: those of calls that did not fail.
      jobs: by name, newest first.
      streams: of the next watchers: each a list of what is yielded; a code breaks the stream,
        as do code, reason and message; None holds it open.
      versions: newest first.
      padding: bytes that are added to a report.
      seen_in_training: of a version that is evaluated.
      left: set when a watcher's stream has ended.
      silent: whether `Retrain` never answers.
      asked: set when `Retrain` is called.
    """

    def __init__(self) -> None:
        self.address = ""
        self.failures: deque[grpc.StatusCode] = deque()
        self.calls: list[str] = []
        self.requests: list[Any] = []
        self.jobs: dict[str, operations_pb2.Operation] = {}
        self.streams: deque[list[Any]] = deque()
        self.versions: list[model_service_pb2.ModelVersion] = []
        self.padding = 0
        self.seen_in_training = 0
        self.left = threading.Event()
        self.silent = False
        self.asked = threading.Event()

    def job(self, name: str = "operations/1", response: Any = None, error: Any = None, **metadata: Any) -> Any:
        """Makes an operation, which becomes what the job is now."""
        operation = operations_pb2.Operation(name=name, done=bool(response or error))
        operation.metadata.Pack(trainer_service_pb2.RetrainMetadata(**metadata))
        if response:
            operation.response.Pack(response)
        if error:
            operation.error.CopyFrom(_status(*error))
        self.jobs[name] = operation
        return operation

    def Retrain(self, request, context):
        self._begin("Retrain", request, context)
        self.asked.set()
        ended = threading.Event()
        assert not self.silent or not context.add_callback(ended.set) or ended.wait(60)
        return self.job(f"operations/{request.request_id}", state="RETRAIN_STATE_QUEUED")

    def WatchRetrain(self, request, context):
        self._begin("WatchRetrain", request, context)
        self._find(request.operation, context)
        ended = threading.Event()
        assert context.add_callback(ended.set)
        assert context.add_callback(self.left.set)
        for item in self.streams.popleft():
            if isinstance(item, grpc.StatusCode):
                context.abort(item, "the gateway goes away")
            if isinstance(item, tuple):
                _abort(_status(*item), context)
            if item is None:
                ended.wait(60)
                return
            yield trainer_service_pb2.WatchRetrainResponse(operation=item)

    def Evaluate(self, request, context):
        self._begin("Evaluate", request, context)
        return trainer_service_pb2.EvaluateResponse(
            model_version=request.version or 7,
            evaluation=trainer_service_pb2.Evaluation(examples=489, accuracy=0.98, auc=0.996),
            classification_report="          precision\n   Tumor      0.970\n",
            seen_in_training=self.seen_in_training,
        )

    def ListOperations(self, request, context):
        self._begin("ListOperations", request, context)
        jobs = [job for job in self.jobs.values() if not request.filter or request.filter == f"done={job.done}".lower()]
        page, token = _page(jobs, request.page_token)
        return operations_pb2.ListOperationsResponse(operations=page, next_page_token=token)

    def GetOperation(self, request, context):
        self._begin("GetOperation", request, context)
        return self._find(request.name, context)

    def CancelOperation(self, request, context):
        self._begin("CancelOperation", request, context)
        if not self._find(request.name, context).done:
            self.job(request.name, error=(code_pb2.CANCELLED, "CANCELLED", "it was cancelled"), state=5)
        return empty_pb2.Empty()

    def DeleteOperation(self, request, context):
        self._begin("DeleteOperation", request, context)
        self._find(request.name, context)
        del self.jobs[request.name]
        return empty_pb2.Empty()

    def ListModelVersions(self, request, context):
        self._begin("ListModelVersions", request, context)
        page, token = _page(self.versions, request.page_token)
        return model_service_pb2.ListModelVersionsResponse(model_versions=page, next_page_token=token)

    def GetModelVersion(self, request, context):
        self._begin("GetModelVersion", request, context)
        return model_service_pb2.GetModelVersionResponse(model_version=self._version(request.version))

    def GetModelReport(self, request, context):
        self._begin("GetModelReport", request, context)
        if request.version not in {0, *(version.version for version in self.versions)}:
            self._refuse("MODEL_REPORT_NOT_FOUND", f"version {request.version} came without a report", context)
        html = f"<!doctype html><title>version {request.version}</title>".encode()
        return model_service_pb2.GetModelReportResponse(html=html + bytes(self.padding), model_version=request.version)

    def PromoteModelVersion(self, request, context):
        self._begin("PromoteModelVersion", request, context)
        return model_service_pb2.PromoteModelVersionResponse(model_version=self._version(request.version))

    def RollbackModel(self, request, context):
        self._begin("RollbackModel", request, context)
        return model_service_pb2.RollbackModelResponse(model_version=self.versions[-1])

    def SetCanary(self, request, context):
        self._begin("SetCanary", request, context)
        if request.percent == 0:
            return model_service_pb2.SetCanaryResponse()
        tried = model_service_pb2.ModelVersion(version=request.version, canary_percent=request.percent)
        return model_service_pb2.SetCanaryResponse(model_version=tried)

    def _begin(self, name: str, request: Any, context) -> None:
        self.calls.append(name)
        if self.failures:
            context.abort(self.failures.popleft(), "scripted failure")
        self.requests.append(request)

    def _find(self, name: str, context) -> Any:
        if name not in self.jobs:
            self._refuse("OPERATION_NOT_FOUND", f"there is no {name}", context)
        return self.jobs[name]

    def _refuse(self, reason: str, message: str, context) -> None:
        _abort(_status(code_pb2.NOT_FOUND, reason, message), context)

    def _version(self, number: int) -> Any:
        return next(version for version in self.versions if number in {0, version.version})


def _page(entries: Sequence[Any], token: str) -> tuple[Sequence[Any], str]:
    begin = int(token or 0)
    return entries[begin : begin + 2], str(begin + 2) if len(entries) > begin + 2 else ""


def _status(code: int, reason: str, message: str) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="braintumor"))
    if code == code_pb2.UNAVAILABLE:
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1)))
    return status


def _abort(status: status_pb2.Status, context) -> None:
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(next(code for code in grpc.StatusCode if code.value[0] == status.code), status.message)


@pytest.fixture
def trainer() -> Iterator[ScriptedTrainer]:
    """The scripted trainer on a port of its own."""
    scripted = ScriptedTrainer()
    with futures.ThreadPoolExecutor(8) as threads:
        server = grpc.server(threads, options=[("grpc.so_reuseport", 0)])
        add_TrainerServiceServicer_to_server(scripted, server)
        add_ModelServiceServicer_to_server(scripted, server)
        operations_pb2_grpc.add_OperationsServicer_to_server(scripted, server)
        scripted.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield scripted
        server.stop(None).wait()


@pytest.fixture
def environment(trainer: ScriptedTrainer) -> dict[str, str]:
    """Of a command that calls the scripted trainer."""
    return {**os.environ, "BRAINTUMOR_ADDRESS": trainer.address, "PYTHONWARNINGS": "error", "TZ": "UTC"}
