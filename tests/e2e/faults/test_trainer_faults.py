"""What callers see while the trainer is in trouble. A docstring is a row of the README's table."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from braintumor.v1 import model_service_pb2, trainer_service_pb2
from google.longrunning import operations_pb2

_OF_TRAINER = "braintumor.v1.TrainerService"
_CANARY = 2
_GARBAGE = b"\xff\xff no message"


@pytest.fixture(scope="module")
def trainer(start_part: Any, start_service: Any, data_root: Path, serving: Any) -> Iterator[Any]:
    """A trainer that has made version 2 the canary of all calls."""
    environment = {"DATA_ROOT": str(data_root), "SERVING_ADDRESS": serving.address, "TRAINER_JOB_NICENESS": "0"}
    model_dir = data_root / "models/brain_tumor"
    shutil.copytree(model_dir / "1", model_dir / str(_CANARY))
    part = start_part(
        lambda port: start_service(["trainer", "serve"], environment | {"TRAINER_ADDRESS": f"127.0.0.1:{port}"})
    )
    yield part
    part.service.stop()


@pytest.fixture(scope="module")
def callers(call: Any, serving: Any, trainer: Any, eventually: Any) -> Any:
    callers = call(serving, trainer.address)
    request = model_service_pb2.SetCanaryRequest(version=_CANARY, percent=100)
    callers.models.SetCanary(request, timeout=60)
    eventually(lambda: callers.predict().model_version == _CANARY)
    return callers


@pytest.fixture(scope="module")
def relay(relay_to: Any, trainer: Any) -> Any:
    return relay_to(trainer)


@pytest.fixture(scope="module")
def relayed(callers: Any, call: Any, serving: Any, relay: Any, eventually: Any) -> Any:
    """Callers of a gateway to which answers can be spoilt, when the canary is there."""
    relayed = call(serving, relay.address)
    eventually(lambda: relayed.predict().model_version == callers.predict().model_version == _CANARY)
    return relayed


@pytest.fixture(scope="module")
def job(callers: Any) -> Iterator[str]:
    """A job that goes on."""
    request = trainer_service_pb2.RetrainRequest(epochs=1000, request_id="long")
    name: str = callers.trainer.Retrain(request, timeout=30).name
    yield name
    callers.operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name), timeout=30)


def _calls(callers: Any, job: str, timeout_s: float) -> dict[str, Any]:
    retrain = trainer_service_pb2.RetrainRequest(epochs=1000, request_id="long")
    watch = trainer_service_pb2.WatchRetrainRequest(operation=job)
    get = operations_pb2.GetOperationRequest(name=job)
    versions = model_service_pb2.ListModelVersionsRequest()
    return {
        "Retrain": lambda: callers.trainer.Retrain(retrain, timeout=timeout_s),
        "WatchRetrain": lambda: list(callers.trainer.WatchRetrain(watch, timeout=timeout_s)),
        "GetOperation": lambda: callers.operations.GetOperation(get, timeout=timeout_s),
        "ListModelVersions": lambda: callers.models.ListModelVersions(versions, timeout=timeout_s),
    }


def _predictions_go_on(callers: Any) -> bool:
    return callers.serves() and callers.predict().model_version == _CANARY and callers.stream() == [None] * 3


def test_trainer_is_killed(callers: Any, trainer: Any, job: str, failure_of: Any, later: Any, eventually: Any) -> None:
    """Trainer is killed.

    Its calls end at once: `UNAVAILABLE`, `TRAINER_UNAVAILABLE`. Health of its services: `NOT_SERVING`. Predictions go
    on, with the canary's last share

    When it is back; jobs go on
    """
    watch = callers.trainer.WatchRetrain(trainer_service_pb2.WatchRetrainRequest(operation=job))
    next(watch)
    watching = later(lambda: failure_of(lambda: list(watch)))
    trainer.kill()
    for failure in (watching(), *(failure_of(call) for call in _calls(callers, job, 50).values())):
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "TRAINER_UNAVAILABLE")
        assert failure.retry_after_s == 1.0
    eventually(lambda: not callers.serves(_OF_TRAINER))
    assert _predictions_go_on(callers)
    trainer.come_back()
    eventually(lambda: callers.serves(_OF_TRAINER))
    assert not _calls(callers, job, 50)["GetOperation"]().done


def test_trainer_hangs(callers: Any, trainer: Any, job: str, failure_of: Any, later: Any, eventually: Any) -> None:
    """Trainer hangs.

    Its calls end at their deadline: `DEADLINE_EXCEEDED`; after half a minute it counts as killed. Health of its
    services: `NOT_SERVING`. Predictions go on

    When it goes on; calls that wait then are answered
    """
    with trainer.hung():
        for call in _calls(callers, job, 0.5).values():
            assert failure_of(call).code is grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(lambda: not callers.serves(_OF_TRAINER))
        assert _predictions_go_on(callers)
        patient = later(_calls(callers, job, 50)["GetOperation"])
    assert patient().name == job
    eventually(lambda: callers.serves(_OF_TRAINER))


def test_trainer_is_slow(relayed: Any, relay: Any, job: str, failure_of: Any, later: Any, eventually: Any) -> None:
    """Trainer is slow.

    Calls that have the time are answered late, others end at their deadline: `DEADLINE_EXCEEDED`. Predictions go on

    With the next look that is answered in time
    """
    relay.held.clear()
    patient = [later(call) for name, call in _calls(relayed, job, 50).items() if name != "WatchRetrain"]
    for call in _calls(relayed, job, 0.5).values():
        assert failure_of(call).code is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: not relayed.serves(_OF_TRAINER))
    assert _predictions_go_on(relayed)
    relay.heal()
    assert all(answer() for answer in patient)
    eventually(lambda: relayed.serves(_OF_TRAINER))


def _ending(code: grpc.StatusCode) -> Any:
    return lambda _method, _own, context: context.abort(code, "Traceback of the inside")


_FAULTS = {
    "no message": lambda *_: _GARBAGE,
    "internal": _ending(grpc.StatusCode.INTERNAL),
}


@pytest.mark.parametrize("fault", _FAULTS.values(), ids=_FAULTS)
def test_trainer_answers_garbage(
    relayed: Any, relay: Any, job: str, failure_of: Any, eventually: Any, fault: Any
) -> None:
    """Trainer answers garbage: no message, a status without details.

    `UNAVAILABLE`, `TRAINER_UNAVAILABLE`. Health of its services: `NOT_SERVING`. Predictions go on, with the canary's
    last share

    With the next good answer
    """
    relay.fault = fault
    eventually(lambda: not relayed.serves(_OF_TRAINER))
    for call in _calls(relayed, job, 50).values():
        failure = failure_of(call)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "TRAINER_UNAVAILABLE")
        assert failure.retry_after_s == 1.0
        assert "inside" not in failure.message
    assert _predictions_go_on(relayed)
    relay.heal()
    eventually(lambda: relayed.serves(_OF_TRAINER))
    assert _calls(relayed, job, 50)["GetOperation"]().name == job
