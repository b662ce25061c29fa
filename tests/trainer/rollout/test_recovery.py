"""A kill at any point of a change leaves files that become one state again."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from functools import partial
from operator import attrgetter

import pytest

from trainer.errors import DiskFullError, RolloutError
from trainer.rollout.files import RolloutFiles
from trainer.rollout.serving_client import VersionState
from trainer.rollout.state import RolloutState
from trainer.versions import finish_removals, versions_on_disk
from transport.background import in_background


@pytest.fixture
def files(settings, add_version) -> RolloutFiles:
    for version in (1, 2, 3):
        add_version(version)
    files = RolloutFiles(settings)
    files.write(RolloutState(stable=2, previous=1))
    return files


def _recover(play, settings) -> tuple[RolloutState, str]:
    async def scene(rollout, _client):
        await rollout.recover()
        return rollout.state

    return play(scene), settings.models_config.read_text()


def test_killed_while_the_version_loads_it_leaves_the_config(files, settings, play) -> None:
    before = settings.models_config.read_text()
    files.write(RolloutState(stable=2, previous=1), {3})
    assert settings.models_config.read_text() != before

    assert _recover(play, settings) == (RolloutState(stable=2, previous=1), before)


def test_killed_between_the_two_files_the_label_moves(files, settings, play) -> None:
    """What rollout.json says was decided when the version had answered as in training."""
    files.write(RolloutState(stable=2, previous=1), {3})
    announced = settings.models_config.read_text()
    files.write(RolloutState(stable=3, previous=2))
    moved = settings.models_config.read_text()
    settings.models_config.write_text(announced)

    assert _recover(play, settings) == (RolloutState(stable=3, previous=2), moved)


def test_killed_after_both_files_nothing_is_left_to_do(files, settings, play) -> None:
    files.write(RolloutState(stable=3, previous=2))
    moved = settings.models_config.read_text()

    assert _recover(play, settings) == (RolloutState(stable=3, previous=2), moved)


@pytest.mark.usefixtures("files")
def test_killed_in_a_write_the_half_file_goes(settings, play) -> None:
    (settings.models_config.parent / ".unfinished-models.config").write_text("model_config_")
    (settings.models_config.parent / ".unfinished-rollout.json").write_text('{"stable"')

    assert _recover(play, settings)[0] == RolloutState(stable=2, previous=1)
    assert not list(settings.models_config.parent.glob(".unfinished-*"))


def _raise_no_space(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_files_as_they_were(files, settings, monkeypatch) -> None:
    before = settings.models_config.read_text()
    monkeypatch.setattr("trainer.durable.os.fsync", _raise_no_space)
    with pytest.raises(DiskFullError):
        files.write(RolloutState(stable=3, previous=2))

    assert files.read() == RolloutState(stable=2, previous=1)
    assert settings.models_config.read_text() == before
    assert not list(settings.models_config.parent.glob(".unfinished-*"))


def test_a_start_outlasts_a_full_disk_and_what_lingers_goes_when_there_is_room(files, settings, play, until) -> None:
    before = settings.models_config.read_text()
    files.write(RolloutState(stable=2, previous=1), {3})

    async def scene(rollout, _client):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("trainer.durable.os.fsync", _raise_no_space)
            await rollout.recover()
            assert settings.models_config.read_text() != before
        async with in_background(rollout.keep()):
            await until(lambda: settings.models_config.read_text() == before)

    play(scene)


@pytest.mark.usefixtures("files")
def test_killed_in_a_removal_the_half_version_goes(settings, play) -> None:
    (settings.model_dir / "1").rename(settings.model_dir / ".removed-1")

    assert _recover(play, settings)[0] == RolloutState(stable=2)
    assert sorted(path.name for path in settings.model_dir.iterdir()) == ["2", "3"]


@pytest.mark.parametrize("is_recovered", [True, False], ids=["killed", "full disk"])
def test_a_version_being_announced_is_rolled_out_by_who_asks_again(
    settings, add_version, serving, play, is_recovered
) -> None:
    """Serving may hold it already, and has to drop it first."""
    for version in (1, 2):
        add_version(version)
    RolloutFiles(settings).write(RolloutState(stable=1), {2})
    serving.start()

    async def scene(rollout, client):
        if is_recovered:
            await rollout.recover()
        await rollout.roll_out(2)
        return await client.version_labelled("stable")

    assert play(scene) == 2


def test_at_first_the_newest_version_is_stable(settings, add_version) -> None:
    add_version(1)
    add_version(2)
    files = RolloutFiles(settings)
    files.ensure()
    add_version(3)

    assert files.read() == RolloutState(stable=2)


def test_a_version_that_comes_before_the_first_start_is_not_stable_by_itself(settings, add_version) -> None:
    files = RolloutFiles(settings)
    files.decide()
    assert not settings.rollout_state.exists()
    add_version(1)
    files.decide()
    add_version(2)
    files.decide()
    files.ensure()

    assert files.read() == RolloutState(stable=1)
    assert files.listed().version_labels == {"stable": 1}


def test_without_a_version_serving_takes_the_first_that_appears(settings) -> None:
    settings.model_dir.mkdir(parents=True)
    RolloutFiles(settings).ensure()

    assert "latest" in settings.models_config.read_text()
    assert RolloutFiles(settings).read() == RolloutState()


def test_without_a_decision_no_version_is_stable_by_just_being_there(settings, add_version) -> None:
    RolloutFiles(settings).ensure()
    add_version(1)

    assert RolloutFiles(settings).read() == RolloutState()


def test_versions_that_are_gone_are_forgotten(files) -> None:
    files.write(RolloutState(stable=2, previous=1, canary=9, canary_percent=10))
    assert files.read() == RolloutState(stable=2, previous=1)

    files.write(RolloutState(stable=8, previous=1))
    assert files.read() == RolloutState(stable=1)

    files.write(RolloutState(stable=8, previous=7, canary=1, canary_percent=10))
    assert files.read() == RolloutState()


def test_without_its_stable_versions_serving_takes_the_newest(settings, add_version, serving, play, until) -> None:
    """One that was never stable, and so is not loaded: no label may lead to it before it is."""
    for version in (1, 2):
        add_version(version)
    RolloutFiles(settings).write(RolloutState(stable=2))
    serving.start()
    shutil.rmtree(settings.model_dir / "2")

    async def scene(rollout, client):
        async def is_loaded() -> bool:
            return 1 in (statuses := await client.statuses()) and statuses[1].state is VersionState.AVAILABLE

        await rollout.recover()
        await until(is_loaded, 10)
        await rollout.roll_out(1)
        return rollout.state

    assert play(scene) == RolloutState(stable=1)


@pytest.mark.usefixtures("files")
def test_a_label_leaves_a_version_that_is_removed_by_hand(settings, serving, play, until) -> None:
    serving.start()
    shutil.rmtree(settings.model_dir / "2")

    async def scene(rollout, client):
        async def has_moved() -> bool:
            return await client.version_labelled("stable") == 1

        async with in_background(rollout.keep()):
            await until(has_moved, 10)
        return rollout.state

    assert play(scene) == RolloutState(stable=1)


@pytest.mark.usefixtures("files")
def test_a_disk_that_comes_late_finds_what_was_decided(settings, play) -> None:
    current = settings.models_config.read_text()
    settings.model_dir.rename(settings.model_dir.with_name("away"))

    assert _recover(play, settings)[0] == RolloutState(stable=2, previous=1)
    settings.model_dir.with_name("away").rename(settings.model_dir)
    assert _recover(play, settings) == (RolloutState(stable=2, previous=1), current)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("mount", ["data_root", "model_dir.parent"])
def test_a_disk_that_goes_is_told_and_its_place_stays_empty(settings, play, mount) -> None:
    current, place = settings.models_config.read_text(), attrgetter(mount)(settings)

    async def scene(rollout, _client):
        await rollout.recover()
        place.rename(place.with_name("away"))
        place.mkdir()
        for use in (rollout.step, rollout.rollback, partial(rollout.set_canary, 0, 0)):
            with pytest.raises(RolloutError, match="all versions are gone; mount the volume again"):
                await use()
        assert not list(place.iterdir())
        place.rmdir()
        place.with_name("away").rename(place)
        await rollout.step()
        return rollout.state

    assert play(scene) == RolloutState(stable=2, previous=1)
    assert settings.models_config.read_text() == current


def test_a_start_without_versions_says_so_and_goes_on(settings, play, caplog) -> None:
    """A new data root holds none, and nor does the place where one should have been mounted."""

    async def scene(rollout, _client):
        await rollout.recover()
        await rollout.step()
        return rollout.state

    assert play(scene) == RolloutState()
    (told,) = caplog.records
    assert (told.message, told.directory) == ("there is no version", str(settings.model_dir))


@pytest.mark.usefixtures("files")
def test_what_cannot_be_looked_after_is_told_once(settings, play, monkeypatch, caplog) -> None:
    monkeypatch.setattr("trainer.rollout.rollout._LOOK_S", 0.01)
    settings.rollout_state.write_bytes(b"\xff")

    async def scene(rollout, _client):
        async with in_background(rollout.keep()):
            await asyncio.sleep(0.2)

    play(scene)
    assert len(caplog.records) == 1
    assert "rollout.json is damaged" in caplog.records[0].problem


def test_serving_starts_with_a_config_that_is_under_way(files, settings) -> None:
    """A serving that restarts in the middle of a rollout must not take the version from it."""
    files.write(RolloutState(stable=2, previous=1), {3})
    announced = settings.models_config.read_text()
    files.ensure()

    assert settings.models_config.read_text() == announced


@pytest.mark.parametrize("stale", ["", "model_config_list {", "model_config_list { config { name: 'other' } }"])
def test_serving_starts_with_a_config_of_the_state(files, settings, stale) -> None:
    current = settings.models_config.read_text()
    settings.models_config.write_text(stale)
    files.ensure()

    assert settings.models_config.read_text() == current


@pytest.mark.usefixtures("files")
def test_a_moved_base_path_is_noticed(settings) -> None:
    moved = settings.model_copy(update={"serving_base_path": "/models/brain_tumor"})
    RolloutFiles(moved).ensure()

    assert 'base_path: "/models/brain_tumor"' in settings.models_config.read_text()


def test_the_command_writes_the_config_that_serving_starts_with(settings, add_version) -> None:
    add_version(1)
    environment = {**os.environ, "DATA_ROOT": str(settings.data_root)}
    subprocess.run([sys.executable, "-m", "trainer", "write-config"], env=environment, check=True)

    assert 'key: "stable"' in settings.models_config.read_text()


def test_a_damaged_state_is_not_guessed_at(files, settings) -> None:
    for damaged in (b'{"stable":', b'{"stable": "none"}', b"[]", b"\xff"):
        settings.rollout_state.write_bytes(damaged)
        with pytest.raises(RolloutError, match=r"rollout\.json is damaged"):
            files.read()


@pytest.mark.usefixtures("files")
def test_where_the_state_is_lost_what_serving_holds_stays_stable_and_others_can_be_promoted(
    settings, serving, play
) -> None:
    """The newest version is not loaded: serving would move no label to it, and after that do nothing else either."""
    serving.start()
    settings.rollout_state.unlink()

    async def scene(rollout, _client):
        await rollout.step()
        assert rollout.state == RolloutState(stable=2)
        await rollout.roll_out(1)
        return rollout.state

    assert play(scene) == RolloutState(stable=1, previous=2)


def test_where_the_state_is_lost_with_its_stable_version_no_label_is_guessed_at(files, settings) -> None:
    settings.rollout_state.unlink()
    shutil.rmtree(settings.model_dir / "2")

    assert files.read() == RolloutState()


def test_a_state_that_cannot_be_read_is_told(files, settings) -> None:
    settings.rollout_state.unlink()
    settings.rollout_state.mkdir()

    for use in (files.read, files.ensure):
        with pytest.raises(RolloutError, match=r"rollout\.json cannot be read: Is a directory"):
            use()


def test_versions_that_cannot_be_looked_for_are_told(files, settings) -> None:
    """The page of metrics and calls go by it: both ended in an error that nobody knew."""
    settings.model_dir.chmod(0)
    try:
        if os.access(settings.model_dir, os.R_OK):
            pytest.skip("root may read everything")
        with pytest.raises(RolloutError, match="the directory of the versions cannot be read: Permission denied"):
            files.read()
    finally:
        settings.model_dir.chmod(0o755)


@pytest.mark.usefixtures("files")
def test_a_state_that_cannot_be_written_is_one_line_of_the_log(play, monkeypatch, caplog) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def scene(rollout, _client):
        monkeypatch.setattr("trainer.durable.os.fsync", broken)
        with pytest.raises(RolloutError, match=r"models\.config cannot be written: Input/output error"):
            await rollout.roll_out(3)

    play(scene)
    (told,) = [record for record in caplog.records if "what was decided last holds" in record.message]
    assert (told.problem, told.exc_info) == ("models.config cannot be written: Input/output error", None)


@pytest.mark.usefixtures("files")
def test_a_removed_version_is_gone_before_its_files_are(settings) -> None:
    (settings.model_dir / "1").rename(settings.model_dir / ".removed-1")
    assert versions_on_disk(settings.model_dir) == [2, 3]

    finish_removals(settings.model_dir)
    assert not list(settings.model_dir.glob(".*"))
