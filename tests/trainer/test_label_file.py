"""Label files as spreadsheets write them, and what is none."""

import pytest

from trainer.errors import LabelFileError
from trainer.label_file import read_labels


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
        "Image,Class,Remark\nNA,1\nImage2.jpg,0,,,\n\n",
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
        b'Image,Class\n"a,1\nb,0\n',
        b"",
    ],
    ids=["columns", "utf-16", "latin-1", "quote", "empty"],
)
def test_a_file_that_holds_no_labels_is_told_by_its_beginning(content: bytes) -> None:
    with pytest.raises(LabelFileError, match=r"labels\.csv is no CSV file in UTF-8 .* it begins with '.*'"):
        read_labels(content, "labels.csv")


@pytest.mark.parametrize("row", ["Image2,0,5", "Image,2,0", "Image2,1,0"])
def test_a_row_with_more_fields_than_columns_is_told_by_its_line(row: str) -> None:
    """It may be a name with a comma, or a number with one: what its class is nobody knows."""
    with pytest.raises(LabelFileError, match=r"^line 3 of labels\.csv has more fields than there are columns"):
        read_labels(f"Image,Class\nImage1,1\n{row}\n".encode(), "labels.csv")
