"""The heart of the server: which models are configured, which versions serve, what their labels mean."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving.modelserver import config as model_config
from serving.modelserver.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ServingError,
)
from serving.modelserver.manager import AspiredVersionsManager
from serving.modelserver.servable import Servable
from serving.modelserver.source import aspired_versions
from serving.modelserver.states import ServableState, ServableStateMonitor
from tfserving_api.messages import ModelServerConfig

_log = logging.getLogger(__name__)

_WAIT_SLICE_S = 0.2


class ServerCore:
    """Joins configuration, version source, manager and labels. `step` drives it.

    Args:
      manager: loads and unloads.
      monitor: is told of what it does.
      poll_wait_s: seconds between looks at the base paths; 0 is once per config, negative never.
      allow_labels_for_unavailable: whether a new label may lead to a version that is not loaded.
      on_change: called when a config was applied, so that the next `step` need not wait for its time.
    """

    def __init__(
        self,
        manager: AspiredVersionsManager,
        monitor: ServableStateMonitor,
        poll_wait_s: float,
        *,
        allow_labels_for_unavailable: bool = False,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._manager = manager
        self._monitor = monitor
        self._poll_wait_s = poll_wait_s
        self._allow_labels_for_unavailable = allow_labels_for_unavailable
        self._on_change = on_change
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._config = ModelServerConfig()
        self._labels: dict[str, dict[str, int]] = {}
        self._next_poll = 0.0

    def step(self) -> None:
        """Looks for versions if it is time, and starts the loads and unloads that are due."""
        with self._lock:
            if self._config.WhichOneof("config") and time.monotonic() >= self._next_poll and self._poll_wait_s >= 0:
                self._next_poll = time.monotonic() + self._poll_wait_s if self._poll_wait_s else float("inf")
                self._poll()
        self._manager.step()

    def _poll(self) -> None:
        try:
            self._manager.set_aspired(aspired_versions(self._config.model_config_list.config))
        except NotFoundError as err:
            _log.error("FileSystemStoragePathSource encountered a file-system access error: %s", err.message)

    def reload(self, new_config: Any, keep_waiting: Callable[[], bool]) -> None:
        """Applies a ModelServerConfig, and waits for its new models. One reload at a time: the next would cancel them.

        Args:
          new_config: the ModelServerConfig.
          keep_waiting: asked a few times a second; what it raises ends the wait too.

        Raises:
          ServingError: it is refused, and nothing has changed; or UNKNOWN, new models failed to load.
          DeadlineExceededError: `keep_waiting` said no.
        """
        while not self._reloading.acquire(timeout=_WAIT_SLICE_S):
            if not keep_waiting():
                raise DeadlineExceededError("Gave up waiting for the reload before this one")
        try:
            added, since = self.apply(new_config)
            self.await_models(added, since, "model(s)", keep_waiting)
        finally:
            self._reloading.release()

    def apply_file(self, path: Path) -> None:
        """Applies a config file as it is now. One that does not parse or is refused is logged, and changes nothing.

        While a `reload` waits for its models this does nothing: the next look reads the file again. New models are not
        waited for: one that has no version yet must not hold up the next change.
        """
        if self._reloading.acquire(blocking=False):
            try:
                self.apply(model_config.parse_config_file(path))
            except ServingError as err:
                _log.error("Reloading %s failed: %s", path, err.message)
            finally:
                self._reloading.release()

    def apply(self, new_config: Any) -> tuple[frozenset[str], int]:
        """Puts a ModelServerConfig in the place of the current one, at once and as a whole.

        Returns:
          The names of models that were not configured before, and the point in time for `await_models`.

        Raises:
          ServingError: it is refused, and nothing has changed.
        """
        with self._lock:
            model_config.validate_kind(new_config, self._config)
            if not new_config.WhichOneof("config"):
                _log.info("Taking no action for empty config.")
                return frozenset(), self._monitor.now
            new, old = new_config.model_config_list.config, self._config.model_config_list.config
            model_config.validate(new, old)
            labels = {config.name: self._new_labels(config) for config in new}
            model_config.validate_platforms(new)
            added = frozenset(config.name for config in new) - {config.name for config in old}
            since = self._monitor.now
            if list(new) != list(old):
                self._next_poll = 0.0
            self._config = ModelServerConfig.FromString(new_config.SerializeToString())
            self._labels = labels
            # Not by the next poll: where one base path is gone, a poll changes nothing.
            self._manager.keep_only(labels.keys())
            self._manager.step()  # at once: a model that comes back is another one, maybe of other files
        self._on_change()
        return added, since

    def _new_labels(self, config: Any) -> dict[str, int]:
        current = self._labels.get(config.name, {})
        for label, version in config.version_labels.items():
            unchanged_or_new = current.get(label, version) == version
            if self._allow_labels_for_unavailable and unchanged_or_new:
                continue
            if not self._manager.is_available(config.name, version):
                raise FailedPreconditionError(
                    f"Request to assign label to version {version} of model {config.name}, "
                    "which is not currently available for inference"
                )
        return dict(config.version_labels)

    def await_models(self, names: frozenset[str], since: int, noun: str, keep_waiting: Callable[[], bool]) -> None:
        """Waits, without limit of its own, until each model has a version that is available, or all of it have failed.

        Args:
          names: models to wait for.
          since: from `apply`.
          noun: what the error calls them.
          keep_waiting: asked a few times a second; what it raises ends the wait too.

        Raises:
          ServingError: UNKNOWN, some failed to load.
          DeadlineExceededError: `keep_waiting` said no.
        """
        settled = None
        while settled is None:
            if not keep_waiting():
                raise DeadlineExceededError(f"Gave up waiting for {', '.join(sorted(names))}")
            settled = self._monitor.wait_until_settled(names, since, _WAIT_SLICE_S)
        failures = [
            f"{{{{name: {name} version: {version}}} due to error: {state.error.status_string()}}}, "
            for name, (version, state) in sorted(settled.items())
            if state.error
        ]
        if failures:
            raise ServingError(f"{len(failures)} {noun} did not become available: {{{''.join(failures)}}}")

    @contextmanager
    def servable(self, model_spec: Any) -> Iterator[Servable]:
        """The version that a ModelSpec asks for, held alive for the length of the `with` block.

        Raises:
          InvalidArgumentError: no name, or a label that no version has.
          NotFoundError: the version is not available.
        """
        if not model_spec.name:
            raise InvalidArgumentError("ModelSpec has no name specified.")
        choice = model_spec.WhichOneof("version_choice")
        version = None
        if choice == "version":
            version = model_spec.version.value
        elif choice == "version_label":
            version = self._labels.get(model_spec.name, {}).get(model_spec.version_label)
            if version is None:
                raise InvalidArgumentError(f"Unrecognized servable version label: {model_spec.version_label}")
        with self._manager.servable(model_spec.name, version) as servable:
            yield servable

    def versions(self, name: str) -> dict[int, ServableState]:
        """Every version of a model ever seen, newest first."""
        return self._monitor.versions(name)

    def is_known(self, name: str) -> bool:
        """Whether any version of the model was ever seen."""
        return self._monitor.is_known(name)

    def all_available(self) -> bool:
        """Whether every configured model has a version that serves."""
        names = [config.name for config in self._config.model_config_list.config]
        return all(self._manager.is_available(name) for name in names)
