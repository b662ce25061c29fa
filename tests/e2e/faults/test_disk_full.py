"""What callers see when a disk is full: a real one, of a few megabytes. A docstring is a row of the README's table."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from braintumor.v1 import model_service_pb2
from braintumor.v1 import trainer_service_pb2 as pb2
from google.longrunning import operations_pb2
from google.rpc import error_details_pb2


@pytest.fixture(scope="module")
def disk(make_disk: Any, tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Iterator[Any]:
    """A small disk with the data root's content."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("unshare and nsenter are not installed")
    disk = make_disk(tmp_path_factory.mktemp("disk"))
    if not disk.is_mounted:
        disk.close()
        pytest.skip("this machine allows no mount namespace of one's own")
    shutil.copytree(data_root, disk.path, dirs_exist_ok=True)
    yield disk
    disk.close()


@pytest.fixture(scope="module")
def serving(start_service: Any, disk: Any) -> Iterator[Any]:
    environment = os.environ | {"DATA_ROOT": str(disk.mount_point)}
    write_config = [*disk.within, sys.executable, "-m", "trainer", "write-config"]
    subprocess.run(write_config, env=environment, check=True, capture_output=True)
    flags = [f"--model_config_file={disk.mount_point}/models/models.config", "--model_config_file_poll_wait_seconds=1"]
    flags += ["--allow_version_labels_for_unavailable_models=true", "--max_num_load_retries=0", "--port=0"]
    service = start_service(["serving.modelserver", *flags], within=disk.within)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def trainer(start_service: Any, disk: Any, serving: Any) -> Iterator[Any]:
    environment = {
        "DATA_ROOT": str(disk.mount_point),
        "SERVING_ADDRESS": serving.address,
        "TRAINER_ADDRESS": "127.0.0.1:0",
        "TRAINER_JOB_NICENESS": "0",
    }
    service = start_service(["trainer", "serve"], environment, disk.within)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def callers(call: Any, serving: Any, trainer: Any) -> Any:
    return call(serving, trainer.address)


def _job(callers: Any, name: str) -> tuple[operations_pb2.Operation, pb2.RetrainMetadata]:
    operation = callers.operations.GetOperation(operations_pb2.GetOperationRequest(name=name), timeout=30)
    metadata = pb2.RetrainMetadata()
    operation.metadata.Unpack(metadata)
    return operation, metadata


def _retrain(callers: Any) -> str:
    return str(callers.trainer.Retrain(pb2.RetrainRequest(epochs=1, force=True), timeout=30).name)


def _changes(callers: Any) -> dict[str, Callable[[], Any]]:
    """Calls that have to write."""
    canary = model_service_pb2.SetCanaryRequest(version=2, percent=1)
    promotion = model_service_pb2.PromoteModelVersionRequest(version=2)
    return {
        "Retrain": lambda: _retrain(callers),
        "SetCanary": lambda: callers.models.SetCanary(canary, timeout=30),
        "PromoteModelVersion": lambda: callers.models.PromoteModelVersion(promotion, timeout=30),
    }


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_disk_of_the_audit_log_is_full(call: Any, serving: Any, failure_of: Any, tmp_path: Path) -> None:
    """Disk of the gateway's audit log is full.

    No verdict without its record: `UNAVAILABLE`, `AUDIT_LOG_UNAVAILABLE`

    When there is room; no line is torn
    """
    log = tmp_path / "audit.jsonl"
    callers = call(serving, GATEWAY_AUDIT_LOG=str(log))
    log.rename(tmp_path / "before.jsonl")
    log.symlink_to("/dev/full")
    for failure in (failure_of(callers.predict), *callers.stream()):
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "AUDIT_LOG_UNAVAILABLE")
        assert failure.retry_after_s == 1.0
    log.unlink()
    assert callers.stream() == [None, None, None]
    assert [json.loads(line)["model_version"] for line in log.read_text().splitlines()] == [1, 1, 1]


def test_disk_of_the_trainer_is_full(callers: Any, disk: Any, trainer: Any, failure_of: Any, eventually: Any) -> None:
    """Disk of the trainer is full.

    What has to write: `RESOURCE_EXHAUSTED`, `DISK_FULL`. Predictions go on, jobs and versions are told

    When there is room
    """
    model_dir = disk.path / "models/brain_tumor"
    shutil.copytree(model_dir / "1", model_dir / "2")
    callers.models.SetCanary(model_service_pb2.SetCanaryRequest(), timeout=30)  # the audit trail's page has room left
    disk.fill()
    reasons = set()
    for name, change in 10 * list(_changes(callers).items()):
        failure = failure_of(change)
        reasons.add((failure.code, failure.reason))
        assert failure.retry_after_s is not None, name
    assert reasons == {(grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL")}
    assert callers.predict().model_version == 1
    versions = callers.models.ListModelVersions(model_service_pb2.ListModelVersionsRequest(), timeout=30)
    assert [list(version.labels) for version in versions.model_versions] == [[], ["stable"]]
    assert not callers.operations.ListOperations(operations_pb2.ListOperationsRequest(), timeout=30).operations
    assert trainer.process.poll() is None

    disk.free()
    _changes(callers)["PromoteModelVersion"]()
    eventually(lambda: callers.predict().model_version == 2)
    trail = [json.loads(line) for line in (disk.path / "audit/trainer.jsonl").read_text().splitlines()]
    assert trail[-1]["outcome"] == "OK"


def test_disk_fills_up_under_a_job(callers: Any, disk: Any, trainer: Any, eventually: Any) -> None:
    """Disk of the trainer fills up under a job.

    The job fails: `DISK_FULL`. Nothing of it stays but a version that was whole already, which the message names

    When there is room; order the job again, or promote that version
    """
    daemon = psutil.Process(trainer.process.pid)
    for step in (pb2.RETRAIN_STEP_BUILD_DATASET, pb2.RETRAIN_STEP_EVALUATE):
        name = _retrain(callers)
        eventually(lambda name=name, step=step: _job(callers, name)[1].step >= step)
        disk.fill()
        eventually(lambda: not daemon.children())
        assert callers.predict().model_version == 2
        disk.free()  # not only for the next: the end of the job has to be written too
        eventually(lambda name=name: _job(callers, name)[0].done)
        operation, _ = _job(callers, name)
        info = error_details_pb2.ErrorInfo()
        assert operation.error.details[0].Unpack(info)
        assert (operation.error.code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "DISK_FULL")
        assert "no space is left" in operation.error.message
        assert not list(disk.path.rglob(".unfinished-*"))
        assert {path.name for path in disk.path.glob("models/brain_tumor/*")} == {"1", "2"}
    assert trainer.process.poll() is None
