"""Archives as they come, not all of which can be read."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from trainer.data.sources import DirectorySource, ZipSource, image_name
from trainer.errors import LabelFileError, SourceError

_LABELS = "Image,Class\nImage1,1\n"
_ENCRYPTED, _DEFLATE64, _DEFLATED = 1, 9, zipfile.ZIP_DEFLATED


def _archive(path: Path, *, flags: int = 0, compression: int | None = None) -> Path:
    """Writes an archive that says of its image what is not so."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("set/BrainTumor.csv", _LABELS)
        archive.writestr("set/Image1.png", b"\xff" * 100)
    content = bytearray(path.read_bytes())
    for signature, flags_at, compression_at in ((b"PK\3\4", 6, 8), (b"PK\1\2", 8, 10)):
        at = content.rfind(signature)
        content[at + flags_at] |= flags
        if compression is not None:
            content[at + compression_at] = compression
    path.write_bytes(content)
    return path


def test_an_archive_is_read(tmp_path):
    with ZipSource(_archive(tmp_path / "set.zip")) as source:
        assert source.images() == {"Image1": "set/Image1.png"}
        assert source.labels().to_dict("list") == {"Image": ["Image1"], "Class": ["1"]}
        assert source.read("set/Image1.png") == b"\xff" * 100


@pytest.mark.parametrize(
    ("kind", "text"),
    [({"flags": _ENCRYPTED}, "is encrypted"), ({"compression": _DEFLATE64}, "compression method is not supported")],
)
def test_an_archive_that_cannot_be_unpacked_is_told(tmp_path, kind, text):
    with (
        ZipSource(_archive(tmp_path / "set.zip", **kind)) as source,
        pytest.raises(SourceError, match=rf"archive set\.zip cannot be read: .*{text}"),
    ):
        source.read("set/Image1.png")


def test_an_archive_that_cannot_be_opened_is_told_without_its_place(tmp_path):
    with pytest.raises(SourceError, match=r"^archive set\.zip cannot be read: No such file or directory$"):
        ZipSource(tmp_path / "set.zip")


def test_a_directory_that_is_not_there_is_told_without_its_place(tmp_path):
    source = DirectorySource(tmp_path / "images", tmp_path / "labels.csv")
    with pytest.raises(SourceError, match=r"^image directory images cannot be read: No such file or directory$"):
        source.images()
    with pytest.raises(LabelFileError, match=r"^label file labels\.csv cannot be read: No such file or directory$"):
        source.labels()


def test_one_damaged_image_is_a_matter_of_its_own(tmp_path):
    with ZipSource(_archive(tmp_path / "set.zip", compression=_DEFLATED)) as source:
        with pytest.raises(OSError, match="invalid"):
            source.read("set/Image1.png")
        assert len(source.labels()) == 1


def test_one_that_is_packed_by_lzma_is_so_too(tmp_path):
    packed = tmp_path / "set.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("Image1.png", bytes(range(256)) * 9)
    content = bytearray(packed.read_bytes())
    content[60:90] = bytes(30)
    packed.write_bytes(content)

    with ZipSource(packed) as source, pytest.raises(OSError, match="Corrupt input data"):
        source.read("Image1.png")


@pytest.mark.parametrize(
    ("signature", "places", "written"),
    [(b"PK\1\2", (21, 25), 0xFF), (b"PK\3\4", (7,), 0x08)],
    ids=["size", "name"],
)
def test_one_whose_headers_are_damaged_is_so_too(tmp_path, signature, places, written):
    """It is said to be longer than the archive, or to have a name in UTF-8 which is not."""
    archive = _archive(tmp_path / "set.zip")
    content = bytearray(archive.read_bytes().replace(b"Image1.png", b"Image\xff.png"))
    for place in places:
        content[content.rfind(signature) + place] = written
    archive.write_bytes(content)

    with ZipSource(archive) as source:
        (location,) = source.images().values()
        with pytest.raises(OSError, match=r"^$|invalid start byte"):
            source.read(location)


@pytest.mark.parametrize(
    ("at", "written", "text"),
    [(6, b"\x63", "zip file version 9.9"), (9, b"\x08", "invalid start byte")],
    ids=["version", "name"],
)
def test_an_archive_whose_list_cannot_be_read_is_told(tmp_path, at, written, text):
    """It needs a newer program, or says that a name is in UTF-8 which is not."""
    archive = _archive(tmp_path / "set.zip")
    content = bytearray(archive.read_bytes().replace(b"Image1.png", b"Image\xff.png"))
    entry = content.rfind(b"PK\1\2")
    content[entry + at : entry + at + 1] = written
    archive.write_bytes(content)

    with pytest.raises(SourceError, match=rf"archive set\.zip cannot be read: .*{text}"):
        ZipSource(archive)


@pytest.mark.parametrize("kind", ["archive", "directory"])
def test_of_a_file_that_is_too_large_no_more_is_read_than_shows_it(tmp_path, kind):
    (tmp_path / "Image1.png").write_bytes(bytes(2**26))
    (tmp_path / "labels.csv").write_text(_LABELS)
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "Image1.png", "Image1.png")
    with ZipSource(tmp_path / "set.zip") as archived:
        source = archived if kind == "archive" else DirectorySource(tmp_path, tmp_path / "labels.csv")
        assert len(source.read("Image1.png")) == 16 * 2**20 + 1


