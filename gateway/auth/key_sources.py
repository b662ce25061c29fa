"""Where public keys come from."""

from pathlib import Path
from typing import Protocol

from gateway.auth.signing_keys import SigningKey, parse_keys
from gateway.telemetry.metrics import note_files
from transport.watched import Watched


class KeySource(Protocol):
    """Public keys that change now and then."""

    async def current(self) -> tuple[SigningKey, ...]:
        """Returns the keys: the same object until they have changed."""

    async def renewed(self) -> tuple[SigningKey, ...]:
        """Returns the keys after another look at them, for a token whose key is not among them."""


class KeyFile:
    """Keys of a file, which is followed."""

    def __init__(self, path: Path) -> None:
        self._keys = Watched([path], lambda: parse_keys(path.read_bytes(), str(path)), note_files)

    async def current(self) -> tuple[SigningKey, ...]:
        """Returns the keys."""
        return self._keys.get()

    renewed = current
