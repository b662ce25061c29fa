"""What a format has to tell about itself to be read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from gateway.imaging.metered_file import MAX_READS
from gateway.imaging.pixels import ImageArray


@dataclass(frozen=True, slots=True)
class Decoder:
    """One image format. Its functions may raise anything on hostile bytes.

    Attributes:
      name: for people, such as "JPEG".
      leading: what the leading bytes of a file of this format match.
      open: reads the header, so that the size is known, and no pixels yet. A plugin's class rather than
        Image.open, which would try others and warn of sizes by a limit of its own.
      pixels: decodes what `open` returned.
      has_end: whether the file holds the end that its format prescribes. Asked of a file that could not be
        decoded: it tells a truncated one from a corrupt one, so it errs on the side of True.
      max_reads: how often its file may be read.
    """

    name: str
    leading: re.Pattern[bytes]
    open: Callable[[BytesIO], Image.Image]
    pixels: Callable[[Image.Image], ImageArray]
    has_end: Callable[[bytes], bool]
    max_reads: int = MAX_READS
