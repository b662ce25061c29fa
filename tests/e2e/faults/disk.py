"""A small file system that can be filled; `conftest.py` loads it."""

import subprocess
from pathlib import Path

_SIZE = "80m"
_BLOCK = bytes(2**16)


class Disk:
    """A file system of its own, in a mount namespace of its own, which goes with the process that holds it.

    Attributes:
      mount_point: where those see it that run within.
      path: where we do.
      within: command that runs others there.
    """

    def __init__(self, mount_point: Path) -> None:
        self.mount_point = mount_point
        mount = f"mount -t tmpfs -o size={_SIZE} tmpfs {mount_point} && echo mounted && exec cat"
        self._holder = subprocess.Popen(
            ["/usr/bin/env", "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        self.is_mounted = self._holder.stdout.readline() == "mounted\n"
        pid = self._holder.pid
        self.path = Path(f"/proc/{pid}/root{mount_point}")
        self.within = ("nsenter", f"--target={pid}", "--user", "--mount", "--preserve-credentials")

    def fill(self) -> None:
        with (self.path / "filling").open("wb", buffering=0) as file:
            try:
                while file.write(_BLOCK):
                    pass
            except OSError:
                return

    def free(self) -> None:
        (self.path / "filling").unlink(missing_ok=True)

    def close(self) -> None:
        self._holder.communicate()
