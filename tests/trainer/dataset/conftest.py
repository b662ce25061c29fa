"""Data sets of the images and labels of a folder, as they stand at the time."""

import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pandas as pd
import pytest

from trainer.data.known_slices import TEST_HASHES, TRAIN_HASHES, KnownSlices, write_hashes
from trainer.data.sources import DirectorySource, SliceSource
from trainer.dataset import DatasetPaths, DatasetSummary, build_dataset, load_split
from trainer.progress_bar import OnProgress


@pytest.fixture
def paths(tmp_path: Path) -> DatasetPaths:
    """Where a data set is written to."""
    root = tmp_path / "data"
    return DatasetPaths(root / "processed/data.npz", root / "train/train_data.npz", root / "test/test_data.npz")


@pytest.fixture
def build(image_dir: Path, label_file: Path, paths: DatasetPaths) -> Callable[..., DatasetSummary]:
    """Builds a data set, of the folder where no other source is given."""

    def built(
        source: SliceSource | None = None,
        *,
        to: DatasetPaths = paths,
        seed: int = 1,
        known: KnownSlices | None = None,
        staging_dir: Path | None = None,
        on_progress: OnProgress = lambda _done, _total: None,
    ) -> DatasetSummary:
        source = source or DirectorySource(image_dir, label_file)
        known = known or KnownSlices.of_version(to.all_npz.parent, 0)
        return build_dataset(source, to, seed, on_progress, known, staging_dir)

    return built


@pytest.fixture
def manifest(paths: DatasetPaths) -> Callable[[], pd.DataFrame]:
    """Reads what became of each image, by its name."""
    return lambda: pd.read_csv(paths.all_npz.with_name("manifest.csv"), keep_default_na=False).set_index("name")


@pytest.fixture
def other_mount() -> Iterator[Path]:
    """A directory of another file system than tmp_path."""
    memory = Path("/dev/shm")  # noqa: S108 there is no other that every Linux has
    if not memory.is_dir() or memory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("there is no other file system")
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory)


@pytest.fixture
def write_labels(label_file: Path, label_rows: dict[str, str]) -> Callable[[Collection[str]], None]:
    """Labels no images but those of some names."""

    def written(names: Collection[str]) -> None:
        label_file.write_text("Image,Class\n" + "".join(f"{name},{label_rows[name]}\n" for name in names))

    return written


@pytest.fixture
def known_to_a_version(tmp_path: Path, paths: DatasetPaths) -> Callable[[], KnownSlices]:
    """What a version would know that was made from the data set that is there."""

    def known() -> KnownSlices:
        version_dir = tmp_path / "models/1"
        version_dir.mkdir(parents=True)
        for file, npz in ((TRAIN_HASHES, paths.train_npz), (TEST_HASHES, paths.test_npz)):
            write_hashes(version_dir / file, load_split(npz).images)
        return KnownSlices.of_version(version_dir.parent, 1)

    return known
