"""Whoever changes jobs or versions is on record, with what came of it."""

import fcntl
import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from braintumor.v1 import model_service_pb2, trainer_service_pb2
from google.longrunning import operations_pb2

from trainer.audit import AUDITED
from trainer.settings import TrainerSettings

Serve = Callable[[], Any]
_READING = {
    "Evaluate",
    "GetModelReport",
    "GetModelVersion",
    "GetOperation",
    "ListModelVersions",
    "ListOperations",
    "WaitOperation",
    "WatchRetrain",
}


def _lines(settings: TrainerSettings) -> list[dict[str, Any]]:
    return [json.loads(line) for line in settings.audit_trail.read_text().splitlines()]


async def test_a_job_is_on_record_with_its_caller(serve: Serve) -> None:
    async with serve() as served:
        metadata = (("x-caller", "radiology"), ("x-request-id", "mine-1"))
        operation = await served.trainer.Retrain(trainer_service_pb2.RetrainRequest(seed=7), metadata=metadata)

        asked, done = _lines(served.settings)
        assert (asked["outcome"], done["outcome"]) == ("ASKED", "OK")
        for line in (asked, done):
            assert (line["caller"], line["request_id"], line["method"]) == ("radiology", "mine-1", "Retrain")
            assert line["request"] == {"seed": "7"}
        assert done["response"]["name"] == operation.name


async def test_a_refusal_is_on_record_and_reading_is_not(serve: Serve, refusal: Any) -> None:
    async with serve() as served:
        await served.operations.ListOperations(operations_pb2.ListOperationsRequest())
        assert not served.settings.audit_trail.exists()
        found = await refusal(served.operations.CancelOperation(operations_pb2.CancelOperationRequest(name="mine")))

        asked, refused = _lines(served.settings)
        assert asked["outcome"] == "ASKED"
        assert refused["outcome"] == found.reason
        assert refused["caller"].startswith("ipv4:127.0.0.1")


async def test_a_request_of_megabytes_leaves_no_record_of_megabytes(serve: Serve, refusal: Any) -> None:
    async with serve() as served:
        found = await refusal(served.trainer.Retrain(trainer_service_pb2.RetrainRequest(image_dir="\x01" * 2**15)))
        assert (found.code, found.reason) == ("INVALID_ARGUMENT", "REQUEST_MALFORMED")
        assert not served.settings.audit_trail.exists()


async def test_what_cannot_be_recorded_is_not_done(serve: Serve, refusal: Any) -> None:
    async with serve() as served:
        served.settings.audit_trail.mkdir()  # no file can be there now
        found = await refusal(served.trainer.Retrain(trainer_service_pb2.RetrainRequest()))

        assert (found.code, found.reason, found.has_retry) == ("UNAVAILABLE", "AUDIT_LOG_UNAVAILABLE", True)
        assert not (await served.operations.ListOperations(operations_pb2.ListOperationsRequest())).operations


async def test_a_record_that_somebody_has_removed_with_its_directory_begins_anew(serve: Serve) -> None:
    async with serve() as served:
        served.settings.audit_trail.parent.rmdir()
        await served.trainer.Retrain(trainer_service_pb2.RetrainRequest())

        assert [line["outcome"] for line in _lines(served.settings)] == ["ASKED", "OK"]


async def test_a_call_that_is_taken_back_before_it_is_on_record_has_an_end_there(serve: Serve, until: Any) -> None:
    """A line without an end tells of a death of the process."""
    async with serve() as served:
        served.settings.audit_trail.parent.mkdir(exist_ok=True)
        with served.settings.audit_trail.open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
                await served.trainer.Retrain(trainer_service_pb2.RetrainRequest(), timeout=0.2)
        await until(lambda: len(_lines(served.settings)) == 2)

        assert [line["outcome"] for line in _lines(served.settings)] == ["ASKED", "CANCELLED"]
        assert not (await served.operations.ListOperations(operations_pb2.ListOperationsRequest())).operations


@pytest.mark.parametrize(
    ("module", "service"),
    [
        (trainer_service_pb2, "TrainerService"),
        (model_service_pb2, "ModelService"),
        (operations_pb2, "Operations"),
    ],
)
def test_every_method_either_only_reads_or_is_audited(module: Any, service: str) -> None:
    descriptor = module.DESCRIPTOR.services_by_name[service]
    for method in descriptor.methods:
        assert (method.name in _READING) != (f"/{descriptor.full_name}/{method.name}" in AUDITED)
