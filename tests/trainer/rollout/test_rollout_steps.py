"""What serving is told in a change of versions, and in which order."""

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfserving_api.messages import PredictionLog, PredictResponse
from tfserving_api.tensors import write_array
from tfserving_api.tfrecord import write_records
from trainer.errors import RolloutError
from trainer.rollout.files import RolloutFiles
from trainer.rollout.replay import GOLDEN_REQUESTS
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_client import VersionState, VersionStatus
from trainer.rollout.state import RolloutState
from trainer.settings import TrainerSettings

_GOOD, _BAD = 1.0, 0.0


def _answer(value: float) -> Any:
    response = PredictResponse()
    write_array(np.full(3, value, np.float32), response.outputs["x"])
    return response


class _Obedient:
    """A serving that does at once what models.config says.

    Attributes:
      told: each question that it is asked, with the versions and the labels that models.config holds by then; of
        several in a row that are alike the first.
      value: of its answers.
    """

    def __init__(self, settings: TrainerSettings) -> None:
        self._files = RolloutFiles(settings)
        self.told: list[tuple[str, set[int], dict[str, int]]] = []
        self.value = _GOOD

    def _asked(self, question: str) -> tuple[set[int], dict[str, int]]:
        listed = self._files.listed()
        versions, labels = set(listed.model_version_policy.specific.versions), dict(listed.version_labels)
        if self.told[-1:] != [(question, versions, labels)]:
            self.told.append((question, versions, labels))
        return versions, labels

    async def statuses(self) -> dict[int, VersionStatus]:
        versions, _ = self._asked("status")
        return dict.fromkeys(versions, VersionStatus(VersionState.AVAILABLE))

    async def version_labelled(self, label: str) -> int | None:
        _, labels = self._asked("label")
        return labels.get(label)

    async def predict(self, request: Any, version: int) -> Any:  # noqa: ARG002  as Serving has it
        self._asked("answer")
        return _answer(self.value)


@pytest.fixture
def serving(settings: TrainerSettings) -> _Obedient:
    """Of versions 1, 2 and 3, of which 2 is stable, and 1 was so before."""
    log = PredictionLog()
    log.predict_log.response.CopyFrom(_answer(_GOOD))
    for version in (1, 2, 3):
        golden_requests = settings.model_dir / str(version) / GOLDEN_REQUESTS
        golden_requests.parent.mkdir(parents=True)
        write_records(golden_requests, [log.SerializeToString()])
    RolloutFiles(settings).write(RolloutState(stable=2, previous=1))
    return _Obedient(settings)


@pytest.fixture
def rollout(settings: TrainerSettings, serving: _Obedient) -> Rollout:
    """What is under test."""
    return Rollout(settings, serving)


async def test_a_label_moves_when_the_version_is_loaded_and_has_answered_and_what_it_left_stays_until_then(
    rollout: Rollout, serving: _Obedient, settings: TrainerSettings
) -> None:
    await rollout.roll_out(3)

    assert serving.told == [
        ("status", {1, 2}, {"stable": 2}),
        ("status", {1, 2, 3}, {"stable": 2}),
        ("answer", {1, 2, 3}, {"stable": 2}),
        ("label", {1, 2, 3}, {"stable": 3}),
    ]
    assert set(RolloutFiles(settings).listed().model_version_policy.specific.versions) == {2, 3}


async def test_what_is_stable_again_has_proven_itself_before(rollout: Rollout, serving: _Obedient) -> None:
    """So a rollback takes one move of a label."""
    serving.value = _BAD
    assert await rollout.rollback() == 1

    assert [question for question, _, _ in serving.told] == ["status", "label"]


@pytest.mark.parametrize(
    "change", [lambda rollout: rollout.roll_out(3), lambda rollout: rollout.set_canary(3, 10)], ids=["stable", "canary"]
)
async def test_no_label_leads_to_a_version_that_answers_otherwise_than_in_training(
    rollout: Rollout,
    serving: _Obedient,
    settings: TrainerSettings,
    change: Callable[[Rollout], Coroutine[Any, Any, None]],
) -> None:
    before = settings.models_config.read_text()
    serving.value = _BAD
    with pytest.raises(RolloutError, match="version 3 does not answer as in training"):
        await change(rollout)

    assert all(labels == {"stable": 2} for _, _, labels in serving.told)
    assert (rollout.state, settings.models_config.read_text()) == (RolloutState(stable=2, previous=1), before)


async def test_changes_take_turns_with_each_other_and_with_the_look_at_the_files(
    rollout: Rollout, serving: _Obedient
) -> None:
    await asyncio.gather(rollout.roll_out(3), rollout.step(), rollout.set_canary(1, 10))

    assert rollout.state == RolloutState(stable=3, previous=2, canary=1, canary_percent=10)
    assert [question for question, _, _ in serving.told] == ["status", "status", "answer", "label"] * 2
    assert serving.told[2] == ("answer", {1, 2, 3}, {"stable": 2})


async def test_a_version_that_cannot_be_removed_costs_no_rollout(
    settings: TrainerSettings, serving: _Obedient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read_only(_model_dir: Path, version: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), f"/secret/{version}")

    monkeypatch.setattr("trainer.rollout.rollout.remove_version", read_only)
    await Rollout(settings.model_copy(update={"retained_versions": 1}), serving).roll_out(3)

    assert RolloutFiles(settings).read() == RolloutState(stable=3, previous=2)
    (told,) = [record for record in caplog.records if record.message == "a version stays on disk"]
    assert (vars(told)["model_version"], vars(told)["problem"]) == (1, "Read-only file system")


async def test_a_version_that_is_gone_already_is_withdrawn(rollout: Rollout) -> None:
    assert await rollout.withdraw(9)


async def test_what_was_decided_is_on_disk_before_serving_is_told(
    rollout: Rollout, settings: TrainerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, replaced = Path.replace, []

    def noted(file: Path, target: Path) -> Path:
        replaced.append(target)
        return replace(file, target)

    monkeypatch.setattr(Path, "replace", noted)
    await rollout.set_canary(0, 0)

    assert replaced == [settings.rollout_state, settings.models_config]


@pytest.mark.usefixtures("serving")
def test_serving_starts_with_all_versions_that_were_decided_upon(settings: TrainerSettings) -> None:
    """Where a kill came between the two files, models.config lacks one."""
    files, whole = RolloutFiles(settings), settings.models_config.read_text()
    files.write(RolloutState(stable=2))
    lacking = settings.models_config.read_text()
    files.write(RolloutState(stable=2, previous=1))
    settings.models_config.write_text(lacking)
    files.ensure()

    assert settings.models_config.read_text() == whole
