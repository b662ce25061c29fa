"""API keys: long random words, of which the service knows only the hashes."""

import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gateway.auth.identity import Identity, is_name
from gateway.auth.rights import Right
from gateway.telemetry.metrics import note_files
from transport.watched import UnusableFileError, Watched

_PREFIX = "bt_"
"""By which a key is known where it was left lying about. No dot in it, nor in what follows: that is a JWT."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: str
    identity: Identity


class ApiKeys:
    """The keys of a file, which is followed: a line that goes is a key that is no more.

    A line is a name, the key's SHA-256 in hex and the rights with commas between them; "#" begins a comment. Keys
    have 256 random bits, so that a plain hash is as good as a slow one. A name may have several keys.

    Raises:
      UnusableFileError: the file cannot be read as that.
    """

    def __init__(self, path: Path) -> None:
        self._entries = Watched([path], lambda: _read(path), note_files)

    def find(self, key: str) -> Identity | None:
        """Returns whose key that is; None where it is nobody's. Takes as long for the one as for the other."""
        digest, found = _digest(key), None
        for entry in self._entries.get():
            if hmac.compare_digest(entry.digest, digest):
                found = entry.identity
        return found


def new_key(name: str, rights: Collection[Right]) -> tuple[str, str]:
    """Returns a new key, and the line for it.

    Raises:
      ValueError: that can be no name.
    """
    if not is_name(name) or name.startswith("#"):
        raise ValueError(f"{name!r} is no name: it takes up to 128 visible ASCII characters, the first of them no #")
    key = _PREFIX + secrets.token_urlsafe(32)
    return key, f"{name} {_digest(key)} {','.join(sorted(rights))}"


def parse_rights(text: str) -> frozenset[Right]:
    """Returns the rights in a list with commas.

    Raises:
      ValueError: one of them is none.
    """
    rights = text.split(",")
    for right in rights:
        if right not in set(Right):
            raise ValueError(f"{right!r} is no right; the rights are {', '.join(Right)}")
    return frozenset(map(Right, rights))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _read(path: Path) -> tuple[_Entry, ...]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as err:
        raise UnusableFileError(f"{path} is no text") from err
    numbered = ((number, line.partition(" #")[0].split()) for number, line in enumerate(lines, 1))
    entries = [_entry(path, number, words) for number, words in numbered if words and not words[0].startswith("#")]
    for digest, times in Counter(entry.digest for entry in entries).items():
        if times > 1:
            raise UnusableFileError(f"{path}: {times} lines have the hash {digest[:8]}…; a key is one caller's")
    return tuple(entries)


def _entry(path: Path, number: int, words: list[str]) -> _Entry:
    try:
        name, digest, rights = words
        if not is_name(name) or not _DIGEST.fullmatch(digest):
            raise ValueError
        return _Entry(digest, Identity(name, parse_rights(rights)))
    except ValueError:
        # Not what it says: it may be a key where its hash should be.
        raise UnusableFileError(f"{path}: line {number} is not: name, SHA-256 in hex, rights") from None
