"""Reloads of the configuration, one after the other."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving.modelserver.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from serving.modelserver.manager import AspiredVersionsManager, RetryPolicy
from serving.modelserver.servable import Servable
from serving.modelserver.server_core import ServerCore
from serving.modelserver.states import ManagerState, ServableStateMonitor
from tfserving_api.messages import ModelServerConfig, ModelSpec


class NoEngine:
    """Has nothing to give back."""

    def run(self, *_: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Stage:
    """A core, stepped by hand, whose loads take until `loaded` is set."""

    def __init__(self, path: Path, threads: ThreadPoolExecutor) -> None:
        self.path = path
        self.threads = threads
        self.loading, self.loaded = threading.Event(), threading.Event()
        self.paths: list[Path] = []
        """Where loads looked."""
        monitor = ServableStateMonitor()
        manager = AspiredVersionsManager(self.load, monitor, RetryPolicy(0, 0.0), threads, threads)
        self.core = ServerCore(manager, monitor, poll_wait_s=0)

    def load(self, name: str, version: int, path: Path) -> Servable:
        self.paths.append(path)
        self.loading.set()
        self.loaded.wait()
        return Servable(name, version, {}, NoEngine())

    def config(self, *names: str) -> Any:
        config = ModelServerConfig()
        config.model_config_list.SetInParent()
        for name in names:
            (self.path / name / "1").mkdir(parents=True, exist_ok=True)
            config.model_config_list.config.add(name=name, base_path=str(self.path / name), model_platform="tensorflow")
        return config

    def begin_reload(self, *names: str) -> "Future[None]":
        """Returns when the first of the new models loads."""
        applied = threading.Event()

        def keep_waiting() -> bool:
            applied.set()
            return True

        reload = self.threads.submit(self.core.reload, self.config(*names), keep_waiting)
        applied.wait()
        self.core.step()
        self.loading.wait()
        return reload

    def state(self, name: str) -> ManagerState:
        return self.core.versions(name)[1].state


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ThreadPoolExecutor() as threads:
        stage = Stage(tmp_path, threads)
        yield stage
        stage.loaded.set()


def test_a_reload_waits_for_the_one_before_whose_models_it_would_cancel(stage: Stage) -> None:
    first = stage.begin_reload("m")
    with pytest.raises(DeadlineExceededError, match="Gave up waiting for the reload before this one"):
        stage.core.reload(stage.config("other"), lambda: False)
    stage.core.step()
    second = stage.threads.submit(stage.core.reload, stage.config(), lambda: True)
    stage.loaded.set()
    first.result()
    second.result()
    stage.core.step()
    assert stage.state("m") in {ManagerState.UNLOADING, ManagerState.END}


@pytest.mark.parametrize("config", [ModelServerConfig(), ModelServerConfig(custom_model_config={})])
def test_a_list_of_models_gives_way_to_another_list_alone(stage: Stage, config: Any) -> None:
    """Else a config file that is just being written would change something, or nothing and not say so."""
    stage.loaded.set()
    stage.begin_reload("m").result()
    with pytest.raises(FailedPreconditionError, match=r"^Cannot transition to requested config\. It is "):
        stage.core.apply(config)
    stage.core.step()
    assert stage.state("m") is ManagerState.AVAILABLE


def test_of_the_configs_before_a_list_of_models_an_empty_one_is_taken_and_a_custom_one_is_not(stage: Stage) -> None:
    assert stage.core.apply(ModelServerConfig())[0] == frozenset()
    with pytest.raises(InvalidArgumentError, match="only ModelConfigList is supported"):
        stage.core.apply(ModelServerConfig(custom_model_config={}))
    stage.loaded.set()
    stage.begin_reload("m").result()
    assert stage.state("m") is ManagerState.AVAILABLE


def test_where_versions_are_looked_for_once_the_same_config_again_is_no_reason(stage: Stage) -> None:
    stage.loaded.set()
    stage.begin_reload("m").result()
    (stage.path / "m" / "2").mkdir()
    stage.core.apply(stage.config("m"))
    stage.core.step()
    assert list(stage.core.versions("m")) == [1]
    stage.core.apply(stage.config("m", "n"))
    stage.core.step()
    assert list(stage.core.versions("m")) == [2, 1]


def test_the_file_is_not_applied_while_a_reload_waits_and_is_afterwards(stage: Stage, eventually: Any) -> None:
    file = stage.path / "models.config"
    file.write_text(str(stage.config("of the file")))
    reload = stage.begin_reload("m")
    stage.core.apply_file(file)
    stage.core.step()
    stage.loaded.set()
    reload.result()
    assert stage.state("m") is ManagerState.AVAILABLE
    stage.core.apply_file(file)
    stage.core.step()
    eventually(lambda: stage.core.versions("of the file"))
    eventually(lambda: stage.state("m") is ManagerState.END)


def test_a_model_that_is_added_again_before_anyone_stepped_has_another_life(stage: Stage) -> None:
    """Else the reload would wait for it without end."""
    stage.loaded.set()
    stage.begin_reload("m").result()
    stage.core.apply(stage.config())
    looks = iter(range(50))

    def keep_waiting() -> bool:
        stage.core.step()
        return next(looks, None) is not None

    stage.core.reload(stage.config("m"), keep_waiting)
    assert len(stage.paths) == 2


def test_a_model_that_is_left_out_answers_no_more_when_the_reload_returns(stage: Stage) -> None:
    stage.loaded.set()
    stage.begin_reload("m").result()
    stage.core.reload(stage.config(), lambda: True)
    with pytest.raises(NotFoundError, match=r"Latest\(m\)"), stage.core.servable(ModelSpec(name="m")):
        pass


def test_a_model_follows_its_base_path_there_and_back(stage: Stage, eventually: Any) -> None:
    def serves(version: int) -> bool:
        stage.core.step()
        states = {known: state.state for known, state in stage.core.versions("m").items()}
        return states.pop(version, None) is ManagerState.AVAILABLE and set(states.values()) == {ManagerState.END}

    elsewhere = stage.config("elsewhere")
    elsewhere.model_config_list.config[0].name = "m"
    (stage.path / "elsewhere" / "2").mkdir()
    stage.loaded.set()
    stage.begin_reload("m").result()
    stage.core.reload(elsewhere, lambda: True)
    eventually(lambda: serves(2))
    stage.core.reload(stage.config("m"), lambda: True)
    eventually(lambda: serves(1))
    assert stage.paths[1:] == [stage.path / "elsewhere" / "2", stage.path / "m" / "1"]


def test_a_model_that_was_dropped_is_served_from_where_it_is_added_again_and_only_then_is_the_reload_done(
    stage: Stage, eventually: Any
) -> None:
    elsewhere = stage.config("elsewhere")
    elsewhere.model_config_list.config[0].name = "m"
    stage.loaded.set()
    stage.begin_reload("m").result()
    with stage.core.servable(ModelSpec(name="m")):
        stage.core.reload(stage.config(), lambda: True)
        with pytest.raises(DeadlineExceededError, match="Gave up waiting for m"):
            stage.core.reload(elsewhere, iter([True, False]).__next__)
    stage.core.step()
    eventually(lambda: stage.core.step() or stage.state("m") is ManagerState.AVAILABLE)
    assert stage.paths[-1] == stage.path / "elsewhere" / "1"
