"""Tables and times for people."""

import datetime
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp


def table(*rows: Sequence[str]) -> str:
    """Returns rows of cells as lines; columns are as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def moment(timestamp: Timestamp) -> str:
    """Returns a time as clocks here show it."""
    return timestamp.ToDatetime(datetime.UTC).astimezone().strftime("%Y-%m-%d %H:%M")
