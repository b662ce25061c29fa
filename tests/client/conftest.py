"""A small server of the contract: what an image says in plain words is what becomes of it."""

import os
import pty
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb
from braintumor.v1.classifier_service_pb2_grpc import (
    ClassifierServiceServicer,
    add_ClassifierServiceServicer_to_server,
)
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

_PREDICTIONS = {
    b"tumor": pb.Prediction(label="Tumor", probability=0.9731, reliability=pb.RELIABLE, ood_score=0.5),
    b"clean": pb.Prediction(label="No Tumor", probability=0.0121, reliability=pb.RELIABLE, ood_score=0.4),
    b"unsure": pb.Prediction(label="No Tumor", probability=0.4118, reliability=pb.UNCERTAIN, ood_score=0.6),
    b"stumble": pb.Prediction(label="Tumor", probability=0.9, reliability=pb.RELIABLE, ood_score=0.5),
    b"queue": pb.Prediction(label="No Tumor", probability=0.1, reliability=pb.RELIABLE, ood_score=0.5),
    b"large": pb.Prediction(label="Tumor", probability=0.9, reliability=pb.RELIABLE, ood_score=0.5),
    b"obvious": pb.Prediction(label="Tumor", probability=0.9996, reliability=pb.RELIABLE, ood_score=0.5),
    b"empty": pb.Prediction(label="No Tumor", probability=0.0004, reliability=pb.RELIABLE, ood_score=0.5),
    b"strange": pb.Prediction(label="Tumor", probability=0.9, reliability=pb.OUT_OF_DOMAIN, ood_score=9.5),
}
_REFUSALS = {
    b"broken": (code_pb2.INVALID_ARGUMENT, "UNSUPPORTED_FORMAT", "the bytes are no image;\nsend JPEG or PNG"),
    b"busy": (code_pb2.RESOURCE_EXHAUSTED, "SERVING_BUSY", "too many callers"),
    b"late": (code_pb2.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "there was no answer in time"),
    b"away": (code_pb2.UNAVAILABLE, "SERVING_UNAVAILABLE", "no model can be reached"),
}


class ScriptedService(ClassifierServiceServicer):
    """Answers "tumor", "clean", …; refuses "broken", "busy", "late", "away"; says nothing to "hang".

    A stream breaks at "drop", at "stumble" the first time, and ends as if all were well at "enough". The first
    "queue" is refused.

    Attributes:
      address: where it listens.
      secure_address: where it wants credentials of a local connection.
      failures: codes with which the next calls fail before anything is looked at.
      calls: calls begun, the failed ones among them.
      requests: those that were looked at.
      metadata: of the last call.
      batch: requests of a stream that are answered together, the last first.
      hanging: set when there is a "hang".
      stream_begun, stream_ended: set when a stream has.
    """

    def __init__(self) -> None:
        self.address = ""
        self.secure_address = ""
        self.failures: deque[grpc.StatusCode] = deque()
        self.calls = 0
        self.requests: list[pb.PredictRequest] = []
        self.metadata: dict[str, str | bytes] = {}
        self.batch = 3
        self.hanging = threading.Event()
        self.stream_begun = threading.Event()
        self.stream_ended = threading.Event()

    def GetServiceInfo(self, request, context):  # noqa: ARG002 gRPC passes both
        self._begin(context)
        return pb.GetServiceInfoResponse(
            message="Welcome to the scripted service.",
            documentation="the tests",
            service_version="0.0.1",
            model_name="brain_tumor",
            served_versions=[
                pb.ServedVersion(label="stable", version=7, input_height=128, input_width=96, input_channels=1)
            ],
            limits=pb.ImageLimits(max_image_bytes=16 * 2**20, max_image_pixels=40_000_000),
            image_formats=["JPEG", "PNG"],
        )

    def Predict(self, request, context):
        self._begin(context)
        outcome = self._outcome(request, context)
        if isinstance(outcome, status_pb2.Status):
            context.set_trailing_metadata((("grpc-status-details-bin", outcome.SerializeToString()),))
            context.abort(_status_code(outcome.code), outcome.message)
        return outcome

    def PredictStream(self, request_iterator, context):
        self._begin(context)
        context.add_callback(self.stream_ended.set)
        self.stream_begun.set()
        while batch := list(islice(request_iterator, self.batch)):
            for asked in reversed(batch):
                if asked.request.image == b"enough":
                    return
                outcome = self._outcome(asked.request, context)
                if isinstance(outcome, status_pb2.Status):
                    yield pb.PredictStreamResponse(id=asked.id, error=outcome)
                else:
                    yield pb.PredictStreamResponse(id=asked.id, response=outcome)

    def _begin(self, context) -> None:
        self.calls += 1
        self.metadata = dict(context.invocation_metadata())
        if self.failures:
            context.abort(self.failures.popleft(), "scripted failure")

    def _outcome(self, request, context) -> pb.PredictResponse | status_pb2.Status:
        self.requests.append(request)
        words = request.image.rstrip(b"\0")
        if words == b"hang":
            self.hanging.set()
            ended = threading.Event()
            assert not context.add_callback(ended.set) or ended.wait(60)
        is_first = [asked.image for asked in self.requests].count(words) == 1
        if words == b"drop" or (words == b"stumble" and is_first):
            context.abort(grpc.StatusCode.UNAVAILABLE, "the gateway goes away")
        if words == b"queue" and is_first:
            return _status(code_pb2.RESOURCE_EXHAUSTED, "QUEUE_FULL", "eight are in work")
        if words in _REFUSALS:
            return _status(*_REFUSALS[words])
        response = pb.PredictResponse(
            prediction=_PREDICTIONS[words], model_name="brain_tumor", model_version=request.version or 1
        )
        if request.explain:
            response.explanation.heatmap_png, response.explanation.overlay_png = b"heatmap", b"overlay"
        if words == b"large":
            response.explanation.overlay_png = bytes(5 * 2**20)
        return response


