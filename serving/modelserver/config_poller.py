"""Re-reads the model config file while the server runs."""

import logging
import threading
from pathlib import Path

from serving.modelserver.config import parse_config_file
from serving.modelserver.errors import ServingError
from serving.modelserver.server_core import ServerCore

_log = logging.getLogger(__name__)


def poll_config(core: ServerCore, path: Path) -> None:
    """Applies the file as it is now. One that does not parse or is refused is logged, and changes nothing.

    While a reload waits for its models this does nothing: the next poll reads the file again.
    """
    try:
        # New models are not waited for: one that has no version yet must not hold up the next change.
        core.apply_unless_reloading(parse_config_file(path))
    except ServingError as err:
        _log.error("Reloading %s failed: %s", path, err.message)


def start_polling(core: ServerCore, path: Path, wait_s: float, stopping: threading.Event) -> None:
    """Polls in a thread of its own, until told to stop."""

    def loop() -> None:
        while not stopping.wait(wait_s):
            poll_config(core, path)

    threading.Thread(target=loop, name="config", daemon=True).start()
