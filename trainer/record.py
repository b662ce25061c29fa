"""Dataclasses of figures as JSON files in a run directory."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter

from trainer.durable import replace_files
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


def write_record(path: Path, record: Record) -> None:
    """Writes a record whole or not at all; once it is there, a crash of the machine leaves it."""
    replace_files({path: json.dumps(dataclasses.asdict(record), indent=1) + "\n"})


def read_record(path: Path, kind: type[Record]) -> Record:
    """Reads what write_record wrote; raises TrainerError where it is missing or another kind."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except (OSError, ValueError) as err:  # pydantic's errors are ValueErrors
        raise TrainerError(f"{path.name} is missing or damaged; run the step before this one") from err
