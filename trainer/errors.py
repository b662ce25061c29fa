"""What can go wrong in the trainer, as one tree.

TrainerError
├── DatasetError              the labelled slices cannot become a data set
│   ├── LabelFileError        the label file is missing, unreadable or ambiguous
│   ├── SourceError           the directory or archive of images cannot be read
│   └── TooFewSlicesError     what is left cannot be split into train and test
├── NpzError                  a file is no data set of ours
├── UnknownArchitectureError  no such line in ARCHITECTURES
└── PublicationError          a version cannot be written
"""

from typing import ClassVar


class TrainerError(Exception):
    """Base of all. Its message is fit for a caller: what was wrong, the limit and the remedy."""

    reason: ClassVar[str] = "TRAINER_ERROR"


class DatasetError(TrainerError):
    """The labelled slices cannot become a data set."""

    reason = "DATASET_INVALID"


class LabelFileError(DatasetError):
    """The label file is missing, unreadable or ambiguous."""

    reason = "LABEL_FILE_INVALID"


class SourceError(DatasetError):
    """The directory or archive of images cannot be read."""

    reason = "IMAGE_SOURCE_INVALID"


class TooFewSlicesError(DatasetError):
    """What is left cannot be split into train and test."""

    reason = "TOO_FEW_SLICES"


class NpzError(TrainerError):
    """A file is no data set of ours: missing, damaged, or with other arrays."""

    reason = "NPZ_INVALID"


class UnknownArchitectureError(TrainerError):
    """No such line in ARCHITECTURES."""

    reason = "UNKNOWN_ARCHITECTURE"


class PublicationError(TrainerError):
    """A version cannot be written."""

    reason = "PUBLICATION_FAILED"
