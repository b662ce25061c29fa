"""The manager's policy, stepped by hand with loads that do nothing."""

import threading
from typing import Any

import pytest

from serving.modelserver.errors import NotFoundError, UnavailableError
from serving.modelserver.states import ManagerState, ServableStateMonitor


def test_the_old_version_goes_only_when_the_new_one_is_available(stage: Any) -> None:
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


def test_the_highest_version_is_loaded_first(stage: Any) -> None:
    stage.aspire(1, 3, 2)
    stage.settle()
    assert stage.loads == [3, 2, 1]


def test_of_several_unwanted_versions_one_bridges_the_gap(stage: Any) -> None:
    stage.aspire(1, 2)
    stage.settle()
    stage.aspire(3)
    assert stage.states() == {3: "START", 2: "AVAILABLE", 1: "UNLOADING"}


def test_with_nothing_wanted_everything_goes(stage: Any) -> None:
    stage.aspire(1, 2)
    stage.settle()
    stage.aspire()
    stage.settle()
    assert stage.states() == {2: "END", 1: "END"}
    with pytest.raises(NotFoundError, match=r"Latest\(m\)"), stage.manager.servable("m"):
        pass


def test_a_load_that_nobody_wants_any_more_is_discarded(stage: Any) -> None:
    stage.meanwhile = stage.aspire
    stage.aspire(1)
    stage.settle()
    state = stage.monitor.versions("m")[1]
    assert state.state is ManagerState.END
    assert state.error is not None
    assert state.error.status_string() == "CANCELLED: Loading of servable cancelled"
    assert stage.engines[1].closed


def test_a_version_that_nobody_wants_any_more_when_its_turn_comes_is_not_loaded(stage: Any) -> None:
    stage.aspire(1)
    stage.aspire()
    stage.settle()
    assert stage.loads == []
    assert str(stage.monitor.versions("m")[1].error) == "Loading of servable cancelled"


def test_versions_of_other_models_go_and_a_model_that_failed_begins_anew(stage: Any) -> None:
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


def test_a_version_that_is_wanted_again_while_it_unloads_starts_a_new_life(stage: Any) -> None:
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


def test_a_version_that_is_wanted_elsewhere_while_it_unloads_has_its_next_life_there(stage: Any) -> None:
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


def test_a_version_that_bridges_a_gap_stays_where_it_came_from_and_makes_room_elsewhere(stage: Any) -> None:
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


def test_a_version_that_is_wanted_again_while_it_bridges_a_gap_stays_for_good(stage: Any) -> None:
    stage.aspire(1)
    stage.settle()
    stage.aspire(2)
    stage.aspire(1, 3)
    stage.settle()
    assert (stage.loads, stage.states()) == ([1, 3], {3: "AVAILABLE", 2: "END", 1: "AVAILABLE"})


def test_a_version_that_serves_goes_on_where_its_model_moves_to_another_path(stage: Any) -> None:
    stage.aspire(1)
    stage.settle()
    stage.aspire(1, base=stage.path / "moved")
    stage.settle()
    assert (stage.loads, stage.states()) == ([1], {1: "AVAILABLE"})


def test_a_load_that_was_given_up_is_no_load_of_the_version_elsewhere(stage: Any) -> None:
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


def test_another_version_serves_on_while_the_wanted_one_still_unloads(stage: Any) -> None:
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


def test_requests_go_to_the_largest_available_version_or_the_one_they_name(stage: Any) -> None:
    stage.aspire(0, 1, 2)
    stage.settle()
    with stage.manager.servable("m") as latest, stage.manager.servable("m", 0) as first:
        assert (latest.version, first.version) == (2, 0)
    with pytest.raises(NotFoundError, match=r"Specific\(m, 3\)"), stage.manager.servable("m", 3):
        pass


def test_a_version_is_closed_when_the_last_of_its_requests_has_gone(stage: Any) -> None:
    stage.aspire(1)
    stage.settle()
    with stage.manager.servable("m"):
        with stage.manager.servable("m"):
            stage.aspire()
        stage.settle()
        assert not stage.engines[1].closed
    stage.settle()
    assert stage.engines[1].closed


def test_a_life_that_began_before_settles_nothing_and_of_those_since_the_newest_that_serves_does() -> None:
    """A broken version holds up no good one, and is what is told where all are broken."""
    monitor = ServableStateMonitor()
    monitor.publish("m", 1, ManagerState.START)
    since = monitor.now
    monitor.publish("m", 1, ManagerState.AVAILABLE)
    assert monitor.settled("m", since) is None
    for version in (2, 3):
        monitor.publish("m", version, ManagerState.START)
    for version, settled in ((3, None), (2, 3)):
        monitor.publish("m", version, ManagerState.END, UnavailableError("broken"))
        assert _settled_version(monitor, since) == settled
    for version in (4, 5):
        monitor.publish("m", version, ManagerState.START)
        monitor.publish("m", version, ManagerState.AVAILABLE)
        assert _settled_version(monitor, since) == version
    monitor.publish("m", 6, ManagerState.START)
    assert _settled_version(monitor, since) == 5


def _settled_version(monitor: ServableStateMonitor, since: int) -> int | None:
    settled = monitor.settled("m", since)
    return settled and settled[0]


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
