"""What versions on disk tell of themselves."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import ModelReportNotFoundError, ModelVersionNotFoundError, PublicationError
from trainer.versions import (
    MODEL_CARD,
    REPORT,
    VersionRecord,
    finish_removals,
    lineage,
    next_version,
    published_by,
    read_report,
    read_version,
    remove_version,
    require_version,
    surplus,
    versions_on_disk,
)

_FIGURES = dict.fromkeys(("accuracy", "auc", "sensitivity", "specificity"), 0.75) | dict.fromkeys(
    ("examples", "true_positives", "false_positives", "true_negatives", "false_negatives"), 2
)


def _add(model_dir: Path, version: int, **card: Any) -> Path:
    directory = model_dir / str(version)
    (directory / MODEL_CARD).parent.mkdir(parents=True)
    described = {
        "architecture": "grey",
        "created": "2026-01-02T03:04:05+00:00",
        "training_data": {"fingerprint": "f00d"},
        "metrics": {"test": _FIGURES},
    }
    (directory / MODEL_CARD).write_text(json.dumps(described | card))
    return directory


def test_only_names_that_publish_gives_are_versions(tmp_path: Path) -> None:
    others = ("0", "007", "+3", " 4", "1_0", "v5", "²", "\N{ARABIC-INDIC DIGIT SEVEN}", str(2**63), "9" * 200)
    for name in ("2", "10", *others):
        (tmp_path / name).mkdir()
    (tmp_path / "6").touch()

    assert versions_on_disk(tmp_path) == [2, 10]
    for number in (0, 2**63):
        with pytest.raises(ModelVersionNotFoundError):
            require_version(tmp_path, number)
    assert next_version(tmp_path) == 11
    (tmp_path / "11").touch()
    (tmp_path / "12").symlink_to("nowhere")
    assert next_version(tmp_path) == 13


_ODD = (
    {"architecture": 5},
    {"parent_version": "x"},
    {"parent_version": 2**70},
    {"lineage": 5},
    {"created": "9999-12-31T23:59:59-01:00"},
    {"created": "0001-01-01T00:00:00+01:00"},
    {"metrics": {"test": _FIGURES | {"examples": 2**63}}},
)
"""No message can tell the last three."""


@pytest.mark.parametrize("card", _ODD, ids=str)
def test_of_a_version_with_an_odd_card_only_the_number_is_known(tmp_path: Path, card: dict[str, Any]) -> None:
    directory = _add(tmp_path, 1, **{"parent_version": 0} | card)
    assert read_version(tmp_path, 1) == VersionRecord(1)

    for text in ("[" * 100_000, "[]", "{}"):
        (directory / MODEL_CARD).write_text(text)
        assert read_version(tmp_path, 1) == VersionRecord(1)
    (directory / MODEL_CARD).unlink()
    assert read_version(tmp_path, 1) == VersionRecord(1)


def test_after_the_highest_number_there_is_none(tmp_path: Path) -> None:
    assert next_version(tmp_path) == 1
    (tmp_path / str(2**63 - 1)).mkdir()

    with pytest.raises(PublicationError, match="version 9223372036854775807 has the highest number there can be"):
        next_version(tmp_path)


def test_a_report_is_read_or_missed_with_a_name(tmp_path: Path) -> None:
    (_add(tmp_path, 1, parent_version=0) / REPORT).write_bytes(b"<!doctype html>")
    _add(tmp_path, 2, parent_version=1)

    assert read_report(tmp_path, 1) == b"<!doctype html>"
    with pytest.raises(ModelReportNotFoundError, match="version 2 came without a report"):
        read_report(tmp_path, 2)
    with pytest.raises(
        ModelVersionNotFoundError, match="version 3 does not exist; the list of versions tells which do"
    ):
        read_report(tmp_path, 3)


def test_lineage_outlives_the_versions_in_it(tmp_path: Path) -> None:
    """Version 1 is gone, and 2 is of a time when cards told of the parent only."""
    _add(tmp_path, 2, parent_version=1)
    _add(tmp_path, 5, parent_version=2, lineage=[2, 1])

    assert lineage(tmp_path, 0) == []
    assert lineage(tmp_path, 2) == [2, 1]
    assert lineage(tmp_path, 5) == [5, 2, 1]
    assert lineage(tmp_path, 9) == [9]


def test_a_version_without_a_readable_card_begins_a_lineage(tmp_path: Path) -> None:
    (_add(tmp_path, 1) / MODEL_CARD).write_text("{")
    assert lineage(tmp_path, 1) == [1]


def test_the_version_of_a_job_is_found_below_those_of_others(tmp_path: Path) -> None:
    """Else the job would publish it once more where it goes on after a kill."""
    for version, job in enumerate(("other", "job", "by-hand"), 1):
        _add(tmp_path, version, parent_version=0, operation_id=job)
    (_add(tmp_path, 4) / MODEL_CARD).write_text("{")

    assert published_by(tmp_path, "job") == 2
    assert published_by(tmp_path, "another") == 0


def test_a_version_that_goes_while_those_of_a_job_are_looked_for_is_passed_over(tmp_path: Path) -> None:
    """Somebody promotes another, which retires one, in the moment in which a job is about to publish."""
    card = _add(tmp_path, 1) / MODEL_CARD
    card.unlink()
    os.mkfifo(card)
    _add(tmp_path, 2, parent_version=0, operation_id="other")
    with ThreadPoolExecutor() as pool:
        looking = pool.submit(published_by, tmp_path, "job")
        with card.open("w"):  # which waits until it is read
            remove_version(tmp_path, 2)

        assert looking.result() == 0


@pytest.mark.parametrize(
    ("on_disk", "needed", "retained", "removed"),
    [
        ([1, 2, 3, 4, 5, 6, 7], [2, 7], 5, [1, 3]),
        ([1, 2, 3, 4], [4], 5, []),
        ([1, 2, 3], [1], 1, [2]),
        ([1, 2, 3], [1, 2, 3], 1, []),
    ],
    ids=["oldest first", "few", "newest", "needed"],
)
def test_versions_go_oldest_first_but_for_the_newest_and_what_is_needed(
    on_disk: list[int], needed: list[int], retained: int, removed: list[int]
) -> None:
    assert surplus(on_disk, needed, retained) == removed


def test_a_version_can_be_removed_whose_number_was_before(tmp_path: Path) -> None:
    """And whose removal was broken off then."""
    (tmp_path / ".removed-1/assets").mkdir(parents=True)
    (tmp_path / "1").mkdir()

    remove_version(tmp_path, 1)

    assert list(tmp_path.iterdir()) == []


def test_a_version_that_is_a_link_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "1").symlink_to(tmp_path / "elsewhere")

    remove_version(tmp_path, 1)

    assert list(tmp_path.iterdir()) == [tmp_path / "elsewhere"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_files_of_a_removed_version_that_stay_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "1/variables").mkdir(parents=True)
    (tmp_path / "1").chmod(0o555)

    remove_version(tmp_path, 1)
    finish_removals(tmp_path)

    assert versions_on_disk(tmp_path) == []
    assert [record.directory for record in caplog.records] == [".removed-1", ".removed-1"]  # type: ignore[attr-defined]
    (tmp_path / ".removed-1").chmod(0o755)
