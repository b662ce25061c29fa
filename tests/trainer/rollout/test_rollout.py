"""Versions go into serving, and back, whatever happens on the way."""

import asyncio
import shutil
import threading
import time

import pytest

from trainer.errors import (
    InvalidFieldError,
    ModelVersionNotFoundError,
    NoPreviousVersionError,
    NoStableVersionError,
    RolloutError,
    ServingUnavailableError,
)
from trainer.rollout.files import RolloutFiles
from trainer.rollout.serving_client import VersionState
from trainer.rollout.state import RolloutState
from trainer.telemetry.metrics import REGISTRY
from trainer.versions import versions_on_disk


def test_a_new_version_becomes_stable_and_a_rollback_takes_it_back(add_version, serving, play) -> None:
    """Also with another input shape, within the seconds that are promised."""
    add_version(1)
    serving.start()
    add_version(2, "rgb")

    async def scene(rollout, client):
        exported_at = time.monotonic()
        await rollout.roll_out(2)
        rolled_out_in = time.monotonic() - exported_at
        forward = await client.version_labelled("stable"), rollout.state

        asked_at = time.monotonic()
        assert await rollout.rollback() == 1
        rolled_back_in = time.monotonic() - asked_at
        back = await client.version_labelled("stable"), rollout.state

        assert await rollout.rollback() == 2
        return forward, back, rolled_out_in, rolled_back_in, await client.statuses()

    forward, back, rolled_out_in, rolled_back_in, statuses = play(scene)

    assert forward == (2, RolloutState(stable=2, previous=1))
    assert back == (1, RolloutState(stable=1, previous=2))
    assert {version: status.state for version, status in statuses.items()} == dict.fromkeys(
        (1, 2), VersionState.AVAILABLE
    )
    assert rolled_out_in < 5
    assert rolled_back_in < 3


def test_the_first_version_ever_becomes_stable(settings, add_version, serving, play) -> None:
    """Serving, which was started without any, waits for it."""
    settings.model_dir.mkdir(parents=True)
    starting = threading.Thread(target=serving.start)
    starting.start()
    while not settings.models_config.exists():
        assert starting.is_alive()
    add_version(1)
    starting.join()

    async def scene(rollout, client):
        assert await client.version_labelled("stable") is None
        await rollout.roll_out(1)
        return await client.version_labelled("stable"), rollout.state

    assert play(scene) == (1, RolloutState(stable=1))


def test_what_does_not_load_never_becomes_stable(settings, add_version, serving, play, caplog) -> None:
    """Its number may be tried again when its files are whole."""
    add_version(1)
    serving.start()
    before = settings.models_config.read_text()
    broken = add_version(2)
    (broken / "saved_model.pb").write_bytes(b"no graph")

    async def scene(rollout, client):
        with pytest.raises(RolloutError, match=r"^version 2 does not load in serving; the trainer's log tells why$"):
            await rollout.roll_out(2)
        failed = settings.models_config.read_text(), rollout.state, await client.version_labelled("stable")

        shutil.rmtree(broken)
        add_version(2)
        await rollout.roll_out(2)
        return failed, await client.version_labelled("stable")

    failed, repaired = play(scene)

    assert failed == (before, RolloutState(stable=1), 1)
    assert repaired == 2
    assert [record.model_version for record in caplog.records if record.message == "version not loaded"] == [2]


def test_what_answers_otherwise_than_in_training_never_becomes_stable(
    settings, add_version, falsify, serving, play
) -> None:
    add_version(1)
    serving.start()
    before = settings.models_config.read_text()
    falsify(add_version(2))

    async def scene(rollout, client):
        with pytest.raises(RolloutError, match=r"golden request 1 .* ood_score is off by up to 0\.1"):
            await rollout.roll_out(2)
        return await client.version_labelled("stable"), await client.version_labelled("canary"), rollout.state

    assert play(scene) == (1, None, RolloutState(stable=1))
    assert settings.models_config.read_text() == before


def test_a_canary_is_labelled_until_it_is_promoted(settings, add_version, serving, play) -> None:
    add_version(1)
    add_version(2)
    RolloutFiles(settings).write(RolloutState(stable=1))
    serving.start()

    async def scene(rollout, client):
        await rollout.set_canary(2, 10)
        assert (await client.version_labelled("stable"), await client.version_labelled("canary")) == (1, 2)
        await rollout.set_canary(2, 50)
        tried = rollout.state
        await rollout.roll_out(2)
        assert (await client.version_labelled("stable"), await client.version_labelled("canary")) == (2, None)
        return tried, rollout.state

    tried, promoted = play(scene)

    assert tried == RolloutState(stable=1, canary=2, canary_percent=50)
    assert promoted == RolloutState(stable=2, previous=1)


def test_going_back_is_possible_where_serving_has_followed_already(settings, add_version, serving, play, until) -> None:
    """As when one of several replicas is late: those that are not have left the old canary behind."""
    for version in (1, 2, 3):
        add_version(version)
    RolloutFiles(settings).write(RolloutState(stable=1))
    serving.start()

    async def scene(rollout, client):
        await rollout.set_canary(2, 10)
        look = client.version_labelled

        async def late(label):
            return None if label == "canary" else await look(label)

        async def canary_is(version):
            return await look("canary") == version

        client.version_labelled = late
        change = asyncio.create_task(rollout.set_canary(3, 10))
        await until(lambda: canary_is(3))
        change.cancel()
        await asyncio.wait([change])
        client.version_labelled = look
        await until(lambda: canary_is(2))
        await rollout.roll_out(3)
        return rollout.state

    assert play(scene) == RolloutState(stable=3, previous=1, canary=2, canary_percent=10)


