"""What a version was fitted to and tested on keeps its side."""

from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from gateway.imaging import decode
from trainer.data.known_slices import (
    TEST_HASHES,
    TRAIN_HASHES,
    KnownSlices,
    is_fitted_to,
    require_unseen,
    seen_among,
    write_hashes,
)
from trainer.dataset import DatasetSummary
from trainer.errors import BrokenModelError, SeenSlicesError

_SHIPPED = Path(__file__).parents[3] / "data/models/brain_tumor"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_data_set_that_grows_keeps_the_sides_of_what_a_version_knows(
    label_rows: dict[str, str],
    seed: int,
    build: Callable[..., DatasetSummary],
    manifest: Callable[[], pd.DataFrame],
    write_labels: Callable[[Collection[str]], None],
    known_to_a_version: Callable[[], KnownSlices],
) -> None:
    first, grown = sorted(label_rows)[:32], sorted(label_rows)
    write_labels(first)
    build()
    before = manifest().loc[first]["split"]
    write_labels(grown)

    build(seed=seed, known=known_to_a_version())

    after = manifest()["split"]
    assert (after.loc[first] == before).all()
    new = after.drop(first)
    assert set(new) == {"train", "test"}
    assert (new == "train").sum() > (new == "test").sum()


def test_another_copy_of_a_slice_is_known_as_well(
    image_dir: Path,
    build: Callable[..., DatasetSummary],
    manifest: Callable[[], pd.DataFrame],
    known_to_a_version: Callable[[], KnownSlices],
) -> None:
    build()
    before = manifest()["split"]
    known = known_to_a_version()
    for file in image_dir.iterdir():
        with Image.open(file) as picture:
            picture.resize((300, 300)).save(file, "JPEG", quality=70)

    build(seed=5, known=known)

    assert (manifest()["split"] == before).all()


def test_a_few_new_slices_are_there_to_learn_from(
    label_rows: dict[str, str],
    build: Callable[..., DatasetSummary],
    manifest: Callable[[], pd.DataFrame],
    write_labels: Callable[[Collection[str]], None],
    known_to_a_version: Callable[[], KnownSlices],
) -> None:
    first = sorted(label_rows)[:46]
    write_labels(first)
    build()
    known = known_to_a_version()
    write_labels(sorted(label_rows))

    build(known=known)

    assert (manifest()["split"].drop(first) == "train").all()


def test_a_version_without_hashes_knows_none(tmp_path: Path) -> None:
    known = KnownSlices.of_version(tmp_path, 1)

    assert known.train.shape == known.test.shape == (0, 64)


@pytest.mark.parametrize("version", [4, 5, 6])
def test_a_shipped_version_knows_its_slices(version: int) -> None:
    """Not quite as many as there are: equal hashes are kept once."""
    known = KnownSlices.of_version(_SHIPPED, version)

    assert 2000 < len(known.train) <= 2519
    assert 400 < len(known.test) <= 489


def test_hashes_that_were_not_copied_to_their_end_are_told(tmp_path: Path) -> None:
    """They are those of the stable version, which each job reads first."""
    (tmp_path / "7" / TEST_HASHES).parent.mkdir(parents=True)
    (tmp_path / "7" / TEST_HASHES).write_bytes(bytes(12))

    with pytest.raises(BrokenModelError, match=r"test_hashes\.bin of the model in 7 is damaged"):
        KnownSlices.of_version(tmp_path, 7)


def test_what_a_network_was_fitted_to_is_told_from_what_it_was_not(
    tmp_path: Path, slice_files: dict[str, bytes]
) -> None:
    first, second, other = (decode(slice_files[f"Image{number}"]) for number in range(3))
    assert seen_among(tmp_path, [first]) == 0  # of one that came without hashes
    assert is_fitted_to(tmp_path, [first])
    write_hashes(tmp_path / TRAIN_HASHES, [second, first])
    written = (tmp_path / TRAIN_HASHES).read_bytes()
    write_hashes(tmp_path / TRAIN_HASHES, [first, second, first])
    assert (tmp_path / TRAIN_HASHES).read_bytes() == written

    assert seen_among(tmp_path, [other, first, second]) == 2
    assert is_fitted_to(tmp_path, [second, first])
    assert not is_fitted_to(tmp_path, [first])
    assert not is_fitted_to(tmp_path, [first, second, other])
    require_unseen(tmp_path, [other])
    with pytest.raises(SeenSlicesError, match="2 test slices are among those"):
        require_unseen(tmp_path, [other, first, second])
