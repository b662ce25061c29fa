"""What the daemon tells of jobs and calls: metrics in this process, from the page that Prometheus reads."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from observability import logs, tracing
from trainer.errors import RolloutError
from trainer.jobs.operation import Failure, Operation, Order, Origin, Outcome, Progress, State, Step
from trainer.jobs.operation_store import OperationStore
from trainer.jobs.orders import DEFAULT_ORDER
from trainer.telemetry.job import ObservedJob
from trainer.telemetry.metrics import REGISTRY
from trainer.telemetry.present import Present, registered

_TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def _value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def operation() -> Operation:
    return Operation(operation_id="a" * 32, order=DEFAULT_ORDER, state=State.QUEUED, created_s=1.0)


@pytest.mark.parametrize(
    ("version", "blessed", "told"), [(2, True, "blessed"), (2, False, "forced"), (0, False, "refused")]
)
def test_a_job_leaves_its_times_and_what_the_gate_said(
    operation: Operation, version: int, blessed: bool, told: str
) -> None:
    before = _value("braintumor_trainer_gate_decisions_total", outcome=told)
    steps = _value("braintumor_trainer_step_duration_seconds_count", step="train")
    job = ObservedJob(operation)
    for step in (Step.BUILD_DATASET, Step.TRAIN, Step.TRAIN, Step.GATE):
        job.progress(Progress(step=step))
    figures: Any = None
    job.end(State.SUCCEEDED, Outcome(metrics=figures, evaluation=figures, version=version, blessed=blessed))
    assert _value("braintumor_trainer_gate_decisions_total", outcome=told) == before + 1
    assert _value("braintumor_trainer_step_duration_seconds_count", step="train") == steps + 1


@pytest.mark.parametrize("step", Step)
def test_times_of_steps_are_there_before_the_first(step: Step) -> None:
    assert REGISTRY.get_sample_value("braintumor_trainer_step_duration_seconds_count", {"step": step}) is not None


def test_a_job_that_fails_leaves_its_reason(operation: Operation) -> None:
    labels = {"state": "failed", "reason": "DISK_FULL"}
    before = _value("braintumor_trainer_jobs_ended_total", **labels)
    failure = Failure(status_code="RESOURCE_EXHAUSTED", reason="DISK_FULL", message="no space")
    ObservedJob(operation).end(State.FAILED, failure)
    assert _value("braintumor_trainer_jobs_ended_total", **labels) == before + 1


def test_a_job_goes_on_in_the_trace_of_its_order(operation: Operation) -> None:
    ordered = replace(operation, origin=Origin(request_id="r1", traceparent=_TRACEPARENT))
    with tracing.exporting("test", "http://127.0.0.1:1", 1.0):
        trace = ObservedJob(ordered).trace
    assert trace is not None
    assert trace.traceparent == _TRACEPARENT  # the order was not recorded, so the job is not either


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "trainer.db"
    store = OperationStore(path)
    order: Order = DEFAULT_ORDER
    first, _ = store.add(order, "", 9, Origin(request_id="r1")), store.add(order, "", 9)
    store.change(first.operation_id, (State.QUEUED,), lambda queued: replace(queued, state=State.RUNNING))
    assert store.get(first.operation_id).origin == Origin(request_id="r1")
    store.close()
    return path


def test_the_page_tells_states_and_labels_as_they_are(database: Path) -> None:
    with registered(Present(database, lambda: {"stable": 7}), REGISTRY):
        found = {state: _value("braintumor_trainer_jobs", state=state) for state in State}
        assert (
            _value("braintumor_trainer_version", label="stable"),
            _value("braintumor_trainer_version", label="canary"),
        ) == (7, 0)
    assert found == {"queued": 1, "running": 1, "succeeded": 0, "failed": 0, "cancelled": 0}


def test_what_cannot_be_read_is_left_out(tmp_path: Path, database: Path) -> None:
    def damaged() -> dict[str, int]:
        raise RolloutError("damaged")

    assert list(Present(tmp_path / "none.db", dict).collect()) == []
    assert [metric.name for metric in Present(database, damaged).collect()] == ["braintumor_trainer_jobs"]


def test_a_record_carries_the_trace() -> None:
    token = tracing.current.set(tracing.Trace("ab" * 16, ""))
    try:
        line = json.loads(logs.JsonFormatter().format(logging.makeLogRecord({"msg": "seen"})))
    finally:
        tracing.current.reset(token)
    assert line["trace_id"] == "ab" * 16