def _status(code: int, reason: str, message: str) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="braintumor"))
    if code != code_pb2.INVALID_ARGUMENT:
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=250_000_000)))
    return status


def _status_code(number: int) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == number)


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """The scripted service on a port of its own."""
    scripted = ScriptedService()
    with futures.ThreadPoolExecutor(8) as threads:
        server = grpc.server(threads, options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
        add_ClassifierServiceServicer_to_server(scripted, server)
        scripted.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        secure_port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
        scripted.secure_address = f"127.0.0.1:{secure_port}"
        server.start()
        yield scripted
        server.stop(None).wait()


@pytest.fixture
def environment(service: ScriptedService) -> dict[str, str]:
    """Of a command that calls the scripted service."""
    return {**os.environ, "BRAINTUMOR_ADDRESS": service.address, "PYTHONWARNINGS": "error"}


@pytest.fixture(scope="session")
def executable() -> str:
    """Path of the command."""
    return str(Path(sys.executable).with_name("braintumor"))


@pytest.fixture
def braintumor(
    executable: str, environment: dict[str, str], tmp_path: Path
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs the command to its end, in a folder of its own; options are those of subprocess.run."""

    def run(*arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(
            [executable, *arguments], env=environment, cwd=tmp_path, text=True, timeout=60, check=False, **pipes
        )

    return run


@pytest.fixture
def on_terminal(executable: str, environment: dict[str, str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command with a terminal for its stderr; returns its exit status, stdout, and what was drawn there."""

    def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [executable, *arguments], env=environment | variables, stdout=subprocess.PIPE, stderr=theirs
        ) as process:
            os.close(theirs)
            assert process.stdout is not None
            output = process.stdout.read().decode()
            drawn = _read_terminal(ours)
            return process.wait(60), output, drawn

    return run


def _read_terminal(terminal: int) -> str:
    """Reads to the end, which a terminal reports as an error."""
    drawn = b""
    try:
        while select.select([terminal], [], [], 60)[0] and (block := os.read(terminal, 65536)):
            drawn += block
    except OSError:
        pass
    finally:
        os.close(terminal)
    return drawn.decode()


@pytest.fixture
def contract_dir() -> Path:
    """The folder `protos/` of the repository."""
    return Path(__file__).parents[2] / "protos"
