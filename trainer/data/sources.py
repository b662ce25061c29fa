"""Where labelled slices come from: a directory with a label file, or one zip archive.

The archive may have the layout of this project (`BrainTumor.csv`, `images/Image1.jpg`) or
Kaggle's (`Brain Tumor.csv`, `Brain Tumor/Brain Tumor/Image1.jpg`): images are found by suffix
wherever they lie, the label file is the only CSV with the columns `Image` and `Class`. A directory
is searched alike. What is hidden is passed over.
"""

import contextlib
import lzma
import os
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Protocol, Self

import pandas as pd
from braintumor.image_folder import IMAGE_SUFFIXES, images_below, is_image

from gateway.imaging import ImageLimits
from trainer.data.label_file import MAX_LABEL_BYTES, read_labels
from trainer.errors import LabelFileError, NoLabelsError, SourceError

_TOLD_CHARS, _TOLD_FILES = 60, 3

_MAX_IMAGE_BYTES = ImageLimits().max_image_bytes


class SliceSource(Protocol):
    """Image files and their labels."""

    def labels(self) -> pd.DataFrame:
        """Returns the columns `Image` (name, with or without suffix) and `Class` (0 no tumor, 1 tumor), as text.

        Raises:
          LabelFileError: the file is missing, is no CSV or lacks a column.
        """

    def images(self) -> dict[str, str]:
        """Returns where each image lies, by its name without suffix, which can be written as UTF-8.

        Raises:
          SourceError: two files share a name, or there are none.
        """

    def read(self, location: str) -> bytes:
        """Returns the bytes of one image file; of one that is too large to be decoded only enough to tell.

        Raises:
          OSError: it has gone, or is damaged.
          SourceError: no file can be read.
        """


class DirectorySource:
    """Images in a directory and those below it, labels in a CSV file."""

    def __init__(self, image_dir: Path, label_file: Path) -> None:
        self._image_dir = image_dir
        self._label_file = label_file

    def labels(self) -> pd.DataFrame:
        """See SliceSource."""
        try:
            return read_labels(_beginning(self._label_file, MAX_LABEL_BYTES), self._label_file.name)
        except OSError as err:
            raise LabelFileError(f"label file {self._label_file.name} cannot be read: {err.strerror}") from err

    def images(self) -> dict[str, str]:
        """See SliceSource."""
        try:
            below = (str(path.relative_to(self._image_dir)) for path in images_below(self._image_dir))
            return _by_stem(below, self._image_dir.name)
        except OSError as err:
            raise SourceError(f"image directory {self._image_dir.name} cannot be read: {err.strerror}") from err

    def read(self, location: str) -> bytes:
        """See SliceSource."""
        return _beginning(self._image_dir / location, _MAX_IMAGE_BYTES)


class ZipSource:
    """Images and label file in one zip archive; a context manager."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as err:
            raise SourceError(f"archive {path.name} cannot be read: {err.strerror or 'it is damaged'}") from err
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as err:
            raise SourceError(f"archive {path.name} cannot be read: {err}") from err
        self._name = path.name

    def labels(self) -> pd.DataFrame:
        """See SliceSource."""
        files = [name for name in self._archive.namelist() if name.lower().endswith(".csv") and not _is_hidden(name)]
        if len(files) == 1:
            return self._labels_in(files[0])
        tables = {}
        for name in files:
            with contextlib.suppress(NoLabelsError):
                tables[name] = self._labels_in(name)
        if len(tables) != 1:
            told = [name[-_TOLD_CHARS:] for name in (list(tables) or files)[:_TOLD_FILES]]
            raise LabelFileError(
                f"{self._name} holds {len(tables)} CSV files with columns Image and Class; one is needed"
                + (f", among {', '.join(map(repr, told))}" if told else "")
            )
        return tables.popitem()[1]

    def _labels_in(self, name: str) -> pd.DataFrame:
        told = name[-_TOLD_CHARS:]
        try:
            return read_labels(self._beginning(name, MAX_LABEL_BYTES), told)
        except OSError as err:
            raise NoLabelsError(f"label file {told} cannot be read: {err}") from err

    def images(self) -> dict[str, str]:
        """See SliceSource."""
        return _by_stem((name for name in self._archive.namelist() if not name.endswith("/")), self._name)

    def read(self, location: str) -> bytes:
        """See SliceSource."""
        return self._beginning(location, _MAX_IMAGE_BYTES)

    def _beginning(self, location: str, max_bytes: int) -> bytes:
        try:
            with self._archive.open(location) as file:
                return file.read(max_bytes + 1)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as err:  # this file is damaged
            raise OSError(str(err)) from err
        except RuntimeError as err:  # encrypted, or compressed as Python cannot read it: so are the others, as a rule
            raise SourceError(f"archive {self._name} cannot be read: {err}") from err

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()


def image_name(file_name: str) -> str:
    """Returns the name of an image: that of its file, without the suffix where it is one of an image.

    Folders are no part of it, also where Windows wrote them. It is composed (NFC): macOS writes names decomposed, and
    spreadsheets as they are typed.
    """
    path = PurePath(unicodedata.normalize("NFC", file_name.replace("\\", "/")))
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def _beginning(path: Path, max_bytes: int) -> bytes:
    """Returns a file, and of one that is larger no more than shows that it is."""
    with path.open("rb") as file:
        # Python takes memory for what it is asked to read, and not for what there is.
        return file.read(min(os.fstat(file.fileno()).st_size, max_bytes) + 1)


def _is_hidden(location: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePath(location).parts)


def _printable(name: str) -> str:
    """Returns a name that manifests and messages can hold: its bytes that are not UTF-8 become text, as of repr()."""
    return name.encode("utf-8", "backslashreplace").decode()


def _by_stem(locations: Iterable[str], place: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for location in locations:
        path, name = PurePath(location), _printable(image_name(location))
        if not is_image(path.name) or _is_hidden(location):
            continue
        if name in found:
            both = " and ".join(map(_printable, (found[name], location)))
            raise SourceError(f"{place} holds two images named {name}: {both}")
        found[name] = location
    if not found:
        raise SourceError(f"{place} holds no image files")
    return found
