"""Label files: CSV with the columns `Image` and `Class`, as spreadsheets write it."""

import contextlib
import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from trainer.errors import LabelFileError

MAX_LABEL_BYTES = 2**28
"""Of a label file: millions of rows."""

_COLUMNS = ["Image", "Class"]
_SEPARATORS = (",", ";", "\t")
"""Of columns: spreadsheets write what their country does."""
_PREAMBLE = re.compile(rb'\A(?:\xef\xbb\xbf)?[\r\n]*(?:"?sep=[^\r\n]*)?[\r\n]*')
"""With Excel's own first line. What that says is found out anyway."""
_BEYOND = "fields beyond the columns"
_TOLD_CHARS = 60


def read_labels(content: bytes, file_name: str) -> pd.DataFrame:
    """Reads a label file.

    Args:
      content: of the file, or more than MAX_LABEL_BYTES of one that is larger.
      file_name: for errors.

    Returns:
      The columns `Image` and `Class`, as text; rows that a spreadsheet has left empty are not among them.

    Raises:
      LabelFileError: it is too large, is no CSV file in UTF-8, lacks a column, or a row has more fields than columns.
    """
    if len(content) > MAX_LABEL_BYTES:
        raise LabelFileError(f"label file {file_name} has more than {MAX_LABEL_BYTES} bytes, which is the limit")
    with contextlib.suppress(UnicodeDecodeError, csv.Error):
        if (rows := _rows(content)) is not None:
            return pd.DataFrame(_labels(rows, file_name), columns=_COLUMNS, dtype=str)
    beginning = content.partition(b"\n")[0].decode(errors="replace").strip()[:_TOLD_CHARS]
    raise LabelFileError(
        f"{file_name} is no CSV file in UTF-8 with the columns Image and Class; it begins with {beginning!r}"
    )


def is_label_file(content: bytes) -> bool:
    """Tells by its header whether a file is one."""
    return _rows(content) is not None


def _rows(content: bytes) -> "csv.DictReader[Any] | None":
    for separator in _SEPARATORS:
        lines = io.TextIOWrapper(io.BytesIO(_PREAMBLE.sub(b"", content)), "utf-8", newline="")
        rows = csv.DictReader(lines, None, _BEYOND, "", delimiter=separator, skipinitialspace=True, strict=True)
        with contextlib.suppress(UnicodeDecodeError, csv.Error):
            if set(_COLUMNS) <= set(rows.fieldnames or ()):
                return rows
    return None


def _labels(rows: "csv.DictReader[Any]", file_name: str) -> Iterator[tuple[str, str]]:
    for row in rows:
        if any(row.get(_BEYOND, ())):  # not where each row ends in a separator
            raise LabelFileError(
                f"line {rows.line_num} of {file_name} has more fields than there are columns; put names with "
                "separators, and numbers with commas, in quotes"
            )
        if row["Image"] or row["Class"]:
            yield row["Image"], row["Class"]
