"""Label files as spreadsheets write them, and what is none."""

import pytest

from trainer.data import label_file
from trainer.data.label_file import read_labels
from trainer.errors import LabelFileError


@pytest.mark.parametrize(
    "text",
    [
        "Image,Class\nNA,1\nImage2.jpg,0\n,\n,\n",
        "\ufeffImage;Class;Remark\r\nNA;1;\r\nImage2.jpg;0;old\r\n;;\r\n",
        "Class\tImage\n1\tNA\n0\tImage2.jpg\n",
        "Remark\tImage\tClass\n\tNA\t1\nold\tImage2.jpg\t0\n\t\t\n",
        "Image, Class\nNA, 1\nImage2.jpg, 0\n, \n",
        "sep=;\r\nImage;Class\r\nNA;1\r\nImage2.jpg;0\r\n",
        '\ufeff"sep=;"\nImage;Class\nNA;1\nImage2.jpg;0\n',
        "Image,Class\nNA,1,\nImage2.jpg,0,\n,,\n",
        "Image,Class,Mean\nNA,1,0.5,\nImage2.jpg,0,0.5,\n",
        "Image,Class,Remark\nNA,1\nImage2.jpg,0,\n\n",
        '\n\nImage,Class\r"NA","1"\rImage2.jpg,0',
    ],
)
def test_labels_are_read_as_spreadsheets_write_them(text: str) -> None:
    labels = read_labels(text.encode(), "labels.csv")

    assert labels.to_dict("list") == {"Image": ["NA", "Image2.jpg"], "Class": ["1", "0"]}


@pytest.mark.parametrize(
    "content",
    [
        b"image,class\na,1\n",
        "Image,Class\na,1\n".encode("utf-16"),
        "Image,Class\n\u00e4,1\n".encode("latin-1"),
        b"",
    ],
    ids=["columns", "utf-16", "latin-1", "empty"],
)
def test_a_file_that_holds_no_labels_is_told_by_its_beginning(content: bytes) -> None:
    with pytest.raises(LabelFileError, match=r"labels\.csv is no CSV file in UTF-8 .* it begins with '.*'"):
        read_labels(content, "labels.csv")


def test_of_a_beginning_one_line_is_told_and_no_more_than_sixty_characters() -> None:
    for content, told in ((b" a;b \nc\n", "a;b"), (b"<html>" * 11, ("<html>" * 11)[:60])):
        with pytest.raises(LabelFileError, match=f"; it begins with '{told}'$"):
            read_labels(content, "labels.csv")


def test_what_is_larger_than_any_label_file_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"Image,Class\na,1\n"
    monkeypatch.setattr(label_file, "MAX_LABEL_BYTES", len(content))

    assert len(read_labels(content, "labels.csv")) == 1
    with pytest.raises(LabelFileError, match=r"^label file labels\.csv has more than 16 bytes, which is the limit$"):
        read_labels(content + b"\n", "labels.csv")


def test_a_row_that_lacks_a_name_or_a_class_is_not_empty() -> None:
    labels = read_labels(b"Image,Class\nImage1,\n,1\n,\n", "labels.csv")

    assert labels.fillna("none").to_numpy().tolist() == [["Image1", "none"], ["none", "1"]]


@pytest.mark.parametrize("row", ["Image2,0,5", "Image,2,0", '"Image2,1'])
def test_a_row_that_does_not_fit_the_columns_is_refused(row: str) -> None:
    """It may be a name with a comma, or a number with one: what its class is nobody knows."""
    with pytest.raises(LabelFileError, match=r"^labels\.csv has a row that does not fit its columns; .* (line|row) \d"):
        read_labels(f"Image,Class\nImage1,1\n{row}\n".encode(), "labels.csv")


@pytest.mark.filterwarnings("default")  # as outside of tests: pandas only warns of it
def test_fields_beyond_the_columns_in_every_row_are_no_labels_either() -> None:
    with pytest.raises(LabelFileError, match="does not fit its columns"):
        read_labels(b"Image,Class\nImage1,0,5\nImage2,0,5\n", "labels.csv")


@pytest.mark.parametrize(
    "text",
    [
        "Image,Class,Class\nNA,1,0\nImage2.jpg,0,1\n",
        'Image,Class,Remark\nNA,1,"big" tumor\nImage2.jpg,0,\n',
        "Image,Class,Remark\nNA,1," + "x" * 200_000 + "\nImage2.jpg,0,\n",
    ],
    ids=["twice", "quote", "long"],
)
def test_what_stands_beside_the_labels_changes_nothing(text: str) -> None:
    labels = read_labels(text.encode(), "labels.csv")

    assert labels.to_dict("list") == {"Image": ["NA", "Image2.jpg"], "Class": ["1", "0"]}
