"""The daemon as a process that can be killed, on a data root with slices and the shipped model, beside a serving."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from braintumor.v1 import trainer_service_pb2 as pb2
from braintumor.v1 import trainer_service_pb2_grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.rpc import error_details_pb2

_SHIPPED = Path(__file__).parents[3] / "data/models/brain_tumor/1"


def _started(arguments: list[str], environment: dict[str, str], log: Path) -> tuple["subprocess.Popen[str]", str]:
    """Starts python with arguments; returns the process and the address that it prints first."""
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    address = re.search(r"\S+:\d+", line)
    if address is None:
        process.kill()
        process.communicate()
    assert address, f"{arguments} did not start: {line}{log.read_text()[-2000:]}"
    return process, address[0]


class Daemon:
    """A trainer on a data root of its own; it may be killed and started again."""

    def __init__(self, root: Path, environment: dict[str, str], eventually: Callable[[Callable[[], Any]], Any]) -> None:
        self.root = root
        self._eventually = eventually
        self._environment = environment | {
            "DATA_ROOT": str(root),
            "TRAINER_ADDRESS": "127.0.0.1:0",
            "TMPDIR": str(root / "tmp"),
            "TRAINER_JOB_NICENESS": "0",  # other tests may run beside these
        }
        self.process: subprocess.Popen[str] | None = None
        (root / "tmp").mkdir(exist_ok=True)

    def start(self, **environment: str) -> None:
        log = self.root / "trainer.log"
        self.process, self.address = _started(["-m", "trainer", "serve"], self._environment | environment, log)
        self._channel = grpc.insecure_channel(self.address)
        self.trainer: Any = trainer_service_pb2_grpc.TrainerServiceStub(self._channel)
        self.operations: Any = operations_pb2_grpc.OperationsStub(self._channel)

    def end(self, number: signal.Signals) -> int:
        """Sends a signal, waits for the end, and returns the exit status."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        status = self.process.wait(20)
        self.process.stdout.close()
        self._channel.close()
        self.process = None
        return status

    def retrain(self, **fields: Any) -> str:
        return str(self.trainer.Retrain(pb2.RetrainRequest(epochs=1, **fields)).name)

    def get(self, name: str) -> operations_pb2.Operation:
        return self.operations.GetOperation(operations_pb2.GetOperationRequest(name=name))

    def metadata(self, name: str) -> pb2.RetrainMetadata:
        metadata = pb2.RetrainMetadata()
        self.get(name).metadata.Unpack(metadata)
        return metadata

    def until_step(self, name: str, step: int) -> None:
        self._eventually(lambda: self.get(name).done or self.metadata(name).step >= step)
        assert not self.get(name).done

    def until_done(self, name: str) -> operations_pb2.Operation:
        self._eventually(lambda: self.get(name).done)
        return self.get(name)

    def outcome(self, name: str) -> pb2.RetrainResponse:
        operation, response = self.until_done(name), pb2.RetrainResponse()
        assert operation.response.Unpack(response), operation.error
        return response

    def published_by(self, name: str) -> list[int]:
        """Versions on disk whose card names the operation."""
        operation_id = name.removeprefix("operations/")
        cards = self.root.glob("models/brain_tumor/*/assets.extra/model_card.json")
        return [
            int(card.parts[-3]) for card in cards if json.loads(card.read_text()).get("operation_id") == operation_id
        ]

    def card(self, version: int) -> dict[str, Any]:
        path = self.root / f"models/brain_tumor/{version}/assets.extra/model_card.json"
        card: dict[str, Any] = json.loads(path.read_text())
        return card

    def cancel(self, name: str) -> None:
        self.operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name))

    def reason(self, name: str) -> str:
        """Why a job failed."""
        info = error_details_pb2.ErrorInfo()
        assert self.until_done(name).error.details[0].Unpack(info)
        return info.reason

    def run_dir(self, name: str) -> Path:
        return self.root / "runs" / name.removeprefix("operations/")

    def resident_bytes(self) -> int:
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def libraries(self) -> list[str]:
        """Files that the daemon has mapped."""
        assert self.process is not None
        return [mapped.path for mapped in psutil.Process(self.process.pid).memory_maps()]

    def stable(self) -> int:
        return int(json.loads((self.root / "models/rollout.json").read_text())["stable"])

    def job_processes(self) -> list[psutil.Process]:
        """Processes that work for jobs of this data root, whoever their parents are."""
        found = []
        for process in psutil.process_iter():
            try:
                is_ours = process.environ().get("DATA_ROOT") == str(self.root) and process.status() != "zombie"
            except psutil.Error:
                continue
            if is_ours and (self.process is None or process.pid != self.process.pid):
                found.append(process)
        return found

    def leftovers(self) -> list[str]:
        """Names of what a job may leave nowhere."""
        kept = {"log.txt", "tensorboard"}
        runs = [path for path in self.root.glob("runs/*/*") if path.name not in kept]
        temporary = self.root.glob("tmp/*")
        return [
            str(path) for path in [*runs, *temporary, *self.root.rglob(".unfinished-*"), *self.root.rglob(".removed-*")]
        ]


@pytest.fixture(scope="session")
def within() -> Callable[[float], AbstractContextManager[None]]:
    """Asserts that what happens in it takes no longer than some seconds."""

    @contextmanager
    def within(limit_s: float) -> Iterator[None]:
        begin = time.monotonic()
        yield
        assert time.monotonic() - begin <= limit_s

    return within


@pytest.fixture(scope="module")
def serving(data_root: Path) -> Iterator[str]:
    """Address of a serving that follows the data root's models.config."""
    environment = {"DATA_ROOT": str(data_root)}
    subprocess.run([sys.executable, "-m", "trainer", "write-config"], env=os.environ | environment, check=True)
    flags = [
        "--port=0",
        f"--model_config_file={data_root}/models/models.config",
        "--model_config_file_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models=true",
        "--max_num_load_retries=0",
    ]
    process, address = _started(["-m", "serving.modelserver", *flags], {}, data_root / "serving.log")
    yield address
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def data_root(
    tmp_path_factory: pytest.TempPathFactory, slice_files: dict[str, bytes], label_rows: dict[str, str]
) -> Path:
    """Slices where a request without fields looks for them, and the shipped model as version 1."""
    root = tmp_path_factory.mktemp("data")
    (root / "raw/images").mkdir(parents=True)
    for name, content in slice_files.items():
        (root / f"raw/images/{name}.jpg").write_bytes(content)
    rows = [f"{name},{label}" for name, label in label_rows.items()]
    (root / "raw/BrainTumor.csv").write_text("\n".join(["Image,Class", *rows]) + "\n")
    shutil.copytree(_SHIPPED, root / "models/brain_tumor/1")
    return root


@pytest.fixture(scope="module")
def daemon(data_root: Path, serving: str, eventually: Callable[[Callable[[], Any]], Any]) -> Iterator[Daemon]:
    """A running daemon."""
    daemon = Daemon(data_root, {"SERVING_ADDRESS": serving}, eventually)
    daemon.start()
    yield daemon
    daemon.end(signal.SIGKILL)
    eventually(lambda: not daemon.job_processes())


@pytest.fixture
def second() -> Callable[[Path, str], str]:
    """Starts a daemon that must not start, and returns what it says on stderr."""

    def second(root: Path, address: str) -> str:
        environment = os.environ | {"DATA_ROOT": str(root), "TRAINER_ADDRESS": address}
        command = [sys.executable, "-m", "trainer", "serve"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr
        return ended.stderr

    return second
