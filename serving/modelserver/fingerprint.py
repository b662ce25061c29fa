"""Tells whether a directory has changed."""

import os
from pathlib import Path


def fingerprint(path: Path) -> int:
    """A number that changes when a file below the path is written, added, moved or removed."""
    entries: list[tuple[str, int, int]] = []
    for directory, _, files in os.walk(path):
        for name in ("", *files):
            entry = Path(directory, name)
            try:
                status = entry.stat()
            except OSError:
                continue  # removed as we look; the next poll sees it gone
            entries.append((str(entry), status.st_mtime_ns, status.st_size))
    return hash(tuple(sorted(entries)))
