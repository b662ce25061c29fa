"""What no data set can be made of is told in words that lead to the mend."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.dataset import DatasetPaths, DatasetSummary
from trainer.errors import LabelFileError, SourceError, TooFewSlicesError


def test_a_name_that_stands_twice_is_an_error(label_file: Path, build: Callable[..., DatasetSummary]) -> None:
    label_file.write_text(label_file.read_text() + "Image2.jpg,1,0\n")

    with pytest.raises(LabelFileError, match="Image2"):
        build()


def test_rows_without_a_name_are_left_out(label_file: Path, build: Callable[..., DatasetSummary]) -> None:
    label_file.write_text(label_file.read_text() + ",1,0\n,0,0\n,,1\n")

    assert build().excluded == {"no name": 2}

    label_file.write_text("Image,Class\n,1\n,0\n")
    with pytest.raises(
        TooFewSlicesError, match=r"^every image was excluded: 48 no label, such as 'Image0'; 2 no name$"
    ):
        build()


def test_a_folder_without_images_is_an_error(image_dir: Path, build: Callable[..., DatasetSummary]) -> None:
    for image in image_dir.iterdir():
        image.rename(image.with_suffix(".dcm"))

    with pytest.raises(SourceError, match="holds no image files"):
        build()


def test_two_files_of_one_name_are_an_error(image_dir: Path, build: Callable[..., DatasetSummary]) -> None:
    shutil.copy(image_dir / "Image2.jpg", image_dir / "Image2.png")

    with pytest.raises(SourceError, match="Image2"):
        build()


@pytest.mark.parametrize("content", ["", "Image,Label\na,1\n", "\x00\x01\x02"])
def test_a_file_that_holds_no_labels_is_an_error(
    label_file: Path, content: str, build: Callable[..., DatasetSummary]
) -> None:
    label_file.write_text(content)

    with pytest.raises(LabelFileError, match="columns Image and Class"):
        build()


def test_one_label_only_is_an_error_and_leaves_nothing_behind(
    label_file: Path, paths: DatasetPaths, build: Callable[..., DatasetSummary]
) -> None:
    label_file.write_text("Image,Class\n" + "".join(f"Image{number},0\n" for number in range(48)))

    with pytest.raises(TooFewSlicesError):
        build()

    assert [
        path for path in paths.all_npz.parent.parent.rglob("*") if path.is_file() or path.name.startswith(".")
    ] == []


def test_what_leaves_nothing_to_validate_on_is_refused_before_it_is_trained_on(
    label_file: Path, paths: DatasetPaths, build: Callable[..., DatasetSummary]
) -> None:
    """Of two tumors that look alike in nothing, one is to train on and one to test on."""
    label_file.write_text("Image,Class\n" + "".join(f"Image{number},{number // 46}\n" for number in range(48)))

    counted = r"\d+ slices of class 0 \(No Tumor\) and 1 of class 1 \(Tumor\)"
    with pytest.raises(TooFewSlicesError, match=f"nothing to validate on: {counted}"):
        build()

    assert not paths.train_npz.exists()


def test_labels_of_another_code_are_told_where_too_few_slices_are_left(
    image_dir: Path, label_file: Path, build: Callable[..., DatasetSummary]
) -> None:
    """Coded 1 and 2, one half is all that is left."""
    (image_dir / "Image0.jpg").unlink()
    label_file.write_text("Image,Class\n" + "".join(f"Image{number},{number % 2 + 1}\n" for number in range(48)))

    with pytest.raises(TooFewSlicesError) as raised:
        build()

    assert "there are no slices of class 0 (No Tumor)" in str(raised.value)
    assert (
        "left out: 24 unknown label '2' (0 and 1 are known), such as 'Image1'; 1 missing image, such as 'Image0'"
        in str(raised.value)
    )


def test_few_of_many_unknown_labels_are_told_by_their_value(
    label_file: Path, build: Callable[..., DatasetSummary]
) -> None:
    labels = ["yes"] * 21 + ["no"] * 19 + ["No Tumor, as the radiologist says"] * 2 + [str(n) for n in range(2, 8)]
    label_file.write_text("Image,Class\n" + "".join(f'Image{n},"{label}"\n' for n, label in enumerate(labels)))

    with pytest.raises(TooFewSlicesError) as raised:
        build()

    assert str(raised.value) == (
        "every image was excluded: 21 unknown label 'yes' (0 and 1 are known), such as 'Image0'; "
        "19 unknown label 'no' (0 and 1 are known), such as 'Image21'; "
        "6 unknown label (0 and 1 are known), such as 'Image42'; "
        "2 unknown label 'No Tumor, as the rad' (0 and 1 are known), such as 'Image40'"
    )
