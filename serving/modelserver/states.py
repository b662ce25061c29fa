"""States of versions, and the record of them that clients see."""

import enum
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from serving.modelserver.errors import ServingError


class ManagerState(enum.IntEnum):
    """Life of a version, only ever forward. Numbers as in `ModelVersionStatus.State`."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True)
class ServableState:
    """Where a version is; with an error only at the end, if it failed to load."""

    state: ManagerState
    error: ServingError | None = None


class ServableStateMonitor:
    """The last state of every version ever seen: versions that ended stay, as in the original."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._states: dict[str, dict[int, tuple[int, ServableState]]] = {}
        self._clock = 0

    def publish(self, name: str, version: int, state: ManagerState, error: ServingError | None = None) -> None:
        """Records a change and wakes who waits for it."""
        with self._changed:
            self._clock += 1
            states = self._states.setdefault(name, {})
            began = self._clock if state is ManagerState.START else states[version][0]
            states[version] = (began, ServableState(state, error))
            self._changed.notify_all()

    def versions(self, name: str) -> dict[int, ServableState]:
        """Every version of a model, newest first; empty for a model never seen."""
        with self._changed:
            states = self._states.get(name, {})
            return {version: states[version][1] for version in sorted(states, reverse=True)}

    def is_known(self, name: str) -> bool:
        """Whether any version of the model was ever seen."""
        return name in self._states

    @property
    def now(self) -> int:
        """A point in the order of changes, for `settled`."""
        with self._changed:
            return self._clock

    def settled(self, name: str, since: int) -> tuple[int, ServableState] | None:
        """The newest version that is available, or, where none is or may still be, the newest that failed; else None.

        Only lives that began after a point in time count. The original ends the wait with the first one that fails.
        """
        with self._changed:
            states = self._states.get(name, {})
            lives = [(version, state) for version, (began, state) in sorted(states.items()) if began > since]
        available = [life for life in lives if life[1].state is ManagerState.AVAILABLE]
        if not available and any(state.state < ManagerState.AVAILABLE for _, state in lives):
            return None
        return next(reversed(available or [life for life in lives if life[1].error]), None)

    def wait_until_settled(
        self, names: Iterable[str], since: int, timeout_s: float
    ) -> dict[str, tuple[int, ServableState]] | None:
        """Waits until each model is settled.

        Returns:
          For each model that version and its state, or None if the time ran out.
        """

        def all_settled() -> bool:
            return all(self.settled(name, since) for name in names)

        with self._changed:
            if not self._changed.wait_for(all_settled, timeout_s):
                return None
            return {name: found for name in names if (found := self.settled(name, since))}