def test_a_label_file_has_a_limit(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(_LABELS)
    os.truncate(labels, 2**28 + 1)
    with pytest.raises(LabelFileError, match=r"labels\.csv has more than 268435456 bytes"):
        DirectorySource(tmp_path, labels).labels()


_OTHERS = {f"{name}.csv": "image,class\na,1\n" for name in "abcd"}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, r"holds 0 CSV files with columns Image and Class; one is needed$"),
        ({"a.csv": "image,class\na,1\n"}, r"^a\.csv is no CSV file .* it begins with 'image,class'$"),
        (_OTHERS, r"holds 0 CSV files with .* needed, among 'a\.csv', 'b\.csv', 'c\.csv'$"),
        (_OTHERS | {"b.csv": _LABELS, "c.csv": _LABELS}, r"holds 2 CSV files .* needed, among 'b\.csv', 'c\.csv'$"),
        ({f"{'a' * 1000}{number}.csv": _LABELS for number in range(2)}, r"needed, among 'a{55}0\.csv', 'a{55}1\.csv'$"),
    ],
    ids=["none", "another", "others", "two", "long names"],
)
def test_an_archive_without_one_label_file_says_what_it_has(tmp_path, files, told):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("Image1.png", b"")
        for name, text in files.items():
            archive.writestr(name, text)
    with ZipSource(tmp_path / "set.zip") as source, pytest.raises(LabelFileError, match=told):
        source.labels()


def test_a_damaged_label_file_is_told_as_such(tmp_path):
    archive = _archive(tmp_path / "set.zip")
    archive.write_bytes(archive.read_bytes().replace(b"Image1,1\n", b"Image1,0\n"))
    with ZipSource(archive) as source, pytest.raises(LabelFileError, match=r"label file set/BrainTumor\.csv cannot be"):
        source.labels()


def test_hidden_label_files_are_none(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("labels.csv", "._labels.csv", ".old/labels.csv", "__MACOSX/labels.csv"):
            archive.writestr(name, _LABELS)
    with ZipSource(tmp_path / "set.zip") as source:
        assert len(source.labels()) == 1


def _write(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())


def test_a_directory_is_searched_at_any_depth_and_behind_links(tmp_path):
    images = tmp_path / "images"
    _write(images, "a.png", ".b.png", "notes.txt")
    _write(images / "s1" / "deep", "c.png")
    _write(images / ".thumbnails", "a.png")
    _write(tmp_path / "elsewhere", "d.png")
    (images / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(images)
    source = DirectorySource(images, tmp_path / "labels.csv")

    assert source.images() == {"a": "a.png", "c": "s1/deep/c.png", "d": "linked/d.png"}
    assert source.read("s1/deep/c.png") == b"c.png"


def test_an_archive_is_searched_as_a_directory_is(tmp_path):
    """Also where a folder has a name like an image, and an entry of its own."""
    found = {"a": "images/s1/a.png", "b": "images/s2.png/b.png"}
    for name in (*found.values(), "images/.thumbnails/a.png", "images/a.overlay.png", "__MACOSX/images/s1/._a.png"):
        _write((tmp_path / "tree" / name).parent, Path(name).name)
    with ZipSource(Path(shutil.make_archive(tmp_path / "set", "zip", tmp_path / "tree"))) as source:
        zipped = source.images()

    assert zipped == DirectorySource(tmp_path / "tree", tmp_path / "labels.csv").images() == found


def test_two_images_of_one_name_in_two_folders_are_an_error(tmp_path):
    for folder in ("s1", "s2"):
        _write(tmp_path / "images" / folder, "a.png")
    with pytest.raises(SourceError, match=r"images holds two images named a: s1/a\.png and s2/a\.png"):
        DirectorySource(tmp_path / "images", tmp_path / "labels.csv").images()


def test_names_that_are_not_utf_8_are_told_in_characters_that_are(tmp_path):
    """The files themselves are found under the bytes that they have on disk."""
    images = tmp_path / "images"
    for folder in ("s1", "s2"):
        _write(images / folder, "a.png")
        (images / folder / os.fsdecode(b"m\xfcller.png")).write_bytes(b"content")
    source = DirectorySource(images / "s1", tmp_path / "labels.csv")

    assert source.read(source.images()["m\\udcfcller"]) == b"content"
    (images / "s1/a.png").unlink()
    with pytest.raises(SourceError) as raised:
        DirectorySource(images, tmp_path / "labels.csv").images()
    assert str(raised.value).endswith(r"two images named m\udcfcller: s1/m\udcfcller.png and s2/m\udcfcller.png")


def test_a_name_on_a_mac_s_disk_is_that_of_the_label_file(tmp_path):
    """The disk has u and two dots, the label file one letter; it is the file of the disk that is read."""
    on_disk = "Mu\u0308ller.png"
    _write(tmp_path / "images", on_disk)
    source = DirectorySource(tmp_path / "images", tmp_path / "labels.csv")

    location = source.images()[image_name("M\u00fcller.png")]

    assert source.read(location) == on_disk.encode()


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("P1.2", "P1.2"),
        ("P1.2.jpg", "P1.2"),
        ("set/a.JFIF", "a"),
        ("a", "a"),
        ("a.dcm", "a.dcm"),
        ("a.tar.gz", "a.tar.gz"),
        (r"images\s1\a.PNG", "a"),
        (r"C:\images\P1.2", "P1.2"),
        ("Mu\u0308ller.png", "M\u00fcller"),
    ],
)
def test_only_the_suffix_of_an_image_is_no_part_of_its_name(file_name, name):
    assert image_name(file_name) == name
