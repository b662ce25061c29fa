"""Child processes: servers that say where they listen, and callers that answer with a measurement."""

import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measurement import Measurement

_READY_S = 120.0
_MEASURED_S = 300.0
_STOP_S = 30.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Server:
    """A running `python -m module`, once it has printed where it listens."""

    def __init__(self, process: "subprocess.Popen[str]", ready: re.Pattern[str]) -> None:
        self._process = process
        self._ready = ready
        self._listens = threading.Event()
        self.address = ""
        self.output: deque[str] = deque(maxlen=500)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # To the end, not only to the ready line: a full pipe would stop the process.
        assert self._process.stdout is not None  # noqa: S101 it is a pipe
        with self._process.stdout as lines:
            for line in lines:
                self.output.append(line)
                if not self.address and (found := self._ready.search(line)):
                    self.address = found[1]
                    self._listens.set()
        self._listens.set()

    def await_ready(self) -> None:
        """Waits until it listens; RuntimeError with its last words where it does not."""
        self._listens.wait(_READY_S)
        if not self.address:
            raise RuntimeError(f"{self._process.args!r} does not listen:\n{''.join([*self.output][-20:])}")

    def stop(self) -> None:
        """Ends the process: asks first, kills after a while."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def cpu_s(self) -> float:
        """Processor time so far, of the process and its children, in seconds."""
        return sum(_cpu_ticks(pid) for pid in _family(self._process.pid)) / _TICKS_PER_S

    def resident_mb(self) -> float:
        """Resident memory of the process and its children, in MB."""
        return sum(_resident_pages(pid) for pid in _family(self._process.pid)) * _PAGE_BYTES / 1e6


def core_set_apart() -> int | None:
    """Leaves a core to others: this process, and what it starts from now on, keeps away; None where it has only one."""
    cores = os.sched_getaffinity(0)
    if len(cores) == 1:
        return None
    core = min(cores)
    os.sched_setaffinity(0, cores - {core})
    return core


@contextmanager
def server(
    arguments: Sequence[str], ready: str, environment: Mapping[str, str] | None = None, core: int | None = None
) -> Iterator[Server]:
    """Runs `python -m` with these arguments for as long as the context lasts.

    Args:
      arguments: module and flags.
      ready: pattern of the line that says that it listens; its first group is the address.
      environment: variables beside those of this process.
      core: the only one that it runs on; None for those of this process.
    """
    process = subprocess.Popen(  # noqa: S603 our own modules
        [sys.executable, "-m", *arguments],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    running = Server(process, re.compile(ready))
    try:
        running.await_ready()
        yield running
    finally:
        running.stop()


def measure(module: str, *arguments: str) -> Measurement:
    """Runs `python -m module`, which prints its measurement as the last line."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_MEASURED_S)  # noqa: S603 our own modules
    if done.returncode != 0:
        raise RuntimeError(f"{command} failed:\n{done.stderr[-2000:]}")
    return Measurement.from_json(done.stdout.splitlines()[-1])


def await_true(condition: str, holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Waits for something that another process brings about."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{condition}: not within {timeout_s:.0f} s")
        time.sleep(0.05)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _cpu_ticks(pid: int) -> int:
    # Behind the name, which may hold blanks: fields 14 and 15 are user and system time (proc_pid_stat(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident_pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
