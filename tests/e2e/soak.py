"""Runs the whole service for half an hour under mixed load, with trainings and rollouts, and looks at what it grows by.

    python tests/e2e/soak.py --minutes 30

The exit status is 0 where no call failed, and neither memory nor file descriptors of gateway, serving and trainer have
grown between the second quarter of the time and the last.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from chaos_cast import Service, concluded, made_data_root, say, started
from soak_load import Load

_INTERVAL_S = 5.0
_MAX_GROWTH_MB = 25.0
"""The allocator gives memory back when it likes; a leak of one slice's pixels in a thousand calls would be more."""
_MAX_NEW_FILES = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds."""

    resident_mb: float
    files: int


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
            for name, service in services.items():
                if service.died_by_itself():
                    return [f"{name} ended by itself"]
                samples[name].append(_sample(service.process.pid))
            _tell(samples, load)
    say(f"calls: {dict(load.calls)}; versions that answered: {sorted(load.versions)}; jobs: {dict(load.jobs)}")
    return [*load.failures, *(problem for name in samples for problem in _growth(name, samples[name]))]


def _sample(pid: int) -> Sample:
    process = psutil.Process(pid)
    return Sample(process.memory_info().rss / 1e6, process.num_fds())


def _growth(name: str, samples: list[Sample]) -> list[str]:
    """Compares the second quarter, when all caches have filled, with the last."""
    quarter = len(samples) // 4
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]
    memory = [statistics.median(sample.resident_mb for sample in part) for part in (before, after)]
    files = [statistics.median(sample.files for sample in part) for part in (before, after)]
    say(f"{name}: {memory[0]:.0f} to {memory[1]:.0f} MB, {files[0]:.0f} to {files[1]:.0f} file descriptors")
    problems = []
    if memory[1] - memory[0] > _MAX_GROWTH_MB:
        problems.append(f"{name} has grown by {memory[1] - memory[0]:.0f} MB")
    if files[1] - files[0] > _MAX_NEW_FILES:
        problems.append(f"{name} holds {files[1] - files[0]:.0f} more files")
    return problems


def _tell(samples: Mapping[str, list[Sample]], load: Load) -> None:
    if len(samples["gateway"]) % 12 == 0:
        now = ", ".join(f"{name} {found[-1].resident_mb:.0f} MB {found[-1].files}" for name, found in samples.items())
        say(f"{len(samples['gateway']) * _INTERVAL_S / 60:.0f} min: {sum(load.calls.values())} calls, {now}")


if __name__ == "__main__":
    sys.exit(main())
