"""Why an image is refused.

    InvalidImageError
    ├── EmptyFileError          no bytes
    ├── ImageTooLargeError      too many bytes
    ├── TooManyPixelsError      too many pixels, by the header
    ├── TooManyPartsError       too many segments, chunks or scans
    ├── UnsupportedFormatError  no format in DECODERS
    ├── TruncatedImageError     the file ends early
    ├── CorruptImageError       a known format that cannot be decoded
    └── ConstantImageError      all pixels are equal

Messages are meant for callers: they name the value, the limit and the remedy, and nothing of the inside.
"""

from typing import ClassVar


class InvalidImageError(ValueError):
    """The bytes are no slice that can be classified."""

    reason: ClassVar[str] = "INVALID_IMAGE"
    """Stable name of the error in UPPER_SNAKE."""


class EmptyFileError(InvalidImageError):
    """There are no bytes."""

    reason = "IMAGE_EMPTY"


class ImageTooLargeError(InvalidImageError):
    """The file has more than max_image_bytes."""

    reason = "IMAGE_TOO_LARGE"


class TooManyPixelsError(InvalidImageError):
    """By its header the image has more than max_image_pixels, or a side is too long."""

    reason = "IMAGE_TOO_MANY_PIXELS"


class TooManyPartsError(InvalidImageError):
    """The file has so many segments, chunks or scans that going through them would take seconds."""

    reason = "IMAGE_TOO_MANY_PARTS"


class UnsupportedFormatError(InvalidImageError):
    """The leading bytes are of no format in DECODERS."""

    reason = "UNSUPPORTED_FORMAT"


class TruncatedImageError(InvalidImageError):
    """The file ends before its format says that it does."""

    reason = "IMAGE_TRUNCATED"


class CorruptImageError(InvalidImageError):
    """The format is known, but the file cannot be decoded."""

    reason = "IMAGE_CORRUPT"


class ConstantImageError(InvalidImageError):
    """All pixels are equal, so the image holds no slice."""

    reason = "IMAGE_CONSTANT"
