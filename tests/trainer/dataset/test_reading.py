"""What is read of images and labels, and what is left out and counted."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from trainer.data.ingest import ingest
from trainer.data.sources import DirectorySource, ZipSource
from trainer.dataset import DatasetSummary
from trainer.errors import SourceError


@pytest.mark.parametrize(
    ("table", "folder"), [("BrainTumor.csv", "images/"), ("Brain Tumor.csv", "Brain Tumor/Brain Tumor/")]
)
def test_both_layouts_of_the_archive_are_read(
    tmp_path: Path,
    slice_files: dict[str, bytes],
    label_file: Path,
    table: str,
    folder: str,
    build: Callable[..., DatasetSummary],
) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(label_file, table)
        archive.writestr("bt_dataset_t3.csv", "Image,Mean,Variance\n1.jpg,1,2\n")
        for name, content in slice_files.items():
            archive.writestr(f"{folder}{name}.jpg", content)

    with ZipSource(tmp_path / "set.zip") as source:
        assert build(source).train_slices > 0


def test_labels_with_decimal_commas_and_images_below_folders_are_read(
    image_dir: Path,
    label_file: Path,
    label_rows: dict[str, str],
    build: Callable[..., DatasetSummary],
    manifest: Callable[[], pd.DataFrame],
) -> None:
    """As a spreadsheet in Germany writes them on Windows, the names as they stand on a Mac's disk."""
    (image_dir / "Gr\u00f6\u00dfe").mkdir()
    for name in label_rows:
        (image_dir / f"{name}.jpg").rename(image_dir / f"Gr\u00f6\u00dfe/Mu\u0308ller-{name}.jpg")
    rows = [f"images\\Gr\u00f6\u00dfe\\M\u00fcller-{name}.jpg;{label},0" for name, label in label_rows.items()]
    label_file.write_text("\r\n".join(["sep=;", "Image;Class", *rows]))

    summary = build()

    assert summary.excluded == {}
    assert manifest()["label"].to_dict() == {f"M\u00fcller-{name}": int(of) for name, of in label_rows.items()}


def test_names_with_blanks_around_them_are_those_of_the_files(
    label_file: Path, label_rows: dict[str, str], build: Callable[..., DatasetSummary]
) -> None:
    label_file.write_text("Image,Class\n" + "".join(f'" {name}.jpg ",{label}\n' for name, label in label_rows.items()))

    assert build().excluded == {}


def test_an_image_that_vanishes_while_others_are_read_ends_the_build(
    image_dir: Path, label_file: Path, build: Callable[..., DatasetSummary]
) -> None:
    """Left out, it would be one of those that are damaged, and the data set another one each time."""

    def vanish(done: int, _total: int) -> None:
        if done == 1:
            (image_dir / "Image47.jpg").unlink()

    with pytest.raises(SourceError, match="image Image47 has no file: it vanished"):
        build(DirectorySource(image_dir, label_file), on_progress=vanish)


def test_a_link_that_leads_nowhere_is_told_as_what_it_is(
    image_dir: Path, label_file: Path, build: Callable[..., DatasetSummary]
) -> None:
    """It is so at each try, as where a data set was copied without what its links lead to."""
    (image_dir / "Image47.jpg").unlink()
    (image_dir / "Image47.jpg").symlink_to("elsewhere.jpg")

    with pytest.raises(SourceError, match=r"image Image47 has no file: .* is a link that leads nowhere"):
        build(DirectorySource(image_dir, label_file))


def test_each_defect_is_counted_and_named(
    image_dir: Path, label_file: Path, build: Callable[..., DatasetSummary], manifest: Callable[[], pd.DataFrame]
) -> None:
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

    summary = build()
    excluded = manifest()["excluded"]

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


def test_a_file_that_is_too_large_is_left_out(image_dir: Path, build: Callable[..., DatasetSummary]) -> None:
    with (image_dir / "Image4.jpg").open("ab") as file:
        file.truncate(2**30)

    summary = build()

    assert summary.excluded == {"unreadable: IMAGE_TOO_LARGE": 1}


def test_a_file_that_is_damaged_in_its_archive_is_left_out(
    tmp_path: Path, slice_files: dict[str, bytes], label_file: Path, build: Callable[..., DatasetSummary]
) -> None:
    packed = tmp_path / "set.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(label_file, "BrainTumor.csv")
        for name, content in slice_files.items():
            archive.writestr(f"images/{name}.jpg", content)
    stored = slice_files["Image4"]
    packed.write_bytes(packed.read_bytes().replace(stored, stored[:-1] + b"\0"))

    with ZipSource(packed) as source:
        assert build(source).excluded == {"unreadable: READ_FAILED": 1}


def test_an_image_whose_name_is_not_utf_8_costs_no_other(
    image_dir: Path, build: Callable[..., DatasetSummary], manifest: Callable[[], pd.DataFrame]
) -> None:
    """No label file in UTF-8 names it."""
    (image_dir / "Image3.jpg").rename(image_dir / os.fsdecode(b"Image3\xff.jpg"))

    summary = build()

    assert summary.excluded == {"missing image": 1, "no label": 1}
    assert manifest().loc["Image3\\udcff", "excluded"] == "no label"
