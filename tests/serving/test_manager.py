"""The manager's policy, stepped by hand with loads that do nothing."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from serving.modelserver import manager
from serving.modelserver.errors import NotFoundError, UnavailableError
from serving.modelserver.fingerprint import fingerprint
from serving.modelserver.manager import AspiredVersionsManager, RetryPolicy
from serving.modelserver.servable import Servable
from serving.modelserver.states import ManagerState, ServableStateMonitor


class NoEngine:
    """Remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def run(self, *_: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


class Queue(Executor):
    """Runs what was submitted when the test says so."""

    def __init__(self) -> None:
        self.work: list[Callable[[], Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.work.append(lambda: fn(*args, **kwargs))
        return Future()

    def run(self) -> int:
        work, self.work = self.work, []
        for call in work:
            call()
        return len(work)


class Stage:
    """A manager of model m, whose loads fail for versions in `broken`."""

    def __init__(self, path: Path, retries: int, interval_s: float = 0.0) -> None:
        self.path = path
        self.broken: set[int] = set()
        self.loads: list[int] = []
        self.loaded_from = path
        """Where the last load looked."""
        self.meanwhile: Callable[[], None] = lambda: None
        """Happens during each load."""
        self.engines: dict[int, NoEngine] = {}
        self.monitor = ServableStateMonitor()
        self.loading, self.unloading = Queue(), Queue()
        self.manager = AspiredVersionsManager(
            self.load, self.monitor, RetryPolicy(retries, interval_s), self.loading, self.unloading
        )

    def load(self, name: str, version: int, path: Path) -> Servable:
        self.loads.append(version)
        self.loaded_from = path
        self.meanwhile()
        if version in self.broken and path.is_relative_to(self.path):
            raise UnavailableError("broken")
        self.engines[version] = NoEngine()
        return Servable(name, version, {}, self.engines[version])

    def aspire(self, *versions: int, base: Path | None = None) -> None:
        self.manager.set_aspired({"m": {version: (base or self.path) / str(version) for version in versions}})
        self.manager.step()

    def settle(self) -> None:
        self.manager.step()
        while self.loading.run() + self.unloading.run():
            self.manager.step()

    def states(self) -> dict[int, str]:
        return {version: state.state.name for version, state in self.monitor.versions("m").items()}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    for version in range(1, 5):
        (tmp_path / str(version)).mkdir()
    return Stage(tmp_path, retries=2)


def test_the_old_version_goes_only_when_the_new_one_is_available(stage: Stage) -> None:
    seen: list[dict[int, str]] = []
    stage.aspire(1)
    stage.settle()
    stage.meanwhile = lambda: seen.append(stage.states())
    stage.aspire(2)
    assert stage.states() == {2: "START", 1: "AVAILABLE"}
    stage.loading.run()
    assert seen == [{2: "LOADING", 1: "AVAILABLE"}]
    assert stage.states() == {2: "AVAILABLE", 1: "AVAILABLE"}
    stage.manager.step()
    assert stage.states() == {2: "AVAILABLE", 1: "UNLOADING"}
    stage.unloading.run()
    assert stage.states() == {2: "AVAILABLE", 1: "END"}
    assert stage.engines[1].closed


def test_the_highest_version_is_loaded_first(stage: Stage) -> None:
    stage.aspire(1, 3, 2)
    stage.settle()
    assert stage.loads == [3, 2, 1]


def test_of_several_unwanted_versions_one_bridges_the_gap(stage: Stage) -> None:
    stage.aspire(1, 2)
    stage.settle()
    stage.aspire(3)
    assert stage.states() == {3: "START", 2: "AVAILABLE", 1: "UNLOADING"}


def test_with_nothing_wanted_everything_goes(stage: Stage) -> None:
    stage.aspire(1, 2)
    stage.settle()
    stage.aspire()
    stage.settle()
    assert stage.states() == {2: "END", 1: "END"}
    with pytest.raises(NotFoundError, match=r"Latest\(m\)"), stage.manager.servable("m"):
        pass


def test_a_failing_load_is_retried_then_given_up_and_holds_up_nothing(stage: Stage) -> None:
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


@pytest.mark.parametrize("remedy", ["changed", "removed and put back"])
def test_a_version_that_was_given_up_is_tried_again_when_there_is_reason_to(stage: Stage, remedy: str) -> None:
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


def test_tries_while_files_arrive_are_on_top_of_those_that_count(tmp_path: Path) -> None:
    stage = Stage(tmp_path, retries=1, interval_s=1000.0)
    stage.broken = {1}
    version = tmp_path / "1"
    version.mkdir()
    for tries in range(1, 6):
        stage.aspire(1)
        stage.settle()
        assert (stage.loads, stage.states()) == (tries * [1], {1: "LOADING"})
        (version / str(tries)).touch()
    stage.broken = set()
    stage.aspire(1)
    stage.settle()
    assert stage.states() == {1: "AVAILABLE"}


def test_a_version_whose_files_never_rest_is_given_up_all_the_same(stage: Stage) -> None:
    stage.broken = {1}

    def write() -> None:
        (stage.path / "1" / str(len(stage.loads))).touch()

    stage.meanwhile = write
    while stage.states() != {1: "END"}:
        assert len(stage.loads) < 20
        stage.aspire(1)
        stage.loading.run()


def test_a_version_that_was_given_up_is_tried_where_its_model_has_moved_to(stage: Stage, tmp_path: Path) -> None:
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


def test_predictions_do_not_wait_for_a_look_at_the_files_of_a_version_that_fails(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
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


def test_a_load_that_nobody_wants_any_more_is_discarded(stage: Stage) -> None:
    stage.meanwhile = stage.aspire
    stage.aspire(1)
    stage.settle()
    state = stage.monitor.versions("m")[1]
    assert state.state is ManagerState.END
    assert state.error is not None
    assert state.error.status_string() == "CANCELLED: Loading of servable cancelled"
    assert stage.engines[1].closed


def test_a_version_that_nobody_wants_any_more_when_its_turn_comes_is_not_loaded(stage: Stage) -> None:
    stage.aspire(1)
    stage.aspire()
    stage.settle()
    assert stage.loads == []
    assert str(stage.monitor.versions("m")[1].error) == "Loading of servable cancelled"


def test_pending_retries_end_when_nobody_wants_the_version(stage: Stage) -> None:
    stage.broken = {1}
    stage.aspire(1)
    stage.loading.run()
    stage.aspire()
    stage.settle()
    assert stage.loads == [1]
    state = stage.monitor.versions("m")[1]
    assert (state.state, str(state.error)) == (ManagerState.END, "broken")


def test_a_load_that_fails_when_nobody_wants_the_version_any_more_ends_with_its_error(stage: Stage) -> None:
    stage.broken = {1}
    stage.meanwhile = stage.aspire
    stage.aspire(1)
    stage.settle()
    state = stage.monitor.versions("m")[1]
    assert (state.state, str(state.error)) == (ManagerState.END, "broken")


def test_versions_of_other_models_go_and_a_model_that_failed_begins_anew(stage: Stage) -> None:
    stage.broken = {2}
    stage.aspire(1, 2)
    stage.settle()
    stage.manager.keep_only({"another"})
    stage.aspire(2)  # before anyone stepped
    stage.settle()
    assert stage.states() == {2: "END", 1: "AVAILABLE"}
    assert stage.loads == [2, 1, 2, 2, 2, 2, 2]
    stage.manager.keep_only({"another"})
    stage.settle()
    assert stage.states() == {2: "END", 1: "END"}


def test_a_version_that_is_wanted_again_while_it_unloads_starts_a_new_life(stage: Stage) -> None:
    stage.aspire(1)
    stage.settle()
    with stage.manager.servable("m"):
        stage.aspire()
        stage.settle()
        stage.aspire(1)
        assert stage.states() == {1: "UNLOADING"}
        assert not stage.engines[1].closed
    stage.settle()
    stage.settle()  # without another look at the disk, of which there may be only one
    assert stage.states() == {1: "AVAILABLE"}
    assert stage.loads == [1, 1]


def test_a_version_that_is_wanted_elsewhere_while_it_unloads_has_its_next_life_there(stage: Stage) -> None:
    stage.aspire(1)
    stage.settle()
    with stage.manager.servable("m"):
        stage.aspire()
        stage.aspire(1, base=stage.path / "moved")
        stage.settle()
        assert stage.states() == {1: "UNLOADING"}
    stage.settle()
    stage.settle()
    assert stage.states() == {1: "AVAILABLE"}
    assert stage.loaded_from == stage.path / "moved" / "1"


def test_a_version_that_bridges_a_gap_stays_where_it_came_from_and_makes_room_elsewhere(stage: Stage) -> None:
    stage.aspire(1)
    stage.settle()
    stage.aspire(2)
    stage.aspire(1)
    stage.settle()
    assert stage.loads == [1]
    stage.aspire(2)
    stage.aspire(1, base=stage.path / "moved")
    stage.settle()
    stage.settle()
    assert stage.states() == {2: "END", 1: "AVAILABLE"}
    assert stage.loaded_from == stage.path / "moved" / "1"


def test_a_version_that_serves_goes_on_where_its_model_moves_to_another_path(stage: Stage) -> None:
    stage.aspire(1)
    stage.settle()
    stage.aspire(1, base=stage.path / "moved")
    stage.settle()
    assert (stage.loads, stage.states()) == ([1], {1: "AVAILABLE"})


def test_a_load_that_was_given_up_is_no_load_of_the_version_elsewhere(stage: Stage) -> None:
    def move() -> None:
        stage.meanwhile = lambda: None
        stage.aspire()
        stage.aspire(1, base=stage.path / "moved")

    stage.meanwhile = move
    stage.aspire(1)
    stage.settle()
    stage.settle()
    assert (stage.loads, stage.states()) == ([1, 1], {1: "AVAILABLE"})
    assert stage.loaded_from == stage.path / "moved" / "1"


def test_another_version_serves_on_while_the_wanted_one_still_unloads(stage: Stage) -> None:
    stage.aspire(1, 2)
    stage.settle()
    with stage.manager.servable("m", 2):
        stage.aspire(1)
        stage.settle()
        stage.aspire(2)
        stage.settle()
        assert stage.states() == {2: "UNLOADING", 1: "AVAILABLE"}
    stage.settle()
    stage.settle()
    assert stage.states() == {2: "AVAILABLE", 1: "END"}


def test_requests_go_to_the_largest_available_version_or_the_one_they_name(stage: Stage) -> None:
    stage.aspire(1, 2)
    stage.settle()
    with stage.manager.servable("m") as latest, stage.manager.servable("m", 1) as first:
        assert (latest.version, first.version) == (2, 1)
    with pytest.raises(NotFoundError, match=r"Specific\(m, 3\)"), stage.manager.servable("m", 3):
        pass


def test_waiting_ends_with_the_first_version_whose_life_since_is_available_or_failed() -> None:
    monitor = ServableStateMonitor()
    monitor.publish("m", 1, ManagerState.START)
    monitor.publish("m", 3, ManagerState.START)
    monitor.publish("m", 3, ManagerState.AVAILABLE)
    since = monitor.now
    monitor.publish("m", 1, ManagerState.END, UnavailableError("in an earlier life"))
    assert monitor.wait_until_settled(["m"], since, 0.01) is None
    waiter: list[Any] = []
    thread = threading.Thread(target=lambda: waiter.append(monitor.wait_until_settled(["m"], since, 30)))
    thread.start()
    for state in (ManagerState.START, ManagerState.LOADING, ManagerState.AVAILABLE):
        monitor.publish("m", 2, state)
    thread.join()
    assert waiter[0]["m"][0] == 2
