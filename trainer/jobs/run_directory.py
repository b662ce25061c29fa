"""The directory of one training: records of finished steps, checkpoint, log, and the lock of who works in it."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from trainer.durable import take_lock
from trainer.errors import TrainerError

LOG = "log.txt"
"""What the job's process says on stderr."""

CANDIDATE = "candidate"
"""The SavedModel."""

CHECKPOINT = "checkpoint"
"""The weights of the last epochs, hundreds of megabytes. It is removed once the training is recorded."""

TRAINING = "training.json"
"""How it was fitted."""

_OF_JOB = re.compile("[0-9a-f]{32}")
_LOCK = "lock"
_KEPT = {LOG, "tensorboard"}
_EVICTION_TIMEOUT_S = 10.0
_POLL_S = 0.02


def of_jobs(runs_dir: Path) -> list[Path]:
    """Returns the directories that jobs have left, whether or not anybody knows these jobs.

    They go by their names. Others, such as the `lost+found` of a disk of its own, are nobody's.
    """
    return [entry for entry in runs_dir.glob("*") if _OF_JOB.fullmatch(entry.name)]


def hold(run_dir: Path, *, wait: bool = False) -> IO[str]:
    """Makes the calling process the one that works in a directory, for as long as the returned file is open.

    Args:
      run_dir: which is there.
      wait: for as long as another process does.

    Raises:
      TrainerError: another process does.
    """
    lock = (run_dir / _LOCK).open("a")
    if wait:
        fcntl.flock(lock, fcntl.LOCK_EX)
    elif not take_lock(lock):
        lock.close()
        raise TrainerError(f"another process works in {run_dir.name}; wait for its end")
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def beside(run_dir: Path) -> tuple[Path, Path]:
    """Returns the directories that come and go beside one that is `renewed`: unfinished, and replaced."""
    return run_dir.with_name(f"{run_dir.name}.unfinished"), run_dir.with_name(f"{run_dir.name}.replaced")


@contextlib.contextmanager
def renewed(run_dir: Path) -> Iterator[Path]:
    """Replaces a directory as a whole, once the block has ended without an error; else it stays as it was.

    Yields:
      An empty directory beside it, `<name>.unfinished`, to fill. After an error only its log and curves are kept.

    Raises:
      TrainerError: another process fills that already.
    """
    unfinished, replaced = beside(run_dir)
    unfinished.mkdir(parents=True, exist_ok=True)
    with hold(unfinished):
        if replaced.exists() and not run_dir.exists():
            replaced.rename(run_dir)  # a kill came between the two below
        _clear(unfinished, {_LOCK})
        try:
            yield unfinished
            remove(replaced)
            if run_dir.exists():
                with hold(run_dir, wait=True):  # somebody may publish it
                    run_dir.rename(replaced)
        except BaseException:
            prune(unfinished)
            with contextlib.suppress(OSError):  # there are curves
                unfinished.rmdir()
            raise
        unfinished.rename(run_dir)
        remove(replaced)


@contextlib.contextmanager
def in_use(run_dir: Path) -> Iterator[None]:
    """Keeps a directory as it is: what `renewed` makes takes its place afterwards.

    Raises:
      TrainerError: there is none, or another process works in it.
    """
    if not run_dir.exists():
        raise TrainerError("nothing has been trained yet; run: python -m trainer train")
    with hold(run_dir):
        yield


def evict(run_dir: Path) -> None:
    """Ends whoever works in a directory, with all its process group. Blocks until it is gone.

    Raises:
      TrainerError: it does not go.
    """
    if not (run_dir / _LOCK).exists():
        return
    deadline = time.monotonic() + _EVICTION_TIMEOUT_S
    with (run_dir / _LOCK).open() as lock:
        while not take_lock(lock):
            lock.seek(0)
            holder = lock.read()
            if holder:  # empty for the moment between lock and number
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(holder), signal.SIGKILL)
            if time.monotonic() > deadline:
                raise TrainerError(f"process {holder} still works on a job that was broken off; end it")
            time.sleep(_POLL_S)


def prune(run_dir: Path) -> None:
    """Leaves of an ended job what people may want to look at: the log, and the curves for TensorBoard."""
    if run_dir.is_dir():
        _clear(run_dir, _KEPT)


def remove(path: Path) -> None:
    """Removes a file or a tree, as far as it can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _clear(directory: Path, kept: set[str]) -> None:
    for entry in directory.iterdir():
        if entry.name not in kept:
            remove(entry)
