"""Runs the whole service for half an hour under mixed load, with trainings and rollouts, and looks at what it grows by.

    python tests/e2e/soak.py --minutes 30

The exit status is 0 where no call failed, and neither memory nor file descriptors of gateway, serving and trainer have
grown between the second quarter of the time and the last. Compared are the moments at which serving held what it held
most of the time: a version on TensorFlow takes other memory than one on OpenVINO, and the first one 300 MB for good.
"""

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from chaos_cast import Service, concluded, made_data_root, say, started
from soak_load import Load

_INTERVAL_S = 5.0
_MAX_GROWTH_MB = 25.0
"""The allocator gives memory back when it likes; a leak of one slice's pixels in a thousand calls would be more."""
_MAX_NEW_FILES = 8
_RUNS_ON = re.compile(r"version: (\d+)} runs on (\w+)")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds, and what serving does at that moment."""

    resident_mb: float
    files: int
    served: str


def main() -> int:
    """Runs the soak; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--job-every", type=float, default=150.0, help="time between two trainings, in seconds")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    services = started(directory, made_data_root(directory / "data"))
    try:
        problems = asyncio.run(_soak(services, arguments.minutes * 60, arguments.job_every))
    finally:
        for service in services.values():
            service.stop()
    return concluded(problems, directory)


async def _soak(services: Mapping[str, Service], seconds: float, job_every_s: float) -> list[str]:
    samples: dict[str, list[Sample]] = defaultdict(list)
    async with Load(services["gateway"].address, job_every_s) as load:
        end = time.monotonic() + seconds
        while time.monotonic() < end and load.goes_on:
            await asyncio.sleep(_INTERVAL_S)
            served = _served(services["serving"].log, load.held)
            for name, service in services.items():
                if service.died_by_itself():
                    return [f"{name} ended by itself"]
                samples[name].append(_sample(service.process.pid, served))
            _tell(samples, load)
    say(f"calls: {dict(load.calls)}; versions that answered: {sorted(load.versions)}; jobs: {dict(load.jobs)}")
    return [*load.failures, *(problem for name in samples for problem in _growth(name, samples[name]))]


def _served(log: Path, held: Collection[int]) -> str:
    """Returns on which engines the versions run that are held, of those that serving has needed so far."""
    engines = {int(version): engine for version, engine in _RUNS_ON.findall(log.read_text())}
    return f"{'+'.join(sorted(engines[version] for version in held))} of {len(set(engines.values()))}"


def _sample(pid: int, served: str) -> Sample:
    process = psutil.Process(pid)
    return Sample(process.memory_info().rss / 1e6, process.num_fds(), served)


def _growth(name: str, samples: list[Sample]) -> list[str]:
    """Compares the second quarter, when all caches have filled, with the last."""
    usual = statistics.mode(sample.served for sample in samples)
    samples = [sample for sample in samples if sample.served == usual]
    quarter = len(samples) // 4
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]
    memory = [statistics.median(sample.resident_mb for sample in part) for part in (before, after)]
    files = [statistics.median(sample.files for sample in part) for part in (before, after)]
    say(f"{name} ({usual}): {memory[0]:.0f} to {memory[1]:.0f} MB, {files[0]:.0f} to {files[1]:.0f} file descriptors")
    problems = []
    if memory[1] - memory[0] > _MAX_GROWTH_MB:
        problems.append(f"{name} has grown by {memory[1] - memory[0]:.0f} MB")
    if files[1] - files[0] > _MAX_NEW_FILES:
        problems.append(f"{name} holds {files[1] - files[0]:.0f} more files")
    return problems


def _tell(samples: Mapping[str, list[Sample]], load: Load) -> None:
    if len(samples["gateway"]) % 12 == 0:
        now = ", ".join(f"{name} {found[-1].resident_mb:.0f} MB {found[-1].files}" for name, found in samples.items())
        minutes = len(samples["gateway"]) * _INTERVAL_S / 60
        say(f"{minutes:.0f} min: {sum(load.calls.values())} calls, {samples['serving'][-1].served}, {now}")


if __name__ == "__main__":
    sys.exit(main())
