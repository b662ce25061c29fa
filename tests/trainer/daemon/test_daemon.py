"""A daemon that is killed anywhere leaves jobs that come to one true end. Each test goes on from the one before."""

import shutil
import signal
import uuid
from pathlib import Path
from typing import Any

import grpc
from braintumor.v1 import trainer_service_pb2 as pb2

from trainer.data.known_slices import TRAIN_HASHES, write_hashes
from trainer.dataset import load_split

_STEPS = (pb2.RETRAIN_STEP_BUILD_DATASET, pb2.RETRAIN_STEP_TRAIN, pb2.RETRAIN_STEP_PUBLISH)


def test_a_job_that_is_killed_in_each_step_is_published_once(daemon: Any, eventually: Any) -> None:
    forced = daemon.retrain(force=True, request_id="once")
    waiting = daemon.retrain(image_dir="models")
    for step in _STEPS:
        daemon.until_step(forced, step)
        daemon.end(signal.SIGKILL)
        eventually(lambda: not daemon.job_processes())
        daemon.start()

    outcome = daemon.outcome(forced)
    assert daemon.retrain(force=True, request_id="once") == forced
    assert (outcome.status, outcome.blessed) == ("Model retraining complete", False)
    assert daemon.published_by(forced) == [outcome.model_version] == [daemon.stable()]
    card = daemon.card(outcome.model_version)
    assert card["gate"] == {"blessed": False, "forced": True, "reasons": list(outcome.reasons)}
    assert (card["parent_version"], card["epochs"]) == (1, 1)

    assert daemon.reason(waiting) == "IMAGE_SOURCE_INVALID"
    eventually(lambda: not daemon.leftovers())
    assert not daemon.job_processes()


def test_a_network_that_the_gate_refuses_is_a_result_and_no_version(daemon: Any) -> None:
    name = daemon.retrain()
    outcome = daemon.outcome(name)

    assert (outcome.blessed, outcome.model_version) == (False, 0)
    assert any("accuracy" in reason for reason in outcome.reasons)
    assert daemon.published_by(name) == []


def test_a_second_daemon_is_refused(daemon: Any, second: Any) -> None:
    assert "another trainer works on" in second(daemon.root, "127.0.0.1:0")
    assert "cannot listen on" in second(daemon.root / "other", daemon.address)
    (daemon.root / "beside").mkdir()
    (daemon.root / "beside/models").symlink_to(daemon.root / "models")
    assert "another trainer works on" in second(daemon.root / "beside", "127.0.0.1:0")


def test_what_jobs_left_is_not_taken_for_rubbish_where_their_database_is_lost(second: Any, tmp_path: Path) -> None:
    left = tmp_path / "runs" / uuid.uuid4().hex
    left.mkdir(parents=True)
    (tmp_path / "runs/lost+found").mkdir()  # of a disk of its own
    (tmp_path / "trainer.db").touch()

    assert "trainer.db is gone, and runs/ holds what 1 jobs left; put it back" in second(tmp_path, "127.0.0.1:0")
    assert left.is_dir()


def test_a_version_is_evaluated_on_the_stored_test_split(daemon: Any) -> None:
    answer = daemon.trainer.Evaluate(pb2.EvaluateRequest(), timeout=60)

    assert answer.model_version == daemon.stable()
    assert (answer.evaluation.examples, answer.seen_in_training) == (8, 0)
    assert "weighted mean" in answer.classification_report
    assert not daemon.job_processes()


def test_a_version_that_is_removed_while_its_evaluation_waits_is_not_found(daemon: Any) -> None:
    shutil.copytree(daemon.root / "models/brain_tumor/1", daemon.root / "models/brain_tumor/900")
    first, second = (daemon.trainer.Evaluate.future(pb2.EvaluateRequest(version=version)) for version in (1, 900))
    while not daemon.job_processes():
        assert not first.done()
    shutil.rmtree(daemon.root / "models/brain_tumor/900")

    assert second.exception(60).code() is grpc.StatusCode.NOT_FOUND
    assert first.result(60).model_version == 1


def test_a_version_that_was_fitted_to_slices_it_is_tested_on_says_to_how_many(daemon: Any) -> None:
    version_dir = daemon.root / "models/brain_tumor/1"
    write_hashes(version_dir / TRAIN_HASHES, load_split(daemon.root / "test/test_data.npz").images[:3])

    assert daemon.trainer.Evaluate(pb2.EvaluateRequest(version=1), timeout=60).seen_in_training == 3


def test_the_daemon_stays_small_and_loads_no_tensorflow(daemon: Any) -> None:
    assert daemon.resident_bytes() < 150 * 2**20
    packages = ("/tensorflow/", "/pandas/", "/scipy/", "/keras/")
    assert not [name for name in daemon.libraries() if any(package in name for package in packages)]


def test_a_stopped_job_goes_on_and_a_cancelled_one_is_gone(daemon: Any, eventually: Any, within: Any) -> None:
    name = daemon.retrain()
    daemon.until_step(name, pb2.RETRAIN_STEP_TRAIN)
    assert daemon.end(signal.SIGTERM) == 0
    assert not daemon.job_processes()
    daemon.start()
    assert daemon.metadata(name).state == pb2.RETRAIN_STATE_RUNNING
    eventually(daemon.job_processes)
    with within(2.0):
        daemon.cancel(name)

    assert daemon.metadata(name).state == pb2.RETRAIN_STATE_CANCELLED
    assert not daemon.job_processes()
    assert not daemon.run_dir(name).exists()
    assert not daemon.leftovers()


def test_a_killed_process_fails_its_job_and_a_vanished_directory_the_next(daemon: Any, eventually: Any) -> None:
    (daemon.root / "raw/images").rename(daemon.root / "raw/vanishing")
    first, second = daemon.retrain(image_dir="raw/vanishing"), daemon.retrain(image_dir="raw/vanishing")
    eventually(daemon.job_processes)[0].kill()
    (daemon.root / "raw/vanishing").rename(daemon.root / "raw/images")

    assert daemon.reason(first) == "OUT_OF_MEMORY"
    assert daemon.reason(second) == "IMAGE_SOURCE_INVALID"
    assert not daemon.leftovers()


def test_a_job_whose_directory_is_removed_says_so_and_names_no_log_that_is_gone(
    daemon: Any, tmp_path: Path, eventually: Any
) -> None:
    name = daemon.retrain()
    daemon.until_step(name, pb2.RETRAIN_STEP_TRAIN)
    daemon.run_dir(name).rename(tmp_path / "removed")

    assert "under runs/ was removed while it ran" in daemon.until_done(name).error.message
    eventually(lambda: not daemon.leftovers())
