"""Kills trainer, gateway and serving at random moments while jobs run, and looks at what is left.

    python tests/e2e/chaos.py --jobs 30 --seed 1

Takes about half a minute for each job. The exit status is 0 where every job came to exactly one true end, the served
model was a complete one at all times, and neither processes nor temporary files were left.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
from braintumor.v1 import trainer_service_pb2 as pb2
from chaos_cast import MODEL, Caller, Jobs, Service, concluded, made_data_root, say, started

from trainer.rollout.replay import replay
from trainer.rollout.serving_client import ServingClient
from transport.peer_tls import connect

_TIDY_S = 10.0
"""Time for the trainer to clear up after the last job."""

_TOLERANCE = 1e-3
"""Of a probability that one version gives one slice, in one batch or another."""


def main() -> int:
    """Runs the chaos; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=15.0, help="mean time between two kills, in seconds")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    data_root = made_data_root(directory / "data")
    services = started(directory, data_root)
    chance = random.Random(arguments.seed)  # noqa: S311  no secret
    caller = Caller(services["gateway"].address)
    caller.start()
    jobs = Jobs(services["trainer"].address, arguments.jobs, chance)
    try:
        _rage(jobs, services, chance, arguments.pause)
        caller.stopped.set()
        caller.join()
        _report(jobs, services, caller)
        problems = _problems(jobs, services, caller, data_root)
    finally:
        for service in services.values():
            service.stop()
    problems += [f"process {pid} is left" for pid in _processes_of(data_root)]
    if not problems:
        say("every job came to one true end, and nothing was left")
    return concluded(problems, directory)


def _rage(jobs: Jobs, services: dict[str, Service], chance: random.Random, pause_s: float) -> None:
    next_kill = time.monotonic() + pause_s
    while not jobs.step():
        if time.monotonic() >= next_kill:
            name = chance.choice(list(services))
            services[name].kill()
            services[name].start()
            say(f"killed {name}; {len(jobs.ended)} jobs have ended")
            next_kill = time.monotonic() + chance.expovariate(1 / pause_s)
        for name, service in services.items():
            if service.died_by_itself():
                raise RuntimeError(f"{name} ended by itself")
        time.sleep(0.1)


def _problems(jobs: Jobs, services: dict[str, Service], caller: Caller, data_root: Path) -> list[str]:
    problems = []
    for name, operation in jobs.ended.items():
        if jobs.get(name) != operation:
            problems.append(f"{name} has ended twice")
        problems += _untrue(name, operation, data_root)
    for version, probabilities in caller.answers.items():
        if np.ptp(probabilities) > _TOLERANCE:
            problems.append(f"version {version} answered from {min(probabilities)} to {max(probabilities)}")
    problems += asyncio.run(_stable_problems(services["serving"].address, data_root))
    expected = {service.process.pid for service in services.values()}
    deadline = time.monotonic() + _TIDY_S
    while (left := _left(data_root, expected)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return problems + [f"{what} is left" for what in left]


def _left(data_root: Path, expected: set[int]) -> list[str]:
    """Names files and processes that should be gone."""
    files = [path for pattern in (".unfinished-*", ".removed-*") for path in data_root.rglob(pattern)]
    files += [path for path in data_root.glob("runs/*/*") if path.name not in {"log.txt", "tensorboard"}]
    processes = _processes_of(data_root) - expected
    return [str(path.relative_to(data_root)) for path in files] + [f"process {pid}" for pid in processes]


def _untrue(name: str, operation: Any, data_root: Path) -> list[str]:
    """Holds what an operation says against what is on disk."""
    published = [version for version, job in _published(data_root).items() if f"operations/{job}" == name]
    response = pb2.RetrainResponse()
    if operation.WhichOneof("result") == "error":
        if operation.error.code == grpc.StatusCode.CANCELLED.value[0]:
            return [f"{name} was cancelled and has published {published}"] if published else []
        return [f"{name} failed: {operation.error.message}"]
    operation.response.Unpack(response)
    newest = max(_published(data_root), default=0)
    is_retired = not published and response.model_version and newest > response.model_version
    if not is_retired and published != [version for version in [response.model_version] if version]:
        return [f"{name} says version {response.model_version} and has published {published}"]
    return []


def _published(data_root: Path) -> dict[int, str]:
    cards = data_root.glob(f"models/{MODEL}/*/assets.extra/model_card.json")
    return {int(card.parts[-3]): json.loads(card.read_text()).get("operation_id", "") for card in cards}


async def _stable_problems(address: str, data_root: Path) -> list[str]:
    """Plays the golden requests of the stable version to serving."""
    stable = json.loads((data_root / "models/rollout.json").read_text())["stable"]
    async with connect(address) as channel:
        client = ServingClient(channel, MODEL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if await client.version_labelled("stable") == stable:
                    return await replay(client, data_root / f"models/{MODEL}/{stable}", stable)
            except Exception as err:  # noqa: BLE001  it was killed a moment ago
                say(f"waiting for serving: {err}")
            await asyncio.sleep(0.5)
    return [f"serving does not serve version {stable} as stable"]


def _processes_of(data_root: Path) -> set[int]:
    found = set()
    for process in psutil.process_iter():
        try:
            if process.environ().get("DATA_ROOT") == str(data_root) and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


def _report(jobs: Jobs, services: dict[str, Service], caller: Caller) -> None:
    ends: Counter[str] = Counter()
    for operation in jobs.ended.values():
        metadata = pb2.RetrainMetadata()
        operation.metadata.Unpack(metadata)
        ends[pb2.RetrainState.Name(metadata.state).removeprefix("RETRAIN_STATE_").lower()] += 1
    kills = ", ".join(f"{name} {service.kills}" for name, service in services.items())
    answers = ", ".join(f"version {version} {len(found)}" for version, found in sorted(caller.answers.items()))
    say(f"jobs: {dict(ends)}; kills: {kills}; answers: {answers}; calls that failed: {dict(caller.errors)}")


if __name__ == "__main__":
    sys.exit(main())
