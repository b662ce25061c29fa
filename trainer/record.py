"""Dataclasses of figures as JSON files in a run directory."""

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from trainer.errors import TrainerError
from trainer.evaluate import Evaluation
from trainer.train import EpochMetrics, Training

Record = TypeVar("Record", Training, Evaluation)


def write_record(path: Path, record: Training | Evaluation) -> None:
    """Writes a record whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(dataclasses.asdict(record), indent=1) + "\n")
    unfinished.replace(path)


def read_record(path: Path, kind: type[Record]) -> Record:
    """Reads what write_record wrote; raises TrainerError where it is missing or another kind."""
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
        if "history" in fields:
            fields["history"] = [EpochMetrics(**entry) for entry in fields["history"]]
        return kind(**fields)
    except (OSError, ValueError, TypeError) as err:
        raise TrainerError(f"{path.name} is missing or damaged; run the step before this one") from err
