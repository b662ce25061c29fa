"""Labelled slices become splits; every defect is an error or a counted exclusion."""

import os
import shutil
import tempfile
import tracemalloc
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from trainer.dataset import DatasetPaths, DatasetSummary, build_dataset, load_split
from trainer.errors import DatasetError, LabelFileError, SourceError, TooFewSlicesError
from trainer.ingest import ingest
from trainer.known_slices import TEST_HASHES, TRAIN_HASHES, KnownSlices, write_hashes
from trainer.sources import DirectorySource, SliceSource, ZipSource


def _ignore(_done: int, _total: int) -> None:
    """No progress bar."""


@pytest.fixture
def paths(tmp_path: Path) -> DatasetPaths:
    root = tmp_path / "data"
    return DatasetPaths(root / "processed/data.npz", root / "train/train_data.npz", root / "test/test_data.npz")


@pytest.fixture
def other_mount() -> Iterator[Path]:
    """A directory of another file system than tmp_path."""
    memory = Path("/dev/shm")  # noqa: S108 there is no other that every Linux has
    if not memory.is_dir() or memory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("there is no other file system")
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory)


def _build(
    source: SliceSource,
    paths: DatasetPaths,
    seed: int = 1,
    known: KnownSlices | None = None,
    staging_dir: Path | None = None,
) -> DatasetSummary:
    known = known or KnownSlices.of_version(paths.all_npz.parent, 0)
    return build_dataset(source, paths, seed, _ignore, known, staging_dir)


def _manifest(paths: DatasetPaths) -> pd.DataFrame:
    return pd.read_csv(paths.all_npz.with_name("manifest.csv"), keep_default_na=False).set_index("name")


def test_splits_hold_every_slice_once_and_share_no_group(
    image_dir: Path, label_file: Path, paths: DatasetPaths
) -> None:
    summary = _build(DirectorySource(image_dir, label_file), paths)
    train, test = load_split(paths.train_npz), load_split(paths.test_npz)

    assert len(train.labels) + len(test.labels) == 48 == summary.train_slices + summary.test_slices
    assert not set(train.groups) & set(test.groups)
    assert train.images.shape == (len(train.labels), 240, 240, 1)
    assert train.images.dtype == np.uint8
    assert train.fingerprint == test.fingerprint == summary.fingerprint


def test_rows_follow_the_manifest_and_labels_follow_the_names(
    image_dir: Path, label_file: Path, label_rows: dict[str, str], paths: DatasetPaths
) -> None:
    _build(DirectorySource(image_dir, label_file), paths)
    manifest = _manifest(paths)

    assert manifest["label"].astype(str).to_dict() == label_rows
    train = load_split(paths.train_npz)
    np.testing.assert_array_equal(train.labels, manifest[manifest["split"] == "train"]["label"].to_numpy(np.int64))
    assert len(load_split(paths.all_npz).labels) == 48


def test_the_manifest_tells_where_in_its_split_an_image_is(
    image_dir: Path, label_file: Path, paths: DatasetPaths
) -> None:
    (image_dir / "Image3.jpg").unlink()
    _build(DirectorySource(image_dir, label_file), paths)
    manifest, images = _manifest(paths), load_split(paths.test_npz).images

    assert manifest.loc["Image3", "row"] == -1
    for name, row in manifest[manifest["split"] == "test"]["row"].items():
        with Image.open(image_dir / f"{name}.jpg") as picture:
            np.testing.assert_array_equal(images[row][..., 0], np.asarray(picture)[..., 0])


