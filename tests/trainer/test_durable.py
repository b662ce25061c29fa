"""Files are replaced whole, and on disk before anything vouches for them."""

import os
import time
from pathlib import Path

import pytest

from trainer.durable import remove_copies, replace_files, share, sync_tree


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Inodes of what was waited for, in its order."""
    inodes: list[int] = []
    monkeypatch.setattr("trainer.durable.os.fsync", lambda descriptor: inodes.append(os.fstat(descriptor).st_ino))
    return inodes


def _inodes(*paths: Path) -> list[int]:
    return [path.stat().st_ino for path in paths]


def test_what_could_not_be_replaced_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """Those before it are new, those after it as they were."""
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    second.mkdir()
    third.write_text("old")

    with pytest.raises(IsADirectoryError):
        replace_files(dict.fromkeys((first, second, third), "new"))

    assert (first.read_text(), third.read_text()) == ("new", "old")
    assert sorted(tmp_path.iterdir()) == [first, second, third]


def test_a_file_under_two_names_is_on_disk_before_it_takes_the_place_of_another(
    tmp_path: Path, synced: list[int]
) -> None:
    (tmp_path / "own").write_text("new")

    share(tmp_path / "own", tmp_path / "shared/file")

    assert (tmp_path / "own").samefile(tmp_path / "shared/file")
    assert synced == _inodes(tmp_path / "own", tmp_path / "shared")


def test_a_file_that_cannot_be_shared_leaves_nothing_beside_the_target(tmp_path: Path) -> None:
    (tmp_path / "own").touch()
    (tmp_path / "shared/file").mkdir(parents=True)

    with pytest.raises(IsADirectoryError):
        share(tmp_path / "own", tmp_path / "shared/file")

    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["file"]


def test_copies_that_are_left_go_after_a_day_and_directories_stay(tmp_path: Path) -> None:
    """These are of data sets that are being built, and whoever builds the next one removes them."""
    old, new, building = (tmp_path / f".unfinished-{name}" for name in ("old", "new", "data-set"))
    building.mkdir()
    for file, hours in ((old, 25), (new, 23)):
        file.touch()
        os.utime(file, (time.time() - hours * 3600,) * 2)
    os.utime(building, (0, 0))

    remove_copies(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {new.name, building.name}


def test_a_tree_is_on_disk_with_all_that_is_in_it(tmp_path: Path, synced: list[int]) -> None:
    below = tmp_path / "below"
    below.mkdir()
    files = (tmp_path / "file", below / "file")
    for file in files:
        file.touch()

    sync_tree(tmp_path)

    assert sorted(synced) == sorted(_inodes(tmp_path, below, *files))
