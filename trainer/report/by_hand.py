"""What the command `publish` gives to a report: the files that the commands before it left."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from trainer.data.known_slices import require_unseen
from trainer.dataset import DatasetSummary, Split, load_split
from trainer.errors import TrainerError
from trainer.evaluate import Candidate, predict_images
from trainer.jobs.run_directory import CANDIDATE
from trainer.progress_bar import OnProgress
from trainer.record import read_record
from trainer.report.answers import Answers
from trainer.settings import TrainerSettings


def answers_by_hand(settings: TrainerSettings, others: Mapping[str, Path], progress: OnProgress) -> Answers:
    """Asks the network that was trained last, and others, about the stored test split.

    Args:
      settings: where all of it lies.
      others: SavedModels by a name for people.
      progress: of the slices, over all networks.

    Raises:
      NpzError: no test split is stored.
      SeenSlicesError: the network was fitted to some of its slices.
    """
    split = load_split(settings.test_npz)
    require_unseen(settings.run_dir / CANDIDATE, split.images)
    directories = [settings.run_dir / CANDIDATE, *others.values()]
    parts = []
    for number, directory in enumerate(directories):
        so_far = partial(_overall, progress, number * len(split.labels), len(directories))
        parts.append(predict_images(Candidate(directory), split.images, on_progress=so_far))
    outputs, *compared = parts
    named = dict(zip(others, compared, strict=True))
    return Answers(split, outputs, named, _summary(settings, split), settings.report_pictures)


def _overall(progress: OnProgress, before: int, networks: int, done: int, slices: int) -> None:
    progress(before + done, networks * slices)


def _summary(settings: TrainerSettings, split: Split) -> DatasetSummary | None:
    """Returns the counts of the split's data set; None where they are of another one, which a job has built since."""
    try:
        summary = read_record(settings.dataset_summary, DatasetSummary)
    except TrainerError:
        return None
    is_same = (summary.fingerprint, summary.test_slices) == (split.fingerprint, len(split.labels))
    return summary if is_same else None
