"""Counts of the data set, where the command `publish` finds them."""

from dataclasses import replace
from pathlib import Path

from trainer.dataset import DatasetSummary
from trainer.record import write_record
from trainer.report.by_hand import _summary
from trainer.settings import TrainerSettings


def test_counts_of_another_data_set_are_left_out(tmp_path: Path, make_answers, summary: DatasetSummary) -> None:
    """A job has built one since, or the same with another seed."""
    settings, split = TrainerSettings(DATA_ROOT=tmp_path), make_answers().split
    assert _summary(settings, split) is None

    settings.dataset_summary.parent.mkdir()
    write_record(settings.dataset_summary, summary)
    assert _summary(settings, split) == summary

    for other in (replace(summary, fingerprint="f00d"), replace(summary, test_slices=25)):
        write_record(settings.dataset_summary, other)
        assert _summary(settings, split) is None
