"""One loaded version of a model, held alive by the requests that use it."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from serving.modelserver.engine import Engine


class Servable:
    """Signatures and engine of a version, and how many requests are using them."""

    def __init__(self, name: str, version: int, signatures: Mapping[str, Any], engine: Engine) -> None:
        self.name = name
        self.version = version
        self.signatures = signatures
        self.engine = engine
        self._lock = threading.Lock()
        self._requests = 0
        self._on_idle: Callable[[], object] | None = None

    def acquire(self) -> None:
        """Holds the version alive until `release`. Never after `when_idle`: the manager's lock sees to it."""
        with self._lock:
            self._requests += 1

    def release(self) -> None:
        """The counterpart of `acquire`."""
        with self._lock:
            self._requests -= 1
            on_idle = self._on_idle if self._requests == 0 else None
        if on_idle:
            on_idle()

    def when_idle(self, callback: Callable[[], object]) -> None:
        """Calls back once, when the last request has gone; at once if there is none. No new request may come."""
        with self._lock:
            self._on_idle = callback
            idle = self._requests == 0
        if idle:
            callback()
