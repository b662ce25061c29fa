"""Labelled slices become two splits that share no near-duplicates."""

import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from trainer.dataset import DatasetPaths, DatasetSummary, _fingerprint, load_split


def test_splits_hold_every_slice_once_and_share_no_group(
    paths: DatasetPaths, build: Callable[..., DatasetSummary]
) -> None:
    summary = build()
    train, test = load_split(paths.train_npz), load_split(paths.test_npz)

    assert len(train.labels) + len(test.labels) == 48 == summary.train_slices + summary.test_slices
    assert not set(train.groups) & set(test.groups)
    assert train.images.shape == (len(train.labels), 240, 240, 1)
    assert train.images.dtype == np.uint8
    assert train.fingerprint == test.fingerprint == summary.fingerprint


def test_rows_follow_the_manifest_and_labels_follow_the_names(
    label_rows: dict[str, str],
    paths: DatasetPaths,
    build: Callable[..., DatasetSummary],
    manifest: Callable[[], pd.DataFrame],
) -> None:
    build()
    manifest = manifest()

    assert manifest["label"].astype(str).to_dict() == label_rows
    train = load_split(paths.train_npz)
    np.testing.assert_array_equal(train.labels, manifest[manifest["split"] == "train"]["label"].to_numpy(np.int64))
    assert len(load_split(paths.all_npz).labels) == 48


def test_the_manifest_tells_where_in_its_split_an_image_is(
    image_dir: Path, paths: DatasetPaths, build: Callable[..., DatasetSummary], manifest: Callable[[], pd.DataFrame]
) -> None:
    (image_dir / "Image3.jpg").unlink()
    build()
    manifest, images = manifest(), load_split(paths.test_npz).images

    assert manifest.loc["Image3", "row"] == -1
    for name, row in manifest[manifest["split"] == "test"]["row"].items():
        with Image.open(image_dir / f"{name}.jpg") as picture:
            np.testing.assert_array_equal(images[row][..., 0], np.asarray(picture)[..., 0])


def test_the_seed_gives_the_same_split_bit_for_bit(paths: DatasetPaths, build: Callable[..., DatasetSummary]) -> None:
    contents = []
    for _ in range(2):
        build(seed=7)
        contents.append([np.load(path)["X"].tobytes() for path in (paths.train_npz, paths.test_npz)])

    assert contents[0] == contents[1]


def test_the_fingerprint_tells_names_labels_and_contents_in_whatever_order() -> None:
    def fingerprint(**changed: list[object]) -> str:
        rows = {"name": ["a", "b"], "label": [0, 1], "sha256": ["c0", "c1"], "excluded": ["", ""]}
        return _fingerprint(pd.DataFrame(rows | changed))

    assert fingerprint(name=["b", "a"], label=[1, 0], sha256=["c1", "c0"]) == fingerprint()
    others = [{"name": ["a", "c"]}, {"label": [0, 0]}, {"sha256": ["c0", "c2"]}, {"excluded": ["", "no label"]}]
    assert len({fingerprint(**other) for other in [{}, *others]}) == 5


def test_what_is_left_out_changes_neither_fingerprint_nor_labels(
    image_dir: Path, build: Callable[..., DatasetSummary], manifest: Callable[[], pd.DataFrame]
) -> None:
    """An image without a label makes numbers with a point of all others, as pandas has it."""
    before = build().fingerprint
    shutil.copy(image_dir / "Image0.jpg", image_dir / "unknown.jpg")

    assert build().fingerprint == before
    assert set(manifest()["label"].astype(str)) == {"0", "1", ""}


def test_identical_files_stay_on_one_side(
    image_dir: Path, build: Callable[..., DatasetSummary], manifest: Callable[[], pd.DataFrame]
) -> None:
    for number in range(10, 20, 2):
        shutil.copy(image_dir / f"Image{number}.jpg", image_dir / f"Image{number + 20}.jpg")

    build()

    assert (manifest().groupby("sha256")["split"].nunique() == 1).all()


def test_a_colour_slice_makes_the_set_three_channels(
    image_dir: Path, paths: DatasetPaths, build: Callable[..., DatasetSummary]
) -> None:
    with Image.open(image_dir / "Image0.jpg") as picture:
        tinted = np.asarray(picture).copy()
    tinted[..., 0] //= 2
    Image.fromarray(tinted).save(image_dir / "Image0.jpg")

    build()

    assert load_split(paths.train_npz).images.shape[-1] == 3


def test_memory_does_not_grow_with_the_set(build: Callable[..., DatasetSummary]) -> None:
    """48 slices take 8.3 MB as RGB pixels; a build must hold far fewer at a time."""
    tracemalloc.start()
    try:
        build()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 48 * 240 * 240 * 3
