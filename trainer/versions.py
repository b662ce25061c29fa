"""Versions on disk: which there are, what their model cards say, and which have to go."""

import datetime
import json
import logging
import re
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter

from trainer.durable import UNFINISHED
from trainer.errors import ModelReportNotFoundError, ModelVersionNotFoundError, PublicationError
from trainer.figures import Evaluation
from trainer.jobs.run_directory import remove

MODEL_CARD = Path("assets.extra", "model_card.json")
"""Where the card lies in a version."""

REPORT = Path("assets.extra", "report.html")
"""Where the report of its training lies."""

BY_HAND = "by-hand"
"""Stands for the id of a job where a version is published by hand; two publications never run at a time."""

_REMOVED = ".removed-"
_VERSION = re.compile("[1-9][0-9]*")
_MAX_VERSION = 2**63 - 1
"""Serving counts in 64 bits, and passes over what is beyond."""

_logger = logging.getLogger(__name__)


def _in_our_years(moment: datetime.datetime) -> datetime.datetime:
    """Returns a time; raises OverflowError where it is of another year in UTC than those from 1 to 9999."""
    moment.utctimetuple()
    return moment


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version as its model card describes it. Of a version without a readable card only the number is known.

    Attributes:
      version: its number.
      architecture: its key in ARCHITECTURES.
      fingerprint: SHA-256 of its training data, as hex digits.
      parent: the version that was stable when it was trained; 0 for none.
      lineage: that one, the one that was stable before it, and so on, as far as is known.
      created: when it was published.
      evaluation: figures on its test split.
      card: the model card, as JSON.
    """

    version: int
    architecture: str = ""
    fingerprint: str = ""
    parent: Annotated[int, Field(ge=0, le=_MAX_VERSION)] = 0
    lineage: tuple[int, ...] = ()
    created: Annotated[datetime.datetime, AfterValidator(_in_our_years)] | None = None
    evaluation: Evaluation | None = None
    card: str = ""


_RECORD = TypeAdapter(VersionRecord)


def versions_on_disk(model_dir: Path) -> list[int]:
    """Returns the numbers of the versions, ascending: of directories that are named as `publish` names them.

    Serving also takes others for versions, such as `0` and `007`. Whoever made them has to look after them.
    """
    return sorted(version for version, entry in _numbered(model_dir).items() if entry.is_dir())


def _numbered(model_dir: Path) -> dict[int, Path]:
    entries = model_dir.iterdir() if model_dir.is_dir() else ()
    numbered = {int(entry.name): entry for entry in entries if _VERSION.fullmatch(entry.name)}
    return {number: entry for number, entry in numbered.items() if number <= _MAX_VERSION}


def next_version(model_dir: Path) -> int:
    """Returns the number of the version to come, which nothing in the directory has, be it a file or a broken link.

    Raises:
      PublicationError: numbers are used up.
    """
    newest = max(_numbered(model_dir), default=0)
    if newest == _MAX_VERSION:
        raise PublicationError(f"version {newest} has the highest number there can be; remove it by hand")
    return newest + 1


def read_version(model_dir: Path, version: int) -> VersionRecord:
    """Reads what there is to know of a version.

    Raises:
      ModelVersionNotFoundError: there is no such version.
    """
    require_version(model_dir, version)
    try:
        text = (model_dir / str(version) / MODEL_CARD).read_text()
        card = json.loads(text)
        return _RECORD.validate_python(
            {
                "version": version,
                "architecture": card["architecture"],
                "fingerprint": card["training_data"]["fingerprint"],
                "parent": card["parent_version"],
                "lineage": card.get("lineage", [card["parent_version"]] if card["parent_version"] else []),
                "created": card["created"],
                "evaluation": card["metrics"]["test"],
                "card": text,
            }
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return VersionRecord(version)


def read_versions(model_dir: Path, versions: Iterable[int]) -> list[VersionRecord]:
    """Reads what there is to know of versions, but of those that have gone meanwhile."""
    records = []
    for version in versions:
        with suppress(ModelVersionNotFoundError):
            records.append(read_version(model_dir, version))
    return records


def read_report(model_dir: Path, version: int) -> bytes:
    """Reads the report of the training that made a version: an HTML page.

    Raises:
      ModelVersionNotFoundError: there is no such version.
      ModelReportNotFoundError: it came without a report, or with one that cannot be read.
    """
    require_version(model_dir, version)
    try:
        return (model_dir / str(version) / REPORT).read_bytes()
    except FileNotFoundError as err:
        raise ModelReportNotFoundError(
            f"version {version} came without a report; a version that a retraining job makes has one"
        ) from err
    except OSError as err:
        raise ModelReportNotFoundError(f"the report of version {version} cannot be read: {err.strerror}") from err


def lineage(model_dir: Path, parent: int) -> list[int]:
    """Returns a version, the one that was stable before it, and so on, as far as model cards tell; 0 has none."""
    if parent == 0:
        return []
    (record,) = read_versions(model_dir, [parent]) or [VersionRecord(parent)]
    return [parent, *record.lineage]


def require_version(model_dir: Path, version: int) -> None:
    """Raises ModelVersionNotFoundError where there is no such version."""
    if not (0 < version <= _MAX_VERSION and (model_dir / str(version)).is_dir()):
        raise ModelVersionNotFoundError(f"version {version} does not exist; the list of versions tells which do")


def published_by(model_dir: Path, operation_id: str) -> int:
    """Returns the version that a job has published; 0 where it has not."""
    for record in read_versions(model_dir, versions_on_disk(model_dir)):
        if record.card and json.loads(record.card).get("operation_id") == operation_id:
            return record.version
    return 0


def unfinished_dir(model_dir: Path, operation_id: str) -> Path:
    """Returns where the version of a job lies until it is whole; nothing stays there unless the job is killed."""
    return model_dir / f"{UNFINISHED}{operation_id}"


def remove_unfinished(model_dir: Path, going_on: Collection[str]) -> None:
    """Removes what killed publications left, except for those by hand, which may be at work.

    Args:
      model_dir: of the versions.
      going_on: operation ids of jobs that go on; theirs stay too.
    """
    for unfinished in model_dir.glob(f"{UNFINISHED}*"):
        if unfinished.name.removeprefix(UNFINISHED) not in {BY_HAND, *going_on}:
            shutil.rmtree(unfinished, ignore_errors=True)


def surplus(on_disk: Collection[int], needed: Collection[int], retained: int) -> list[int]:
    """Returns the versions to remove, oldest first, so that `retained` are left.

    Those that are needed stay, and so does the newest: it may be about to become stable, and the next
    number is counted from it.
    """
    removable = [version for version in sorted(on_disk)[:-1] if version not in needed]
    return removable[: max(0, len(on_disk) - retained)]


def remove_version(model_dir: Path, version: int) -> None:
    """Removes a version. It goes in one step: nobody who looks for versions finds half of one.

    Files of it that cannot be removed, as of another user, stay hidden, and the log tells of them.

    Raises:
      OSError: it stays a version.
    """
    doomed = model_dir / f"{_REMOVED}{version}"
    _clear(doomed)
    (model_dir / str(version)).rename(doomed)
    _clear(doomed)


def finish_removals(model_dir: Path) -> None:
    """Removes what remove_version left where it was killed, or could not remove all."""
    for doomed in model_dir.glob(f"{_REMOVED}*"):
        _clear(doomed)


def _clear(doomed: Path) -> None:
    remove(doomed)
    if doomed.exists():
        told = {"directory": doomed.name, "problem": "they belong to another user, or lie in read-only directories"}
        _logger.warning("files of a removed version stay on disk", extra=told)
