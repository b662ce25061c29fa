"""A clock on the wall that leaps. A docstring is a row of the README's table."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from braintumor.v1 import classifier_service_pb2 as pb
from braintumor.v1 import model_service_pb2
from braintumor.v1 import trainer_service_pb2 as pb2

_DAY = timedelta(days=1)
_TOLERANCE = timedelta(hours=1)


class Clock:
    """The wall clock of processes, as libfaketime makes it; their monotonic clock stays the machine's."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",  # it is read anew each second
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.leap(timedelta())

    def leap(self, offset: timedelta) -> None:
        """Sets how far it is ahead of the machine's."""
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.write_text(f"{offset.total_seconds():+.0f}\n")
        unfinished.replace(self._file)
        self.offset = offset

    def is_that_of(self, moment: str) -> bool:
        """Tells whether a process whose clock says so has noticed."""
        return abs(datetime.fromisoformat(moment) - datetime.now(UTC) - self.offset) < _TOLERANCE


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed; it is in Debian's package faketime")
    return Clock(library, tmp_path_factory.mktemp("clock") / "offset")


@pytest.fixture(scope="module")
def everywhere(clock: Clock) -> dict[str, str]:
    return clock.variables


@pytest.fixture(scope="module")
def trainer(start_service: Any, data_root: Path, serving: Any, everywhere: dict[str, str]) -> Iterator[Any]:
    environment = {"DATA_ROOT": str(data_root), "TRAINER_ADDRESS": "127.0.0.1:0", "TRAINER_JOB_NICENESS": "0"}
    service = start_service(["trainer", "serve"], everywhere | environment | {"SERVING_ADDRESS": serving.address})
    yield service
    service.stop()


@pytest.fixture(scope="module")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    return path


@pytest.fixture(scope="module")
def callers(call: Any, serving: Any, trainer: Any, audit_log: Path) -> Any:
    variables = {"GATEWAY_AUDIT_LOG": str(audit_log), "GATEWAY_DEFAULT_DEADLINE_S": "50"}
    return call(serving, trainer.address, **variables)


def _last_time(log: Path) -> str:
    return str(json.loads(log.read_text().splitlines()[-1])["time"])


def _until_noticed(clock: Clock, callers: Any, audit_log: Path, data_root: Path, eventually: Any) -> None:
    """Waits until gateway and trainer live by the new time."""
    no_canary = model_service_pb2.SetCanaryRequest()
    ask: dict[Path, Callable[[], Any]] = {
        audit_log: callers.predict,
        data_root / "audit/trainer.jsonl": lambda: callers.models.SetCanary(no_canary, timeout=50),
    }
    for log, call in ask.items():
        eventually(lambda log=log, call=call: call() is not None and clock.is_that_of(_last_time(log)))


def test_the_clock_leaps(
    clock: Clock, callers: Any, serving: Any, data_root: Path, audit_log: Path, later: Any, eventually: Any
) -> None:
    """The clock leaps a day forward, or a day back.

    Nothing: calls, retries, streams, jobs and rollouts go by a clock that does not leap. Times of a job never go back

    At once
    """
    (data_root / "models/brain_tumor/2").symlink_to("1")
    finished = threading.Event()

    def requests() -> Iterator[pb.PredictStreamRequest]:
        while not finished.wait(0.02):  # the job shall have some of the machine too
            yield pb.PredictStreamRequest(request=callers.request)

    stream = later(lambda: [answer.HasField("response") for answer in callers.classifier.PredictStream(requests())])
    name = callers.trainer.Retrain(pb2.RetrainRequest(epochs=1), timeout=30).name
    watch = callers.trainer.WatchRetrain(pb2.WatchRetrainRequest(operation=name), timeout=300)
    job = later(lambda: [answer.operation for answer in watch][-1])

    for offset, version in ((_DAY, 2), (-_DAY, 1)):
        serving.kill()
        waiting = later(lambda: callers.predict(50))
        promotion = model_service_pb2.PromoteModelVersionRequest(version=version)
        rollout = later(lambda promotion=promotion: callers.models.PromoteModelVersion(promotion, timeout=50))
        clock.leap(offset)
        serving.come_back()
        assert waiting().prediction.label == "Tumor"
        assert rollout().model_version.labels == ["stable"]
        eventually(lambda version=version: callers.predict().model_version == version)
        _until_noticed(clock, callers, audit_log, data_root, eventually)

    operation = job()
    finished.set()
    assert set(stream()) == {True}
    response, metadata = pb2.RetrainResponse(), pb2.RetrainMetadata()
    assert operation.response.Unpack(response)
    assert operation.metadata.Unpack(metadata)
    assert response.status == "Model retraining complete"
    times = [moment.ToNanoseconds() for moment in (metadata.create_time, metadata.start_time, metadata.end_time)]
    assert times == sorted(times)
