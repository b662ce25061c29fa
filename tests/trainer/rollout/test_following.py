"""How long a version that is to be loaded is waited for."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfserving_api.messages import PredictionLog
from tfserving_api.tensors import write_array
from tfserving_api.tfrecord import write_records
from trainer.errors import RolloutError, ServingUnavailableError
from trainer.rollout.following import Following
from trainer.rollout.replay import GOLDEN_REQUESTS
from trainer.rollout.serving_client import VersionState, VersionStatus
from trainer.rollout.state import RolloutState

_AWAY = None
_START, _LOADING, _AVAILABLE = map(VersionStatus, (VersionState.START, VersionState.LOADING, VersionState.AVAILABLE))
_FAILED = VersionStatus(VersionState.END, "damaged")
_UNKNOWN = VersionStatus()


class _Told:
    """A serving that is in one state after the other, of any number; the last one stays."""

    def __init__(self, states: Iterable[VersionStatus | None]) -> None:
        self._states: Iterator[VersionStatus | None] = iter(states)
        self._state: VersionStatus | None = _AWAY

    async def statuses(self) -> dict[int, VersionStatus]:
        self._state = next(self._states, self._state)
        if self._state is _AWAY:
            raise ServingUnavailableError("nothing is known")
        return {7: self._state}

    async def version_labelled(self, label: str) -> int | None:
        raise NotImplementedError

    async def predict(self, request: Any, version: int) -> Any:
        raise NotImplementedError


class _Leaving(_Told):
    """Is away when it is first asked for an answer, and then gives the right one."""

    def __init__(self, states: Iterable[VersionStatus | None], answer: Any) -> None:
        super().__init__(states)
        self._answers: Iterator[Any] = iter([None, answer])

    async def predict(self, request: Any, version: int) -> Any:  # noqa: ARG002  as Serving has it
        if (answer := next(self._answers)) is None:
            raise ServingUnavailableError("nothing is known")
        return answer


def _following(tmp_path: Path, *states: VersionStatus | None) -> Following:
    (tmp_path / "7").mkdir()
    return Following(tmp_path, _Told(states))


async def _available(following: Following, failed_before: VersionStatus = _UNKNOWN) -> None:
    async with asyncio.timeout(10):
        await following.available(7, failed_before)


async def test_who_has_answered_meanwhile_may_be_away_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.rollout.following._AWAY_S", 0.3)
    states = [_AWAY, *[_LOADING] * 7, _AWAY, _AVAILABLE]  # a twentieth of a second each

    await _available(_following(tmp_path, *states))


async def test_who_stays_away_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.rollout.following._AWAY_S", 0.1)
    with pytest.raises(ServingUnavailableError):
        await _available(_following(tmp_path, _LOADING, _AWAY))


async def test_an_old_failure_is_believed_when_there_was_time_for_a_new_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = _following(tmp_path, _FAILED, _FAILED, _AVAILABLE)
    await _available(following, failed_before=_FAILED)

    monkeypatch.setattr("trainer.rollout.following._BELIEVE_AFTER_S", 0.1)
    with pytest.raises(RolloutError, match="version 7 does not load"):
        await _available(Following(tmp_path, _Told([_FAILED])), failed_before=_FAILED)


@pytest.mark.parametrize(
    ("failed_before", "states"),
    [(VersionStatus(VersionState.END, "away"), [_FAILED]), (_FAILED, [_FAILED, _LOADING, _FAILED])],
    ids=["another reason", "another try"],
)
async def test_a_new_failure_is_believed_at_once(
    tmp_path: Path, failed_before: VersionStatus, states: list[VersionStatus | None]
) -> None:
    with pytest.raises(RolloutError, match="version 7 does not load"):
        await _available(_following(tmp_path, *states, _AVAILABLE), failed_before)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (RolloutState(stable=6), [_START, _LOADING, _AVAILABLE, VersionStatus(VersionState.UNLOADING), _FAILED]),
        (RolloutState(stable=6), [_AVAILABLE, _AWAY]),
        (RolloutState(stable=7), [_AVAILABLE]),
        (RolloutState(), [_AVAILABLE]),
    ],
    ids=["dropped", "away", "needed", "nothing decided"],
)
async def test_a_version_that_was_dropped_is_waited_for_until_it_has_left(
    tmp_path: Path, state: RolloutState, told: list[VersionStatus | None]
) -> None:
    async with asyncio.timeout(10):
        left = await _following(tmp_path, *told).let_go(7, state)

    assert left == next(status for status in reversed(told) if status is not _AWAY)


async def test_a_serving_that_leaves_while_it_answers_is_asked_again_when_it_has_the_version_back(
    tmp_path: Path,
) -> None:
    log = PredictionLog()
    write_array(np.ones(3, np.float32), log.predict_log.response.outputs["x"])
    (tmp_path / "7" / GOLDEN_REQUESTS).parent.mkdir(parents=True)
    write_records(tmp_path / "7" / GOLDEN_REQUESTS, [log.SerializeToString()])
    states = iter([_AWAY, _LOADING, _AVAILABLE])
    async with asyncio.timeout(10):
        await Following(tmp_path, _Leaving(states, log.predict_log.response)).prove(7)

    assert list(states) == []


class _Labelled(_Told):
    """Is asked for labels alone: away, or with `stable` at one version after the other."""

    def __init__(self, stable: Iterable[int | None]) -> None:
        super().__init__([])
        self._stable = iter(stable)

    async def version_labelled(self, label: str) -> int | None:
        if label != "stable":
            return None
        if (version := next(self._stable)) is _AWAY:
            raise ServingUnavailableError("replicas differ")
        return version


async def test_labels_are_waited_for_while_serving_is_away_or_its_replicas_differ(tmp_path: Path) -> None:
    stable = iter([6, _AWAY, 6, 7, 8])
    async with asyncio.timeout(10):
        await Following(tmp_path, _Labelled(stable)).followed(RolloutState(stable=7, previous=6))

    assert list(stable) == [8]
