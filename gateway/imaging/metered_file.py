"""A file in memory that can be read only so often."""

import io

from gateway.imaging.errors import TooManyPartsError

MAX_READS = 20_000
"""Reads of one file. Pillow takes some tens for usual files, and one or two for each segment, chunk or block of any."""


class MeteredFile(io.BytesIO):
    """Bytes as a file, for a decoder that goes through their parts one by one.

    A file of 16 MiB may hold millions of empty parts, and Pillow walks them in Python, which holds up every other
    thread for seconds: so the walk ends early, whatever the format.

    Args:
      data: the bytes.
      max_reads: how often.
    """

    def __init__(self, data: bytes, max_reads: int) -> None:
        super().__init__(data)
        self._reads_left = max_reads

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads as any file does.

        Raises:
          TooManyPartsError: it was read that often.
        """
        self._reads_left -= 1
        if self._reads_left < 0:
            raise TooManyPartsError("The image is cut into too many parts; save it anew, say as 8-bit PNG.")
        return super().read(size)
