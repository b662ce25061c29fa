"""Label files: CSV with the columns `Image` and `Class`, as spreadsheets write it."""

import io
import re
import warnings

import pandas as pd

from trainer.errors import LabelFileError, NoLabelsError

MAX_LABEL_BYTES = 2**28
"""Of a label file: millions of rows."""

_COLUMNS = ["Image", "Class"]
_SEPARATORS = (",", ";", "\t")
"""Of columns: spreadsheets write what their country does."""
_SEPARATOR_LINE = re.compile(rb'\A(?:\xef\xbb\xbf)?"?sep=[^\r\n]*\r?\n')
"""Excel's own first line. What it says is found out anyway."""
_TOLD_CHARS = 60


def read_labels(content: bytes, file_name: str) -> pd.DataFrame:
    """Reads a label file.

    Args:
      content: of the file, or more than MAX_LABEL_BYTES of one that is larger.
      file_name: for errors.

    Returns:
      The columns `Image` and `Class`, as text; rows that a spreadsheet has left empty are not among them.

    Raises:
      NoLabelsError: it is too large, is no CSV file in UTF-8, or lacks a column.
      LabelFileError: a row has more fields than there are columns, or a quote is open to the end.
    """
    if len(content) > MAX_LABEL_BYTES:
        raise NoLabelsError(f"label file {file_name} has more than {MAX_LABEL_BYTES} bytes, which is the limit")
    content = _SEPARATOR_LINE.sub(b"", content)
    for separator in _SEPARATORS:
        try:
            if not set(_COLUMNS) <= set(_table(content, separator, nrows=0).columns):
                continue
            return _table(content, separator)[_COLUMNS].dropna(how="all")
        except (pd.errors.ParserError, pd.errors.ParserWarning) as err:
            raise LabelFileError(
                f"{file_name} has a row that does not fit its columns; put names with separators, and numbers with "
                f"commas, in quotes: {err}"
            ) from err
        except ValueError:  # also pandas' error of empty files
            continue
    beginning = content.partition(b"\n")[0].decode(errors="replace").strip()[:_TOLD_CHARS]
    raise NoLabelsError(
        f"{file_name} is no CSV file in UTF-8 with the columns Image and Class; it begins with {beginning!r}"
    )


def _table(content: bytes, separator: str, nrows: int | None = None) -> pd.DataFrame:
    # Of all columns, since pandas passes over fields beyond them where it is asked for some. It warns of them.
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            io.BytesIO(content),
            sep=separator,
            nrows=nrows,
            dtype=str,
            index_col=False,  # else the first column is one, where all rows end in a separator
            skipinitialspace=True,
            keep_default_na=False,  # an image may be named NA
            na_values=[""],
        )
