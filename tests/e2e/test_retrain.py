"""A model retrains itself while callers go on: serving, trainer and gateway as processes, through client and command.

The tests share one service and go through its life in their order.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import braintumor
import grpc
import psutil
import pytest
from braintumor.v1.trainer_service_pb2 import RETRAIN_STATE_RUNNING
from grpc_health.v1 import health_pb2, health_pb2_grpc

_FLAGS = (
    "--port=0",
    "--model_config_file_poll_wait_seconds=1",
    "--allow_version_labels_for_unavailable_models=true",
    "--max_num_load_retries=1",
    "--load_retry_interval_micros=1000000",
    "--num_load_threads=2",
    "--num_unload_threads=2",
)
_ORDER: dict[str, Any] = {
    "image_dir": "raw/images",
    "target_dir": "raw",
    "target_file": "BrainTumor.csv",
    "data_dir": "processed",
    "epochs": 1,
    "npz_filename": "data.npz",
}
Ask = Callable[..., int]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def serving(start_service: Any, data_root: Path) -> Iterator[Any]:
    environment = os.environ | {"DATA_ROOT": str(data_root)}
    subprocess.run(
        [sys.executable, "-m", "trainer", "write-config"], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    config = f"--model_config_file={data_root / 'models/models.config'}"
    service = start_service(["serving.modelserver", *_FLAGS, config])
    yield service
    service.stop()


@pytest.fixture(scope="module")
def trainer_environment(data_root: Path, serving: Any) -> dict[str, str]:
    return {
        "DATA_ROOT": str(data_root),
        "SERVING_ADDRESS": serving.address,
        "TRAINER_ADDRESS": "127.0.0.1:0",
        "TRAINER_JOB_NICENESS": "0",
    }


@pytest.fixture(scope="module")
def trainer(start_service: Any, trainer_environment: dict[str, str]) -> Iterator[Any]:
    service = start_service(["trainer", "serve"], trainer_environment)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def gateway(start_service: Any, serving: Any, trainer: Any) -> Iterator[Any]:
    environment = {
        "GATEWAY_ADDRESS": "127.0.0.1:0",
        "SERVING_ADDRESS": serving.address,
        "TRAINER_ADDRESS": trainer.address,
    }
    service = start_service(["gateway"], environment)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def client(gateway: Any, slices: list[bytes]) -> Iterator[braintumor.Client]:
    with braintumor.Client(gateway.address, timeout_s=30) as connected:
        connected.predict(slices[0])  # tried again until all are there
        connected.versions()
        yield connected


@pytest.fixture(scope="module")
def answered_by(gateway: Any, slices: list[bytes]) -> Ask:
    """Tells which version answers a call, with a routing key or without."""

    def ask(key: str = "") -> int:
        metadata = [("x-routing-key", key)] if key else []
        with braintumor.Client(gateway.address, metadata=metadata) as caller:
            return caller.predict(slices[1]).model_version

    return ask


@pytest.fixture(scope="module")
def run(gateway: Any) -> Run:
    """Runs the command to its end."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(Path(sys.executable).with_name("braintumor")), *arguments, "--address", gateway.address]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return run


def _retrain_command(*options: str) -> list[str]:
    given = (f"--{name.replace('_', '-')}={value}" for name, value in _ORDER.items())
    return ["retrain", *given, *options]


def test_a_retrained_version_takes_over_and_callers_notice_nothing(
    client: braintumor.Client, run: Run, callers: Callable[[], Any], eventually: Any
) -> None:
    with callers() as present:
        done = run(*_retrain_command("--force", "--watch", "--json", "--request-id", "first"))
        eventually(lambda: all(2 in caller.versions for caller in present))

    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"RETRAIN_STEP_BUILD_DATASET", "RETRAIN_STEP_TRAIN", "RETRAIN_STEP_CALIBRATE"} <= {
        record["step"] for record in records
    }
    assert records[-1]["response"]["model_version"] == 2
    assert records[-1]["metrics"]["val_loss"] > 0
    assert set.union(*(caller.versions for caller in present)) == {1, 2}
    assert client.retrain(**_ORDER, force=True, request_id="first").operation == records[-1]["operation"]


def test_one_call_goes_back_and_one_goes_forward(run: Run, answered_by: Ask, callers: Callable[[], Any]) -> None:
    with callers():
        assert run("rollback").stdout == "version 1 is the stable one now\n"
        assert answered_by() == 1
        assert run("promote", "2").stdout == "version 2 is the stable one now\n"
        assert answered_by() == 2


