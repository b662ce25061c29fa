"""State of a training after its last finished epoch, so that it goes on after a crash."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from trainer.durable import replace_files, sync
from trainer.figures import EpochMetrics

_HISTORY = "history.json"


class Checkpoint:
    """Weights, optimizer and history on disk.

    One file of variables for the last epoch and one for the best. The history is written last, by a rename, and
    names neither: both follow from it. What a crash leaves beside them goes with the next epoch.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, network: Any, history: list[EpochMetrics]) -> None:
        """Keeps the state after `len(history)` epochs in place of the one before."""
        self._directory.mkdir(parents=True, exist_ok=True)
        np.savez(self._state(len(history)), *(variable.numpy() for variable in _variables(network)))
        sync(self._state(len(history)))
        replace_files({self._directory / _HISTORY: json.dumps([dataclasses.asdict(metrics) for metrics in history])})
        kept = {self._state(len(history)), self._state(best_epoch(history) + 1)}
        for path in set(self._directory.glob("*.npz")) - kept:
            path.unlink()

    def restore(self, network: Any) -> list[EpochMetrics]:
        """Brings a network, whose optimizer is built, to where the training stopped.

        Returns:
          Its history, empty for a new training.
        """
        try:
            entries = json.loads((self._directory / _HISTORY).read_text())
        except FileNotFoundError:
            return []
        self._load(network, len(entries))
        return [EpochMetrics(**entry) for entry in entries]

    def restore_best(self, network: Any, history: list[EpochMetrics]) -> None:
        """Loads the state of the epoch with the lowest val_loss."""
        self._load(network, best_epoch(history) + 1)

    def _load(self, network: Any, epoch: int) -> None:
        with np.load(self._state(epoch), allow_pickle=False) as arrays:
            for variable, name in zip(_variables(network), arrays.files, strict=True):
                variable.assign(arrays[name])

    def _state(self, epoch: int) -> Path:
        return self._directory / f"{epoch}.npz"


def best_epoch(history: list[EpochMetrics]) -> int:
    """Returns the index of the first epoch with the lowest val_loss."""
    return min(range(len(history)), key=lambda epoch: history[epoch].val_loss)


def _variables(network: Any) -> list[Any]:
    """All that changes while fitting: weights, statistics, random states, and those of the optimizer."""
    return [*network.variables, *network.optimizer.variables]
