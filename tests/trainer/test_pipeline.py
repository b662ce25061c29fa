"""The first step of a job, from a directory and from an archive. The others need TensorFlow: see daemon/."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.data.known_slices import TEST_HASHES, TRAIN_HASHES, write_hashes
from trainer.dataset import load_split
from trainer.durable import share
from trainer.errors import InvalidFieldError, SourceError
from trainer.jobs.operation import Order, Progress, Step
from trainer.pipeline import Pipeline
from trainer.rollout.files import RolloutFiles
from trainer.rollout.state import RolloutState
from trainer.settings import TrainerSettings

Make = Callable[..., Pipeline]


@pytest.fixture
def seen() -> list[Progress]:
    """Progress as it was reported."""
    return []


@pytest.fixture
def make(tmp_path: Path, order: Order, seen: list[Progress]) -> Make:
    """Makes a job on a data root."""

    def make(**fields: str | int) -> Pipeline:
        settings = TrainerSettings(DATA_ROOT=tmp_path)
        (settings.runs_dir / "job").mkdir(parents=True, exist_ok=True)
        return Pipeline(settings, "job", replace(order, **fields), seen.append)  # type: ignore[arg-type]  # of paths

    return make


@pytest.mark.usefixtures("image_dir", "label_file")
def test_the_jobs_own_splits_are_the_shared_ones(tmp_path: Path, make: Make, seen: list[Progress]) -> None:
    summary = make(image_dir="images", target_dir=".")._build_dataset()

    assert summary.train_slices + summary.test_slices == 48
    for own, shared in (("train.npz", "train/train_data.npz"), ("test.npz", "test/test_data.npz")):
        assert (tmp_path / "runs/job" / own).samefile(tmp_path / shared)
        assert load_split(tmp_path / shared).fingerprint == summary.fingerprint
    assert (tmp_path / "processed/data.npz").exists()
    assert not list(tmp_path.rglob(".unfinished-*"))
    assert {progress.step for progress in seen} == {Step.BUILD_DATASET}
    assert [progress.fraction for progress in seen] == sorted(progress.fraction for progress in seen)


def test_an_archive_will_do(tmp_path: Path, make: Make, slice_files: dict[str, bytes], label_file: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(label_file, "BrainTumor.csv")
        for name, content in slice_files.items():
            archive.writestr(f"images/{name}.jpg", content)
    label_file.unlink()

    assert make(image_dir="set.zip")._build_dataset().train_slices > 30


def test_what_was_built_meanwhile_by_hand_does_not_change_the_job(
    tmp_path: Path, make: Make, image_dir: Path, label_file: Path
) -> None:
    make(image_dir=image_dir.name, target_dir=".")._build_dataset()
    (tmp_path / "other").write_text("another data set")
    share(tmp_path / "other", tmp_path / "test/test_data.npz")

    assert label_file.exists()
    assert (tmp_path / "test/test_data.npz").read_text() == "another data set"
    assert len(load_split(tmp_path / "runs/job/test.npz").labels) > 0


@pytest.mark.usefixtures("image_dir", "label_file")
def test_the_split_follows_the_stable_version(tmp_path: Path, make: Make) -> None:
    settings = TrainerSettings(DATA_ROOT=tmp_path)
    make(image_dir="images", target_dir=".", seed=1)._build_dataset()
    for file, split in ((TRAIN_HASHES, "train"), (TEST_HASHES, "test")):
        path = settings.model_dir / "1" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_hashes(path, load_split(tmp_path / f"runs/job/{split}.npz").images)
    RolloutFiles(settings).write(RolloutState(stable=1))
    first = load_split(tmp_path / "test/test_data.npz").images.tobytes()

    make(image_dir="images", target_dir=".", seed=2)._build_dataset()

    assert load_split(tmp_path / "test/test_data.npz").images.tobytes() == first


def test_a_directory_that_has_vanished_is_told(make: Make) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        make()._build_dataset()


def test_a_link_that_was_moved_while_the_job_waited_leads_nowhere(tmp_path: Path, make: Make) -> None:
    (tmp_path / "images").symlink_to("/etc")

    with pytest.raises(InvalidFieldError, match="image_dir"):
        make(image_dir="images")._build_dataset()