def test_whoever_moves_a_label_is_answered_by_it(client: braintumor.Client, answered_by: Ask) -> None:
    for version in (1, 2, 1, 2):
        client.promote(version)
        assert answered_by() == version


def test_a_canary_gets_its_share_and_keys_stick(run: Run, answered_by: Ask) -> None:
    done = run("canary", "1", "--percent", "50")
    assert done.stdout == "version 1 gets 50 % of the calls that name no version\n", done.stderr
    assert {answered_by() for _ in range(20)} == {1, 2}
    assert "canary 50 %" in run("versions").stdout

    keys = [f"ward {number}" for number in range(20)]
    sides = {key: answered_by(key) for key in keys}
    assert set(sides.values()) == {1, 2}
    assert {key: answered_by(key) for key in keys} == sides

    assert run("canary", "--percent", "0").returncode == 0
    assert {answered_by(key) for key in keys} == {2}


def test_versions_are_described_and_measured(client: braintumor.Client, run: Run, tmp_path: Path) -> None:
    card = run("version", "2").stdout
    assert card.startswith("version 2, stable, available in serving\n")
    assert "parent_version  1\n" in card
    assert "forced  yes\n" in card
    assert run("report", "2", "--output", str(tmp_path / "report.html")).returncode == 0
    assert "version 1, stable before" in (tmp_path / "report.html").read_text()
    measured = run("evaluate", "1")
    assert measured.returncode == 0, measured.stderr
    assert measured.stdout.startswith("version 1: accuracy ")
    with pytest.raises(braintumor.ServiceError) as absent:
        client.version(99)
    assert (absent.value.code, absent.value.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_VERSION_NOT_FOUND")


def test_what_cannot_start_is_an_error_at_once(client: braintumor.Client, run: Run) -> None:
    with pytest.raises(braintumor.ServiceError) as outside:
        client.retrain(image_dir="../elsewhere")
    assert (outside.value.code, outside.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    done = run("retrain", "--image-dir", "/etc")
    assert (done.stdout, done.returncode) == ("", 1)
    assert "image_dir" in done.stderr


def test_a_job_that_is_left_goes_on_and_can_be_cancelled(client: braintumor.Client, gateway: Any, run: Run) -> None:
    command = [str(Path(sys.executable).with_name("braintumor")), *_retrain_command("--watch")]
    with subprocess.Popen(
        [*command, "--address", gateway.address], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stderr is not None
        watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        told = watching.stderr.read().splitlines()[-1]
        assert watching.wait(30) == 130
    (job,) = client.jobs(done=False)
    assert told == (f"the job goes on; come back with: braintumor watch {job.operation} --address {gateway.address}")
    assert run("cancel", job.operation).stdout == f"{job.operation} is cancelled\n"
    ended = list(client.watch(job.operation))[-1]
    assert ended.error is not None
    assert ended.error.code is grpc.StatusCode.CANCELLED
    assert len(run("jobs").stdout.splitlines()) == 3
    assert run("delete", job.operation).returncode == 0
    assert len(client.jobs()) == 1


def test_without_a_trainer_predictions_go_on_and_jobs_come_back(
    client: braintumor.Client,
    gateway: Any,
    trainer: Any,
    trainer_environment: dict[str, str],
    start_service: Any,
    answered_by: Ask,
    callers: Callable[[], Any],
    eventually: Any,
) -> None:
    job = client.retrain(**_ORDER)
    with callers() as present:
        for child in psutil.Process(trainer.process.pid).children(recursive=True):
            child.kill()
        trainer.process.kill()
        eventually(lambda: _health(gateway, "braintumor.v1.TrainerService") == "NOT_SERVING")
        assert _health(gateway, "braintumor.v1.ClassifierService") == _health(gateway, "") == "SERVING"
        begun = time.monotonic()
        with pytest.raises(braintumor.ServiceError) as away:
            client.rollback(timeout_s=30)
        assert time.monotonic() - begun < 2
        assert (away.value.code, away.value.reason) == (grpc.StatusCode.UNAVAILABLE, "TRAINER_UNAVAILABLE")
        assert away.value.retry_after_s is not None
        for caller in present:
            caller.versions.clear()
        eventually(lambda: all(caller.versions == {2} for caller in present))

    back = start_service(["trainer", "serve"], trainer_environment | {"TRAINER_ADDRESS": trainer.address})
    try:
        eventually(lambda: client.job(job.operation).metadata.state == RETRAIN_STATE_RUNNING)
        client.cancel(job.operation)
        assert client.job(job.operation).error is not None
    finally:
        back.stop()
    assert answered_by() == 2


def _health(gateway: Any, service: str) -> str:
    with grpc.insecure_channel(gateway.address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
