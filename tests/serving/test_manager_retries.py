"""What the manager does about versions that do not load."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.modelserver import manager
from serving.modelserver.fingerprint import fingerprint
from serving.modelserver.states import ManagerState


def test_a_failing_load_is_retried_then_given_up_and_holds_up_nothing(stage: Any) -> None:
    stage.broken = {2}
    stage.aspire(1, 2)
    stage.loading.run()
    assert stage.states() == {2: "LOADING", 1: "AVAILABLE"}
    stage.settle()
    assert stage.loads == [2, 1, 2, 2]
    assert stage.states() == {2: "END", 1: "AVAILABLE"}
    error = stage.monitor.versions("m")[2].error
    assert error is not None
    assert error.status_string() == "UNAVAILABLE: broken"
    for _ in range(3):
        stage.aspire(1, 2)
    stage.settle()
    assert stage.loads == [2, 1, 2, 2]


def test_the_last_version_that_serves_outlasts_new_ones_that_fail_and_goes_with_the_first_that_loads(
    stage: Any,
) -> None:
    stage.broken = {3}
    stage.aspire(0, 1)
    stage.settle()
    stage.aspire(3)
    stage.settle()
    assert stage.states() == {3: "END", 1: "AVAILABLE", 0: "END"}
    stage.aspire(4)
    stage.settle()
    assert stage.states() == {4: "AVAILABLE", 3: "END", 1: "END", 0: "END"}


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/secret"), "No space left on device"),
        (ZeroDivisionError("/somewhere/secret"), "ZeroDivisionError"),
    ],
    ids=["of the system", "of the code"],
)
def test_an_error_that_nobody_foresaw_ends_the_load_and_is_told_without_paths(
    stage: Any, failure: Exception, told: str
) -> None:
    def fail() -> None:
        raise failure

    stage.meanwhile = fail
    stage.aspire(1)
    stage.settle()
    error = stage.monitor.versions("m")[1].error
    assert error is not None
    assert error.status_string() == f"INTERNAL: {told} while loading"


@pytest.mark.parametrize("remedy", ["changed", "removed and put back"])
def test_a_version_that_was_given_up_is_tried_again_when_there_is_reason_to(stage: Any, remedy: str) -> None:
    stage.broken = {1}
    stage.aspire(1)
    stage.settle()
    stage.broken = set()
    if remedy == "changed":
        (stage.path / "1" / "saved_model.pb").write_text("repaired")
    else:
        stage.aspire()
    stage.aspire(1)
    stage.settle()
    assert stage.states() == {1: "AVAILABLE"}


def test_tries_while_files_arrive_are_on_top_of_those_that_count(make_stage: Any) -> None:
    stage = make_stage(retries=1, interval_s=1000.0)
    stage.broken = {1}
    for tries in range(1, 6):
        stage.aspire(1)
        stage.settle()
        assert (stage.loads, stage.states()) == (tries * [1], {1: "LOADING"})
        (stage.path / "1" / str(tries)).touch()
    stage.broken = set()
    stage.aspire(1)
    stage.settle()
    assert stage.states() == {1: "AVAILABLE"}


def test_a_version_whose_files_never_rest_is_given_up_all_the_same(stage: Any) -> None:
    stage.broken = {1}

    def write() -> None:
        (stage.path / "1" / str(len(stage.loads))).touch()

    stage.meanwhile = write
    while stage.states() != {1: "END"}:
        assert len(stage.loads) < 20
        stage.aspire(1)
        stage.loading.run()


def test_a_version_that_was_given_up_is_tried_where_its_model_has_moved_to(stage: Any, tmp_path: Path) -> None:
    stage.path = tmp_path / "1"  # what lies there is broken
    stage.broken = {1}
    stage.aspire(1)
    stage.settle()
    elsewhere = tmp_path / "2"
    for _ in range(5):
        stage.manager.set_aspired({"m": {1: elsewhere}})
        stage.settle()
    assert stage.loads == [1, 1, 1, 1]
    assert stage.states() == {1: "AVAILABLE"}


def test_a_version_that_waits_for_its_next_try_has_it_where_its_model_has_moved_to(make_stage: Any) -> None:
    stage = make_stage(retries=1, interval_s=1000.0)
    stage.broken = {1}
    stage.aspire(1)
    stage.settle()
    stage.broken = set()
    stage.aspire(1, base=stage.path / "moved")
    stage.settle()
    assert stage.states() == {1: "AVAILABLE"}
    assert stage.loaded_from == stage.path / "moved" / "1"


def test_predictions_do_not_wait_for_a_look_at_the_files_of_a_version_that_fails(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.broken = {2}
    stage.aspire(1, 2)
    stage.settle()
    looks: list[Path] = []

    def look(path: Path) -> int:
        looks.append(path)
        prediction = threading.Thread(target=stage.manager.is_available, args=("m",))
        prediction.start()
        prediction.join(10)
        assert not prediction.is_alive()
        return 0

    monkeypatch.setattr(manager, "fingerprint", look)
    stage.aspire(1, 2)
    assert looks == [stage.path / "2"]


def test_a_look_at_files_without_end_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(_: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        while True:
            yield str(tmp_path), [], ["a", "b"]

    (tmp_path / "a").touch()
    monkeypatch.setattr(os, "walk", walk)
    before = fingerprint(tmp_path)
    (tmp_path / "a").write_text("written")
    assert fingerprint(tmp_path) != before


def test_a_file_that_is_mended_in_place_is_another_one_though_it_has_its_size_and_time(tmp_path: Path) -> None:
    """As by `cp -p` over a damaged copy, which has them from the same original."""
    weights = tmp_path / "weights"
    weights.write_text("damaged")
    os.utime(weights, (1, 1))
    before, written_ns = fingerprint(tmp_path), weights.stat().st_ctime_ns
    while weights.stat().st_ctime_ns == written_ns:  # clocks of file systems tick a few hundred times a second
        weights.write_text("correct")
        os.utime(weights, (1, 1))
    assert fingerprint(tmp_path) != before


def test_pending_retries_end_when_nobody_wants_the_version(stage: Any) -> None:
    stage.broken = {1}
    stage.aspire(1)
    stage.loading.run()
    stage.aspire()
    stage.settle()
    assert stage.loads == [1]
    state = stage.monitor.versions("m")[1]
    assert (state.state, str(state.error)) == (ManagerState.END, "broken")


def test_a_retry_that_nobody_wants_any_more_when_its_turn_comes_ends_with_the_error_before(stage: Any) -> None:
    stage.broken = {1}
    stage.aspire(1)
    stage.loading.run()
    stage.manager.step()
    stage.aspire()
    stage.settle()
    state = stage.monitor.versions("m")[1]
    assert (stage.loads, state.state, str(state.error)) == ([1], ManagerState.END, "broken")


def test_a_version_that_serves_after_a_failed_try_is_that_of_the_path_it_came_from(stage: Any) -> None:
    stage.broken = {1}
    stage.aspire(1)
    stage.loading.run()
    stage.broken = set()
    stage.settle()
    stage.aspire(1, base=stage.path / "moved")
    stage.aspire(2)
    stage.aspire(1, base=stage.path / "moved")
    stage.settle()
    stage.settle()
    assert stage.states() == {2: "END", 1: "AVAILABLE"}
    assert stage.loaded_from == stage.path / "moved" / "1"


def test_a_load_that_fails_when_nobody_wants_the_version_any_more_ends_with_its_error(stage: Any) -> None:
    stage.broken = {1}
    stage.meanwhile = stage.aspire
    stage.aspire(1)
    stage.settle()
    state = stage.monitor.versions("m")[1]
    assert (state.state, str(state.error)) == (ManagerState.END, "broken")
