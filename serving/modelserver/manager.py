"""Loads and unloads versions, so that an available version is only given up for another one."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.modelserver.errors import CancelledError, InternalError, NotFoundError, ServingError
from serving.modelserver.fingerprint import fingerprint
from serving.modelserver.memory import release_memory
from serving.modelserver.servable import Servable
from serving.modelserver.states import ManagerState, ServableStateMonitor

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed load is tried again."""

    max_num_load_retries: int
    """Tries after the first."""
    interval_s: float


@dataclass(slots=True, eq=False)
class _Harness:
    """One life of a version, from START to END."""

    name: str
    version: int
    path: Path
    aspired: bool = True
    """Given up, it may be wanted again only while it serves, and from the same path; else a next life begins."""
    state: ManagerState = ManagerState.START
    failures: int = 0
    error: ServingError | None = None
    """Of the last try."""
    retry_at: float = 0.0
    changed: bool = False
    """Whether the directory has changed since the last try: then one more follows, which does not count."""
    seen: int = 0
    """Fingerprint of the directory when the last try began."""
    failed: bool = False
    servable: Servable | None = None


class AspiredVersionsManager:
    """Brings the versions in memory to those that are aspired.

    State changes happen in `step`, or in a load or unload that it started, always under one lock: who finds
    a version AVAILABLE under that lock and holds it has it until they let go.

    Args:
      load: loads a version of a model from a directory, or raises ServingError.
      monitor: is told of every state.
      retries: of loads that failed.
      loading: where loads run.
      unloading: where unloads run.
      on_change: called when a load or unload has ended, so that the next `step` need not wait for its time.
    """

    def __init__(
        self,
        load: Callable[[str, int, Path], Servable],
        monitor: ServableStateMonitor,
        retries: RetryPolicy,
        loading: Executor,
        unloading: Executor,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._load = load
        self._monitor = monitor
        self._retries = retries
        self._loading = loading
        self._unloading = unloading
        self._on_change = on_change
        self._lock = threading.RLock()
        self._aspired: dict[str, Mapping[int, Path]] = {}
        self._harnesses: dict[str, dict[int, _Harness]] = {}

    @contextmanager
    def servable(self, name: str, version: int | None = None) -> Iterator[Servable]:
        """The version, or the largest available one, held alive for the length of the `with` block.

        Raises:
          NotFoundError: it is not available.
        """
        with self._lock:
            available = self._available(name, version)
            if not available:
                request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise NotFoundError(f"Servable not found for request: {request}")
            servable = max(available, key=_version).servable
            assert servable is not None  # noqa: S101 AVAILABLE and having a servable are one assignment
            servable.acquire()
        try:
            yield servable
        finally:
            servable.release()

    def is_available(self, name: str, version: int | None = None) -> bool:
        """Whether requests to that version, or to any, are served now."""
        with self._lock:
            return bool(self._available(name, version))

    def _available(self, name: str, version: int | None = None) -> list[_Harness]:
        """Those that are, of all versions of a model or of one. To be called under the lock."""
        harnesses = self._harnesses.get(name, {}).values()
        return [h for h in harnesses if h.state is ManagerState.AVAILABLE and version in {None, h.version}]

    def set_aspired(self, aspired: Mapping[str, Mapping[int, Path]]) -> None:
        """Says which versions of these models should be served from now on. `step` acts on it."""
        with self._lock:
            for name, paths in aspired.items():
                self._aspire(name, paths)
            harnesses = [harness for name in aspired for harness in self._harnesses[name].values()]
        for harness in harnesses:
            if harness.aspired and harness.failures and harness.servable is None:
                self._try_again_if_changed(harness, aspired[harness.name][harness.version])

    def keep_only(self, names: Collection[str]) -> None:
        """Gives up all versions of all other models. `step` acts on it."""
        with self._lock:
            for name in self._aspired.keys() - names:
                self._aspire(name, {})

    def _aspire(self, name: str, paths: Mapping[int, Path]) -> None:
        self._aspired[name] = paths
        for harness in self._harnesses.setdefault(name, {}).values():
            path = paths.get(harness.version)
            if path and path != harness.path and harness.state is ManagerState.AVAILABLE and not harness.aspired:
                self._unload(harness)  # it bridges no gap: its own next life waits for it
            harness.aspired = path is not None and (harness.aspired or harness.state is ManagerState.AVAILABLE)
            harness.failed = harness.failed and harness.aspired  # one that comes back begins anew

    def _try_again_if_changed(self, harness: _Harness, path: Path) -> None:
        """The original retries blindly, then never again while the directory stays.

        Files that arrived or were repaired since are reason enough to try at once.
        """
        if harness.seen == fingerprint(path):  # not under the lock: predictions would wait for the disk
            return
        with self._lock:
            harness.changed = True
            harness.path = path
            harness.failed = False  # so that one that was given up begins anew

    def step(self) -> None:
        """Starts what is due: loads, retries, unloads. Returns at once."""
        with self._lock:
            for name, paths in self._aspired.items():
                versions = self._harnesses[name]
                for harness in [*versions.values()]:
                    if harness.state is ManagerState.END and not harness.failed:
                        del versions[harness.version]
                for version in paths.keys() - versions.keys():
                    versions[version] = _Harness(name, version, paths[version])
                    self._monitor.publish(name, version, ManagerState.START)
                for harness in sorted(versions.values(), key=_version, reverse=True):
                    if harness.state is ManagerState.START:
                        self._start(harness)
                self._unload_unneeded(name)

    def _start(self, harness: _Harness) -> None:
        if not harness.aspired:
            self._end(harness, harness.error)
        elif harness.changed or harness.retry_at <= time.monotonic():
            harness.state = ManagerState.LOADING
            self._loading.submit(self._load_one, harness)

    def _unload_unneeded(self, name: str) -> None:
        """The policy: an unwanted version goes once a wanted one is available, or if none is wanted."""
        available = self._available(name)
        unwanted = sorted((h for h in available if not h.aspired), key=_version)
        if self._aspired[name] and not any(h.aspired for h in available):
            unwanted = unwanted[:-1]  # the highest one bridges the gap
        for harness in unwanted:
            self._unload(harness)

    def _load_one(self, harness: _Harness) -> None:
        """One try, in a load thread. Until one was free, the version was told as START."""
        with self._lock:
            if not harness.aspired:
                self._end(harness, harness.error or CancelledError("Loading of servable cancelled"))
                self._on_change()
                return
            counts, harness.changed = harness.retry_at <= time.monotonic(), False
            self._monitor.publish(harness.name, harness.version, ManagerState.LOADING)
        servable = self._servable_or_error(harness)
        with self._lock:
            if isinstance(servable, ServingError):
                self._failed(harness, servable, counts=counts)
            elif harness.aspired:
                harness.servable = servable
                harness.state = ManagerState.AVAILABLE
                _log.info("Successfully loaded servable version {name: %s version: %d}", harness.name, harness.version)
                self._monitor.publish(harness.name, harness.version, ManagerState.AVAILABLE)
            else:
                servable.engine.close()
                self._end(harness, CancelledError("Loading of servable cancelled"))
        self._on_change()

    def _servable_or_error(self, harness: _Harness) -> Servable | ServingError:
        _log.info("Loading servable version {name: %s version: %d}", harness.name, harness.version)
        harness.seen = fingerprint(harness.path)
        try:
            return self._load(harness.name, harness.version, harness.path)
        except ServingError as err:
            return err
        except Exception as err:  # noqa: BLE001 whatever a broken version does, it must reach END
            _log.exception("Loading {name: %s version: %d} failed unexpectedly", harness.name, harness.version)
            problem = err.strerror if isinstance(err, OSError) else None  # the rest of it may hold paths
            return InternalError(f"{problem or type(err).__name__} while loading")

    def _failed(self, harness: _Harness, error: ServingError, *, counts: bool) -> None:
        harness.error = error
        if counts:
            harness.failures += 1
            harness.retry_at = time.monotonic() + self._retries.interval_s
        _log.error(
            "Loading servable {name: %s version: %d} failed (try %d of %d): %s",
            harness.name, harness.version, harness.failures, self._retries.max_num_load_retries + 1, error,
        )  # fmt: skip
        if harness.failures > self._retries.max_num_load_retries:
            harness.failed = True
            self._end(harness, error)
        else:
            harness.state = ManagerState.START

    def _unload(self, harness: _Harness) -> None:
        servable = harness.servable
        assert servable is not None  # noqa: S101 only what is AVAILABLE is unloaded
        self._monitor.publish(harness.name, harness.version, ManagerState.UNLOADING)
        harness.state = ManagerState.UNLOADING
        harness.servable = None

        def close() -> None:
            servable.engine.close()
            release_memory()
            _log.info("Unloaded servable version {name: %s version: %d}", harness.name, harness.version)
            with self._lock:
                self._end(harness, None)
            self._on_change()

        servable.when_idle(lambda: self._unloading.submit(close))

    def _end(self, harness: _Harness, error: ServingError | None) -> None:
        harness.state = ManagerState.END
        self._monitor.publish(harness.name, harness.version, ManagerState.END, error)


def _version(harness: _Harness) -> int:
    return harness.version