def test_memory_keeps_two_stable_versions_and_the_disk_keeps_five(settings, add_version, serving, play, until) -> None:
    for version in range(1, 7):
        add_version(version)
    RolloutFiles(settings).write(RolloutState(stable=2, previous=1))
    serving.start()

    async def scene(rollout, client):
        await rollout.roll_out(3)

        async def only_two() -> bool:
            statuses = await client.statuses()
            return {number for number, status in statuses.items() if status.state is VersionState.AVAILABLE} == {2, 3}

        await until(only_two)

    play(scene)
    assert versions_on_disk(settings.model_dir) == [2, 3, 4, 5, 6]
    assert not list(settings.model_dir.glob(".*"))


def test_a_rollout_outlives_a_restart_of_serving(settings, add_version, serving, play, until) -> None:
    add_version(1)
    serving.start()
    add_version(2)
    serving.kill()

    async def scene(rollout, client):
        change = asyncio.create_task(rollout.roll_out(2))

        async def announced() -> bool:
            return "versions: 2" in settings.models_config.read_text()

        await until(announced)
        await asyncio.to_thread(serving.start)
        await change
        return await client.version_labelled("stable")

    assert play(scene) == 2


def _rollouts(outcome: str) -> float:
    return REGISTRY.get_sample_value("braintumor_trainer_rollouts_total", {"outcome": outcome}) or 0.0


def test_a_rollout_that_is_cancelled_changes_nothing(settings, add_version, play, caplog) -> None:
    """As when the caller of PromoteModelVersion leaves. Serving has not failed, so no alert is to say so."""
    failed, broken_off = _rollouts("failed"), _rollouts("broken_off")
    add_version(1)
    RolloutFiles(settings).ensure()
    before = settings.models_config.read_text()
    add_version(2)

    async def scene(rollout, _client):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rollout.roll_out(2), 0.5)
        return rollout.state

    assert play(scene) == RolloutState(stable=1)
    assert settings.models_config.read_text() == before
    assert (_rollouts("failed"), _rollouts("broken_off")) == (failed, broken_off + 1)
    assert [record.problem for record in caplog.records if record.name == "trainer.rollout.rollout"] == [
        "CancelledError"
    ]


def test_a_serving_that_stays_away_is_given_up(settings, add_version, play, monkeypatch) -> None:
    monkeypatch.setattr("trainer.rollout.following._AWAY_S", 0.3)
    add_version(1)
    RolloutFiles(settings).ensure()
    add_version(2)

    async def scene(rollout, _client):
        with pytest.raises(ServingUnavailableError):
            await rollout.roll_out(2)
        return rollout.state

    assert play(scene) == RolloutState(stable=1)


def test_a_version_that_is_removed_while_serving_is_to_load_it_is_not_waited_for(
    settings, add_version, play, until
) -> None:
    add_version(1)
    RolloutFiles(settings).ensure()
    add_version(2)

    async def scene(rollout, _client):
        rolling_out = asyncio.create_task(rollout.roll_out(2))
        await until(lambda: "versions: 2" in settings.models_config.read_text())
        shutil.rmtree(settings.model_dir / "2")
        with pytest.raises(ModelVersionNotFoundError):
            await asyncio.wait_for(rolling_out, 10)
        return rollout.state

    assert play(scene) == RolloutState(stable=1)


def test_without_a_stable_version_none_is_tried(settings, add_version, play) -> None:
    """Serving takes the newest then; a canary would be all that it holds."""
    RolloutFiles(settings).ensure()
    add_version(1)
    add_version(2)

    async def scene(rollout, _client):
        with pytest.raises(NoStableVersionError):
            await rollout.set_canary(1, 10)
        with pytest.raises(ModelVersionNotFoundError, match="no version is stable; promote one"):
            rollout.chosen(0)
        return rollout.state

    assert play(scene) == RolloutState()


def test_what_makes_no_sense_is_refused(add_version, play, caplog) -> None:
    """And is no rollout that has failed: alerts go by these."""
    add_version(1)

    async def scene(rollout, _client):
        with pytest.raises(NoPreviousVersionError, match="any other can be promoted instead"):
            await rollout.rollback()
        with pytest.raises(ModelVersionNotFoundError):
            await rollout.roll_out(9)
        with pytest.raises(ModelVersionNotFoundError):
            await rollout.set_canary(9, 10)
        for version, percent in ((1, 10), (2, -1), (2, 101), (2, float("nan"))):
            with pytest.raises(InvalidFieldError):
                await rollout.set_canary(version, percent)
        with pytest.raises(InvalidFieldError, match=r"percent is 100\.00000001, but a share lies in \[0, 100\]"):
            await rollout.set_canary(2, 100.00000001)

    play(scene)
    assert not caplog.records
