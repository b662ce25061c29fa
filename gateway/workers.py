"""Several gateway processes on one port: the parent that keeps them up, and a worker's entry."""

import asyncio
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop
from prometheus_client import Counter

from gateway.settings import Settings
from observability import logs
from observability.exposition import exposed, forget, of_processes
from transport.addresses import place_of, with_port
from transport.background import in_background
from transport.errors import CannotListenError
from transport.free_port import require_free
from transport.threads import TooFewThreadsError
from transport.watched import UnusableFileError

_PAUSE_S = 1.0
_KILL_MARGIN_S = 5.0
_SIGN_OF_LIFE_S = 1.0
_PATIENCE_S = 15.0
_MISSED = 2
"""So often without a sign of life for that long, and a worker hangs; once may be a machine that was asleep."""

_logger = logging.getLogger(__name__)


async def supervise(settings: Settings) -> int:
    """Runs `settings.workers` gateways until SIGTERM or SIGINT, with a new one in the place of each that dies or hangs.

    The kernel spreads connections over them (SO_REUSEPORT). Each is a fresh interpreter, never a fork. A worker
    whose parent is gone drains by itself, however the parent ended.

    Returns:
      Exit status: 0 after a drain, 1 where a worker could not even start.

    Raises:
      CannotListenError: a port is taken.
    """
    stop = asyncio.Event()
    deaths = Counter("braintumor_gateway_worker_deaths_total", "Workers that have died.", registry=None)
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    with (
        _reserved(settings.address) as address,
        _reserved(settings.health_address) if settings.health_address else nullcontext("") as health_address,
        # Each worker writes its metrics to files here, and they are read as those of one gateway.
        TemporaryDirectory(prefix="gateway-metrics-") as metrics,
        exposed(of_processes(Path(metrics), deaths), settings.metrics_address),
    ):
        of_workers = settings.model_copy(
            update={"address": address, "health_address": health_address, "metrics_address": ""}
        )
        return await _Supervisor(of_workers, stop, deaths, Path(metrics) if settings.metrics_address else None).run()


@contextmanager
def _reserved(address: str) -> Iterator[str]:
    """Holds a port for the workers, also when port 0 picked it, and yields its address.

    Raises:
      CannotListenError: somebody else has it.
    """
    # Other workers who listen there would share the port with ours, and half of the calls would be theirs.
    require_free(address)
    family, place = place_of(address)
    with socket.socket(family) as bound_and_not_listening:
        try:
            bound_and_not_listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound_and_not_listening.bind(place)
        except OSError as err:
            raise CannotListenError(address) from err
        yield with_port(address, bound_and_not_listening.getsockname()[1])


class _Supervisor:
    def __init__(self, settings: Settings, stop: asyncio.Event, deaths: Counter, metrics: Path | None) -> None:
        self._settings = settings
        self._stop = stop
        self._deaths = deaths
        self._metrics = metrics
        self._stopped = asyncio.create_task(stop.wait())
        self._listening = 0
        self._status = 0

    async def run(self) -> int:
        await asyncio.gather(*(self._keep_worker() for _ in range(self._settings.workers)))
        return self._status

    async def _keep_worker(self) -> None:
        listening = asyncio.Event()
        while not self._stop.is_set():
            try:
                process, words = await self._start_worker()
            except OSError as err:
                if not listening.is_set():
                    raise
                # Memory, processes or files are short for the moment, and the other workers go on.
                _logger.error("worker cannot be started", extra={"problem": err.strerror})
            else:
                await self._see_out(process, words, listening)
            await asyncio.wait([self._stopped], timeout=_PAUSE_S)

    async def _see_out(self, process: Process, words: asyncio.StreamReader, listening: asyncio.Event) -> None:
        """Returns when a worker has ended: died, or killed since it hangs, or drained."""
        ended = asyncio.create_task(process.wait())
        silent = asyncio.create_task(self._await_silence(words, listening))
        await asyncio.wait([ended, silent, self._stopped], return_when=asyncio.FIRST_COMPLETED)
        silent.cancel()
        if self._stop.is_set():
            await self._drain(process, ended)
            return
        if not ended.done() and not words.at_eof():
            _logger.error("worker hangs", extra={"pid": process.pid})
            _send(signal.SIGKILL, process)
        status = await ended
        if self._metrics is not None:
            forget(self._metrics, process.pid)
        self._deaths.inc()
        _logger.error("worker died", extra={"pid": process.pid, "status": status})
        if not listening.is_set():
            self._status = 1  # It would not fare better the next time.
            self._stop.set()

    async def _start_worker(self) -> tuple[Process, asyncio.StreamReader]:
        if self._metrics is not None:
            self._metrics.mkdir(exist_ok=True)  # Whoever tidies up temporary files may have taken it for one.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, stdin=PIPE, stdout=PIPE, env=self._environment()
        )
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        with suppress(RuntimeError):  # of uvloop, where it is dead already: whoever sees it out tells
            process.stdin.write(self._settings.model_dump_json().encode() + b"\n")
        return process, process.stdout

    async def _await_silence(self, words: asyncio.StreamReader, listening: asyncio.Event) -> None:
        """Returns when a worker shows no more signs of life; the one with text says that it listens."""
        missed, patience_s = 0, None  # Its start takes as long as it takes.
        while missed < _MISSED and not words.at_eof():
            try:
                async with asyncio.timeout(patience_s):
                    said = await words.readline()
            except TimeoutError:
                missed += 1
            else:
                missed, patience_s = 0, _PATIENCE_S
                if said.strip() and not listening.is_set():
                    listening.set()
                    self._count_listening()

    def _environment(self) -> dict[str, str]:
        # The library of metrics reads it when it is first imported.
        return dict(os.environ) | ({"PROMETHEUS_MULTIPROC_DIR": str(self._metrics)} if self._metrics else {})

    def _count_listening(self) -> None:
        self._listening += 1
        if self._listening == self._settings.workers:
            _logger.info("workers listen", extra={"address": self._settings.address, "workers": self._listening})
            print(f"Gateway listening on {self._settings.address}", flush=True)  # noqa: T201 as one gateway does

    async def _drain(self, process: Process, ended: asyncio.Task[int]) -> None:
        _send(signal.SIGTERM, process)
        await asyncio.wait([ended], timeout=self._settings.drain_grace_s + _KILL_MARGIN_S)
        if not ended.done():
            _send(signal.SIGKILL, process)
            await ended


def _send(number: signal.Signals, process: Process) -> None:
    """Sends a signal to a process unless it has ended, be it that whoever waits for that has not heard of it yet."""
    with suppress(ProcessLookupError):
        process.send_signal(number)


async def _work() -> None:
    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    logs.configure(settings.log_level)
    from gateway.server import serve  # not above: the parent needs no gRPC

    stop = asyncio.Event()
    _set_at_end_of(sys.stdin.fileno(), stop)
    try:
        async with in_background(_show_life()):
            await serve(settings, stop, share_port=True)
    except (UnusableFileError, TooFewThreadsError) as err:
        sys.exit(str(err))


async def _show_life() -> None:
    with suppress(BrokenPipeError):  # The parent is gone, and the worker about to drain.
        while True:
            print(flush=True)  # noqa: T201 to the parent
            await asyncio.sleep(_SIGN_OF_LIFE_S)


def _set_at_end_of(parent: int, stop: asyncio.Event) -> None:
    """Sets an event when the parent ends: it holds the other end of that pipe open, and sends nothing more."""
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(parent)  # The end of a pipe is there to be read on every turn of the loop.
        stop.set()

    loop.add_reader(parent, ended)


if __name__ == "__main__":
    uvloop.run(_work())
