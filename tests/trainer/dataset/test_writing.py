"""A data set is there as a whole or not at all, wherever it is written to."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.dataset import DatasetPaths, DatasetSummary, load_split
from trainer.errors import DatasetError, TooFewSlicesError


def test_an_old_data_set_outlives_a_failed_build(
    label_file: Path, paths: DatasetPaths, build: Callable[..., DatasetSummary]
) -> None:
    fingerprint = build().fingerprint
    label_file.write_text("Image,Class\n")

    with pytest.raises(TooFewSlicesError):
        build()

    assert load_split(paths.train_npz).fingerprint == fingerprint


def test_a_failed_build_leaves_no_directory_that_it_made(
    label_file: Path, tmp_path: Path, build: Callable[..., DatasetSummary]
) -> None:
    label_file.write_text("Image,Class\n")
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(TooFewSlicesError):
        build()

    assert sorted(tmp_path.rglob("*")) == before


def test_a_data_set_on_another_mount_leaves_the_files_of_a_running_job(
    paths: DatasetPaths,
    other_mount: Path,
    tmp_path: Path,
    build: Callable[..., DatasetSummary],
) -> None:
    """They are those that it replaces, under a second name."""
    build()
    own = [tmp_path / name for name in ("train.npz", "test.npz")]
    for file, shared in zip(own, (paths.train_npz, paths.test_npz), strict=True):
        file.hardlink_to(shared)
    before = [file.read_bytes() for file in own]

    build(to=replace(paths, all_npz=other_mount / "data.npz"), seed=2)

    assert [file.read_bytes() for file in own] == before
    assert load_split(paths.test_npz).fingerprint == load_split(other_mount / "data.npz").fingerprint
    assert sorted(path.name for path in other_mount.iterdir()) == ["data.npz", "manifest.csv"]


def test_a_job_writes_its_data_set_to_another_mount(
    paths: DatasetPaths, other_mount: Path, tmp_path: Path, build: Callable[..., DatasetSummary]
) -> None:
    elsewhere = replace(paths, all_npz=other_mount / "data.npz")

    summary = build(to=elsewhere, staging_dir=tmp_path / "job")

    assert load_split(elsewhere.all_npz).fingerprint == load_split(paths.train_npz).fingerprint == summary.fingerprint
    assert not list((tmp_path / "job").iterdir())


def test_what_a_killed_build_left_is_cleared_away_and_two_do_not_build_at_once(
    paths: DatasetPaths, build: Callable[..., DatasetSummary]
) -> None:
    left = paths.all_npz.parent / ".unfinished-data-set-x"
    left.mkdir(parents=True)

    def meanwhile(_done: int, _total: int) -> None:
        assert not left.exists()
        with pytest.raises(DatasetError, match="another process builds a data set in processed"):
            build()

    build(on_progress=meanwhile)

    assert not list(paths.all_npz.parent.glob(".*"))