def test_the_seed_gives_the_same_split_bit_for_bit(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    contents = []
    for _ in range(2):
        _build(DirectorySource(image_dir, label_file), paths, seed=7)
        contents.append([np.load(path)["X"].tobytes() for path in (paths.train_npz, paths.test_npz)])

    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("table", "folder"), [("BrainTumor.csv", "images/"), ("Brain Tumor.csv", "Brain Tumor/Brain Tumor/")]
)
def test_both_layouts_of_the_archive_are_read(
    tmp_path: Path, slice_files: dict[str, bytes], label_file: Path, paths: DatasetPaths, table: str, folder: str
) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(label_file, table)
        archive.writestr("bt_dataset_t3.csv", "Image,Mean,Variance\n1.jpg,1,2\n")
        for name, content in slice_files.items():
            archive.writestr(f"{folder}{name}.jpg", content)

    with ZipSource(tmp_path / "set.zip") as source:
        assert _build(source, paths).train_slices > 0


def test_each_defect_is_counted_and_named(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    (image_dir / "Image3.jpg").unlink()
    (image_dir / "Image4.jpg").write_bytes(b"\xff\xd8\xff no picture")
    shutil.copy(image_dir / "Image5.jpg", image_dir / "Image6.jpg")
    shutil.copy(image_dir / "Image7.jpg", image_dir / "Image9.jpg")
    shutil.copy(image_dir / "Image1.jpg", image_dir / "Stranger.jpg")
    for name, of in (("Image11", "Image11"), ("Image5", "Image5"), ("Image6", "Image5")):  # the last two are left out
        Image.open(image_dir / f"{of}.jpg").resize((200, 240)).save(image_dir / f"{name}.jpg")
    shutil.copy(image_dir / "Image5.jpg", image_dir / "Image6.jpg")
    label_file.write_text(
        label_file.read_text().replace("Image8,0", "Image8,maybe").replace("Image10,0", "Image10,1e400")
    )

    summary = _build(DirectorySource(image_dir, label_file), paths)
    excluded = _manifest(paths)["excluded"]

    assert excluded["Image3"] == "missing image"
    assert excluded["Image4"].startswith("unreadable: ")
    assert excluded["Image5"] == excluded["Image6"] == "conflicting labels"
    assert excluded["Image7"] == excluded["Image9"] == ""
    assert excluded["Image8"] == "unknown label 'maybe' (0 and 1 are known)"
    assert excluded["Image10"] == "unknown label '1e400' (0 and 1 are known)"
    assert excluded["Stranger"] == "no label"
    assert sum(summary.excluded.values()) == 7
    assert summary.identical_files == 1
    assert summary.resized == 1


def test_rows_without_an_image_take_no_space(image_dir: Path, label_file: Path, tmp_path: Path) -> None:
    """One that is told of and is not there must not cost what a slice does."""
    label_file.write_text(label_file.read_text() + "".join(f"Missing{number},1\n" for number in range(1000)))

    seen: list[tuple[int, int]] = []
    ingested = ingest(
        DirectorySource(image_dir, label_file), tmp_path / "pixels.npy", lambda *progress: seen.append(progress)
    )

    images = len(list(image_dir.iterdir()))
    assert len(ingested.manifest) == images + 1000
    assert len(ingested.pixels) == len(ingested.hashes) == images
    assert set(ingested.manifest["excluded"][images:]) == {"missing image"}
    assert seen[-1] == (images, images)


def test_a_file_that_is_too_large_is_left_out(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    with (image_dir / "Image4.jpg").open("ab") as file:
        file.truncate(2**30)

    summary = _build(DirectorySource(image_dir, label_file), paths)

    assert summary.excluded == {"unreadable: IMAGE_TOO_LARGE": 1}


def test_identical_files_stay_on_one_side(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    for number in range(10, 20, 2):
        shutil.copy(image_dir / f"Image{number}.jpg", image_dir / f"Image{number + 20}.jpg")

    _build(DirectorySource(image_dir, label_file), paths)

    assert (_manifest(paths).groupby("sha256")["split"].nunique() == 1).all()


def test_a_colour_slice_makes_the_set_three_channels(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    with Image.open(image_dir / "Image0.jpg") as picture:
        tinted = np.asarray(picture).copy()
    tinted[..., 0] //= 2
    Image.fromarray(tinted).save(image_dir / "Image0.jpg")

    _build(DirectorySource(image_dir, label_file), paths)

    assert load_split(paths.train_npz).images.shape[-1] == 3


def test_a_name_that_stands_twice_is_an_error(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    label_file.write_text(label_file.read_text() + "Image2.jpg,1,0\n")

    with pytest.raises(LabelFileError, match="Image2"):
        _build(DirectorySource(image_dir, label_file), paths)


def test_an_image_whose_name_is_not_utf_8_costs_no_other(
    image_dir: Path, label_file: Path, paths: DatasetPaths
) -> None:
    """No label file in UTF-8 names it."""
    (image_dir / "Image3.jpg").rename(image_dir / os.fsdecode(b"Image3\xff.jpg"))

    summary = _build(DirectorySource(image_dir, label_file), paths)

    assert summary.excluded == {"missing image": 1, "no label": 1}
    assert _manifest(paths).loc["Image3\\udcff", "excluded"] == "no label"


def test_rows_without_a_name_are_left_out(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    label_file.write_text(label_file.read_text() + ",1,0\n,0,0\n,,1\n")

    assert _build(DirectorySource(image_dir, label_file), paths).excluded == {"no name": 2}

    label_file.write_text("Image,Class\n,1\n,0\n")
    with pytest.raises(
        TooFewSlicesError, match=r"^every image was excluded: 48 no label, such as 'Image0'; 2 no name$"
    ):
        _build(DirectorySource(image_dir, label_file), paths)


def test_two_files_of_one_name_are_an_error(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    shutil.copy(image_dir / "Image2.jpg", image_dir / "Image2.png")

    with pytest.raises(SourceError, match="Image2"):
        _build(DirectorySource(image_dir, label_file), paths)


@pytest.mark.parametrize("content", ["", "Image,Label\na,1\n", "\x00\x01\x02"])
def test_a_file_that_holds_no_labels_is_an_error(
    image_dir: Path, label_file: Path, paths: DatasetPaths, content: str
) -> None:
    label_file.write_text(content)

    with pytest.raises(LabelFileError, match="columns Image and Class"):
        _build(DirectorySource(image_dir, label_file), paths)


def test_one_label_only_is_an_error_and_leaves_nothing_behind(
    image_dir: Path, label_file: Path, paths: DatasetPaths
) -> None:
    label_file.write_text("Image,Class\n" + "".join(f"Image{number},0\n" for number in range(48)))

    with pytest.raises(TooFewSlicesError):
        _build(DirectorySource(image_dir, label_file), paths)

    assert [
        path for path in paths.all_npz.parent.parent.rglob("*") if path.is_file() or path.name.startswith(".")
    ] == []


def test_what_leaves_nothing_to_validate_on_is_refused_before_it_is_trained_on(
    image_dir: Path, label_file: Path, paths: DatasetPaths
) -> None:
    """Of two tumors that look alike in nothing, one is to train on and one to test on."""
    label_file.write_text("Image,Class\n" + "".join(f"Image{number},{number // 46}\n" for number in range(48)))

    with pytest.raises(TooFewSlicesError, match=r"nothing to validate on: \d+ slices of class 0 and 1 of class 1"):
        _build(DirectorySource(image_dir, label_file), paths)

    assert not paths.train_npz.exists()


def test_labels_of_another_code_are_told_where_too_few_slices_are_left(
    image_dir: Path, label_file: Path, paths: DatasetPaths
) -> None:
    """Coded 1 and 2, one half is all that is left."""
    (image_dir / "Image0.jpg").unlink()
    label_file.write_text("Image,Class\n" + "".join(f"Image{number},{number % 2 + 1}\n" for number in range(48)))

    with pytest.raises(TooFewSlicesError) as raised:
        _build(DirectorySource(image_dir, label_file), paths)

    assert "there are no slices of class 0" in str(raised.value)
    assert (
        "left out: 24 unknown label '2' (0 and 1 are known), such as 'Image1'; 1 missing image, such as 'Image0'"
        in str(raised.value)
    )


def test_few_of_many_unknown_labels_are_told_by_their_value(
    image_dir: Path, label_file: Path, paths: DatasetPaths
) -> None:
    labels = ["yes"] * 21 + ["no"] * 19 + ["No Tumor, as the radiologist says"] * 2 + [str(n) for n in range(2, 8)]
    label_file.write_text("Image,Class\n" + "".join(f'Image{n},"{label}"\n' for n, label in enumerate(labels)))

    with pytest.raises(TooFewSlicesError) as raised:
        _build(DirectorySource(image_dir, label_file), paths)

    assert str(raised.value) == (
        "every image was excluded: 21 unknown label 'yes' (0 and 1 are known), such as 'Image0'; "
        "19 unknown label 'no' (0 and 1 are known), such as 'Image21'; "
        "6 unknown label (0 and 1 are known), such as 'Image42'; "
        "2 unknown label 'No Tumor, as the rad' (0 and 1 are known), such as 'Image40'"
    )


def test_labels_with_decimal_commas_and_images_below_folders_are_read(
    image_dir: Path, label_file: Path, label_rows: dict[str, str], paths: DatasetPaths
) -> None:
    """As a spreadsheet in Germany writes them on Windows, the names as they stand on a Mac's disk."""
    (image_dir / "Gr\u00f6\u00dfe").mkdir()
    for name in label_rows:
        (image_dir / f"{name}.jpg").rename(image_dir / f"Gr\u00f6\u00dfe/Mu\u0308ller-{name}.jpg")
    rows = [f"images\\Gr\u00f6\u00dfe\\M\u00fcller-{name}.jpg;{label},0" for name, label in label_rows.items()]
    label_file.write_text("\r\n".join(["sep=;", "Image;Class", *rows]))

    summary = _build(DirectorySource(image_dir, label_file), paths)

    assert summary.excluded == {}
    assert _manifest(paths)["label"].to_dict() == {f"M\u00fcller-{name}": int(of) for name, of in label_rows.items()}


def test_an_old_data_set_outlives_a_failed_build(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    fingerprint = _build(DirectorySource(image_dir, label_file), paths).fingerprint
    label_file.write_text("Image,Class\n")

    with pytest.raises(TooFewSlicesError):
        _build(DirectorySource(image_dir, label_file), paths)

    assert load_split(paths.train_npz).fingerprint == fingerprint


def test_a_data_set_on_another_mount_leaves_the_files_of_a_running_job(
    image_dir: Path, label_file: Path, paths: DatasetPaths, other_mount: Path, tmp_path: Path
) -> None:
    """They are those that it replaces, under a second name."""
    _build(DirectorySource(image_dir, label_file), paths)
    own = [tmp_path / name for name in ("train.npz", "test.npz")]
    for file, shared in zip(own, (paths.train_npz, paths.test_npz), strict=True):
        file.hardlink_to(shared)
    before = [file.read_bytes() for file in own]

    _build(DirectorySource(image_dir, label_file), replace(paths, all_npz=other_mount / "data.npz"), seed=2)

    assert [file.read_bytes() for file in own] == before
    assert load_split(paths.test_npz).fingerprint == load_split(other_mount / "data.npz").fingerprint
    assert sorted(path.name for path in other_mount.iterdir()) == ["data.npz", "manifest.csv"]


def test_a_job_writes_its_data_set_to_another_mount(
    image_dir: Path, label_file: Path, paths: DatasetPaths, other_mount: Path, tmp_path: Path
) -> None:
    elsewhere = replace(paths, all_npz=other_mount / "data.npz")

    summary = _build(DirectorySource(image_dir, label_file), elsewhere, staging_dir=tmp_path / "job")

    assert load_split(elsewhere.all_npz).fingerprint == load_split(paths.train_npz).fingerprint == summary.fingerprint
    assert not list((tmp_path / "job").iterdir())


def test_what_a_killed_build_left_is_cleared_away_and_two_do_not_build_at_once(
    image_dir: Path, label_file: Path, paths: DatasetPaths
) -> None:
    source = DirectorySource(image_dir, label_file)
    left = paths.all_npz.parent / ".unfinished-data-set-x"
    left.mkdir(parents=True)

    def meanwhile(_done: int, _total: int) -> None:
        assert not left.exists()
        with pytest.raises(DatasetError, match="another process builds a data set in processed"):
            _build(source, paths)

    build_dataset(source, paths, 1, meanwhile, KnownSlices.of_version(paths.all_npz.parent, 0))

    assert not list(paths.all_npz.parent.glob(".*"))


def test_memory_does_not_grow_with_the_set(image_dir: Path, label_file: Path, paths: DatasetPaths) -> None:
    """48 slices take 8.3 MB as RGB pixels; a build must hold far fewer at a time."""
    tracemalloc.start()
    try:
        _build(DirectorySource(image_dir, label_file), paths)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 48 * 240 * 240 * 3


def _known_to_a_version(model_dir: Path, paths: DatasetPaths) -> KnownSlices:
    """What a version knows that was made from a data set."""
    for file, npz in ((TRAIN_HASHES, paths.train_npz), (TEST_HASHES, paths.test_npz)):
        write_hashes(model_dir / "1" / file, load_split(npz).images)
    return KnownSlices.of_version(model_dir, 1)


def _write_labels(label_file: Path, label_rows: dict[str, str], names: Collection[str]) -> None:
    label_file.write_text("Image,Class\n" + "".join(f"{name},{label_rows[name]}\n" for name in names))


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """Directory of versions, with one that is still empty."""
    (tmp_path / "models/1").mkdir(parents=True)
    return tmp_path / "models"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_data_set_that_grows_keeps_the_sides_of_what_a_version_knows(
    image_dir: Path, label_file: Path, label_rows: dict[str, str], paths: DatasetPaths, model_dir: Path, seed: int
) -> None:
    first, grown = sorted(label_rows)[:32], sorted(label_rows)
    _write_labels(label_file, label_rows, first)
    _build(DirectorySource(image_dir, label_file), paths)
    before = _manifest(paths).loc[first]["split"]
    _write_labels(label_file, label_rows, grown)

    _build(DirectorySource(image_dir, label_file), paths, seed, _known_to_a_version(model_dir, paths))

    after = _manifest(paths)["split"]
    assert (after.loc[first] == before).all()
    new = after.drop(first)
    assert set(new) == {"train", "test"}
    assert (new == "train").sum() > (new == "test").sum()


def test_another_copy_of_a_slice_is_known_as_well(
    image_dir: Path, label_file: Path, paths: DatasetPaths, model_dir: Path
) -> None:
    _build(DirectorySource(image_dir, label_file), paths)
    before = _manifest(paths)["split"]
    known = _known_to_a_version(model_dir, paths)
    for file in image_dir.iterdir():
        with Image.open(file) as picture:
            picture.resize((300, 300)).save(file, "JPEG", quality=70)

    _build(DirectorySource(image_dir, label_file), paths, 5, known)

    assert (_manifest(paths)["split"] == before).all()


def test_a_few_new_slices_are_there_to_learn_from(
    image_dir: Path, label_file: Path, label_rows: dict[str, str], paths: DatasetPaths, model_dir: Path
) -> None:
    first = sorted(label_rows)[:46]
    _write_labels(label_file, label_rows, first)
    _build(DirectorySource(image_dir, label_file), paths)
    known = _known_to_a_version(model_dir, paths)
    _write_labels(label_file, label_rows, sorted(label_rows))

    _build(DirectorySource(image_dir, label_file), paths, known=known)

    assert (_manifest(paths)["split"].drop(first) == "train").all()


def test_a_version_without_hashes_knows_none(tmp_path: Path) -> None:
    known = KnownSlices.of_version(tmp_path, 1)

    assert known.train.shape == known.test.shape == (0, 64)
