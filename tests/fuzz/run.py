"""Hostile images and requests: `python tests/fuzz/run.py --inputs 100000 --seed 1`. Exit status 1 where one did harm.

Nine of ten inputs go to the decoders in this process, the others as calls to a gateway with trainer and serving behind
it. Harm is a crash, an error that is not for callers, more than two seconds, memory that grows, and a gigabyte for one.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

import click
import grpc
import psutil
from hostile_calls import ENDLESS, METHODS, call, request
from hostile_images import bombs, mutant, seeds
from tqdm import tqdm

from gateway.imaging import InputSpec, InvalidImageError, decode, preprocess

_ROOT = Path(__file__).parents[2]
_SPEC = InputSpec(height=128, width=128, channels=1)
_LIMIT_S = 2.0
_DEADLINE_S = 30.0
_ATTEMPTS = 3
"""An input is slow that is slow each time: a machine that is busy, or hands out memory late, is no finding."""
_GROWTH_BYTES = 64 * 2**20
_PEAK_BYTES = 2**30
"""More than the largest pictures take."""
_WARM_UP = 0.3
"""Share of the inputs after which memory is measured first: by then every path has been gone once."""
_OWN_FAULT = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
# They wait for what is not here: jobs, news, or a serving that follows the trainer's configuration.
_TAKES_ITS_TIME = {"PromoteModelVersion", "RollbackModel", "SetCanary", "WaitOperation", "WatchRetrain", "Watch"}
_SHORT_S = 0.1
_ENDLESS_SHARE = 0.2
_T = TypeVar("_T")


class Run:
    """What was found so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outcomes: Counter[str] = Counter()
        self.harm: list[str] = []
        self.slowest_s = 0.0

    def blame(self, problem: str, data: bytes) -> None:
        """Keeps an input that did harm."""
        path = self.folder / f"harmful-{len(self.harm)}.bin"
        path.write_bytes(data)
        self.harm.append(f"{problem}: {path}")

    def image(self, data: bytes) -> None:
        """Reads one as the gateway does."""
        (self.folder / "last.bin").write_bytes(data)  # where it crashes the process
        try:
            outcome = self._timed("image", data, time.thread_time, partial(_outcome, data))
        except Exception as err:  # noqa: BLE001 that is what is looked for
            outcome = type(err).__name__
            self.blame(f"{outcome} from the decoder", data)
        self.outcomes[outcome] += 1

    def bomb(self, data: bytes) -> None:
        """Reads one, and looks at how much memory that takes at a time."""
        before = psutil.Process().memory_info().rss
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        self.image(data)
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        if found and int(found[1]) * 1024 - before > _PEAK_BYTES:
            self.blame(f"image took {found[1]} kB", data)

    def call(self, channel: grpc.Channel, images: list[bytes], rng: random.Random) -> None:
        """Makes one call."""
        method = rng.choice(METHODS)
        requests = [request(method, images, rng) for _ in range(rng.randint(1, 4))]
        given = rng.choice(ENDLESS) if method.client_streaming and rng.random() < _ENDLESS_SHARE else iter
        timeout_s = _SHORT_S if given is not iter or method.name in _TAKES_ITS_TIME else _DEADLINE_S
        data = b"".join(requests)
        status = self._timed(
            method.name, data, time.monotonic, lambda: call(channel, method, given(requests), timeout_s)
        )
        self.outcomes[f"call {status.name}"] += 1
        if status in _OWN_FAULT:
            self.blame(f"{status.name} from {method.name}", data)

    def _timed(self, what: str, data: bytes, clock: Callable[[], float], work: Callable[[], _T]) -> _T:
        for _ in range(_ATTEMPTS):
            begin_s = clock()
            outcome = work()
            spent_s = clock() - begin_s
            if spent_s <= _LIMIT_S:
                break
        else:
            self.blame(f"{what} took {spent_s:.1f} s", data)
        self.slowest_s = max(self.slowest_s, spent_s)
        return outcome


def _outcome(data: bytes) -> str:
    try:
        preprocess(decode(data), _SPEC)
    except InvalidImageError as err:
        return err.reason
    return "image read"


def _start(stack: ExitStack, arguments: list[str], environment: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=_ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"(\S+:\d+)", line):
            return process, found.group(1)
    raise click.ClickException(f"{arguments} did not start")


def _service(stack: ExitStack) -> tuple[list[subprocess.Popen[str]], str]:
    data_root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    shutil.copytree(_ROOT / "data/models/brain_tumor", data_root / "models/brain_tumor")
    base_path = f"--model_base_path={data_root / 'models/brain_tumor'}"
    serving, serving_address = _start(
        stack, ["serving.modelserver", "--port=0", "--model_name=brain_tumor", base_path], {}
    )
    behind = {"SERVING_ADDRESS": serving_address, "DATA_ROOT": str(data_root)}
    trainer, trainer_address = _start(stack, ["trainer", "serve"], behind | {"TRAINER_ADDRESS": "127.0.0.1:0"})
    before = {"TRAINER_ADDRESS": trainer_address, "GATEWAY_ADDRESS": "127.0.0.1:0"}
    gateway, address = _start(stack, ["gateway"], behind | before)
    return [serving, trainer, gateway], address


@click.command()
@click.option("--inputs", default=100_000, show_default=True, help="How many.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same inputs.")
@click.option(
    "--folder", default="build/fuzz", show_default=True, type=click.Path(path_type=Path), help="For findings."
)
def main(inputs: int, seed: int, folder: Path) -> None:
    """Runs, and tells what was found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the service ends too
    folder.mkdir(parents=True, exist_ok=True)
    run, rng, files = Run(folder), random.Random(seed), seeds()  # noqa: S311 repeatable, and no secret
    for data in [*files, *bombs()]:
        run.bomb(data)
    with ExitStack() as stack:
        processes, address = _service(stack)
        channel = stack.enter_context(grpc.insecure_channel(address))
        grpc.channel_ready_future(channel).result(30)
        watched = [psutil.Process(), *(psutil.Process(process.pid) for process in processes)]
        early = [0] * len(watched)
        for number in tqdm(range(inputs), unit="input", disable=None):
            if number == int(inputs * _WARM_UP):
                early = [process.memory_info().rss for process in watched]
            if number % 10:
                run.image(mutant(files, rng))
            else:
                run.call(channel, files if rng.random() < 0.5 else [mutant(files, rng)], rng)
            if any(process.poll() is not None for process in processes):
                run.blame("a process ended", (folder / "last.bin").read_bytes())
                break
        for name, process, before in zip(("decoders", "serving", "trainer", "gateway"), watched, early, strict=True):
            after = process.memory_info().rss if process.is_running() else 0
            click.echo(f"{name}: {before / 2**20:.0f} MiB, at the end {after / 2**20:.0f} MiB")
            if after - before > _GROWTH_BYTES:
                run.harm.append(f"{name} grew by {(after - before) / 2**20:.0f} MiB")
    for outcome, count in run.outcomes.most_common():
        click.echo(f"{count:8}  {outcome}")
    click.echo(f"slowest {run.slowest_s:.2f} s; harm: {len(run.harm)}")
    for problem in run.harm:
        click.echo(problem)
    sys.exit(bool(run.harm))


if __name__ == "__main__":
    main()
