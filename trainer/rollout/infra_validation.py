"""Loads an exported version in a serving of its own and plays its golden requests to it.

What works in the process that trained can still fail in serving: an operation that it lacks, a file that was
not written, an engine that rounds otherwise. Found here, it never comes near callers.
"""

import asyncio
import contextlib
import re
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from trainer.durable import UNFINISHED
from trainer.errors import DiskFullError, OutOfMemoryError, RolloutError, ServingUnavailableError
from trainer.jobs.leash import leashed
from trainer.no_space import is_no_space
from trainer.rollout.replay import replay
from trainer.rollout.serving_client import ServingClient
from transport.peer_tls import connect

_MODEL, _VERSION = "candidate", 1
_RUNNING = re.compile(r"Running gRPC ModelServer at (\S+) \.\.\.")
_FAILED = "Failed to start server. Error: "
_LONGEST_LINE_BYTES = 2**20
_END_S = 5.0
"""In which a process has ended that no longer talks."""


class _NotServedError(Exception):
    """The scratch serving did not start. Its message is the reason."""


def infra_validate(version_dir: Path, scratch_dir: Path, timeout_s: float) -> list[str]:
    """Loads a version in a scratch serving; its golden requests must answer as in training.

    Blocks; to be called where no event loop runs.

    Args:
      version_dir: a SavedModel with its golden requests.
      scratch_dir: where the scratch serving's base path is made. Nothing stays of it.
      timeout_s: for loading and answers together; a second serving has as long where the first was too late.

    Returns:
      Why the version must not serve, as sentences; empty where it may.

    Raises:
      OutOfMemoryError: the scratch serving was killed, which says nothing about the version.
      DiskFullError: it found no space, which says as little.
    """
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=scratch_dir) as base_path:
        Path(base_path, str(_VERSION)).symlink_to(version_dir.absolute(), target_is_directory=True)
        return asyncio.run(_validated(base_path, version_dir, timeout_s))


async def _validated(base_path: str, version_dir: Path, timeout_s: float) -> list[str]:
    try:
        with contextlib.suppress(TimeoutError):
            return await _differences(base_path, version_dir, timeout_s)
        # Once more: where all that runs here was paused, as by `docker pause`, it is not the version that took so long.
        return await _differences(base_path, version_dir, timeout_s)
    except TimeoutError:
        return [f"a scratch serving did not load the version and answer within {timeout_s:g} s, nor did a second one"]
    except ServingUnavailableError as err:
        return [f"a scratch serving broke down over a golden request: {err}"]
    except (_NotServedError, RolloutError) as err:
        return [str(err)]


async def _differences(base_path: str, version_dir: Path, timeout_s: float) -> list[str]:
    async with asyncio.timeout(timeout_s), _serving(base_path) as address, connect(address) as channel:
        # Each answer may take as long as all: who is late is not taken for one that broke down.
        return await replay(ServingClient(channel, _MODEL, timeout_s), version_dir, _VERSION)


@asynccontextmanager
async def _serving(base_path: str) -> AsyncIterator[str]:
    """Starts a serving of what lies below a base path, yields its address, and ends it."""
    process = await asyncio.create_subprocess_exec(
        *leashed("-m", "serving.modelserver", "--port=0", f"--model_name={_MODEL}", f"--model_base_path={base_path}"),
        "--max_num_load_retries=0",
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        limit=_LONGEST_LINE_BYTES,
    )
    try:
        yield await _address(process, base_path)
    except (ServingUnavailableError, _NotServedError) as err:
        if await _was_killed(process):
            raise OutOfMemoryError(
                "the scratch serving was killed, most likely because memory ran out; free some, and retrain"
            ) from err
        if is_no_space(err):
            raise DiskFullError("no space is left for a scratch serving; free some, and retrain") from err
        raise
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _was_killed(process: Process) -> bool:
    try:
        return await asyncio.wait_for(process.wait(), _END_S) == -signal.SIGKILL
    except TimeoutError:
        return False


async def _address(process: Process, base_path: str) -> str:
    assert process.stdout is not None  # noqa: S101  it was started with a pipe
    line = "it said nothing"
    async for raw in process.stdout:
        line = raw.decode(errors="replace").strip()
        if running := _RUNNING.fullmatch(line):
            return running[1]
        if line.startswith(_FAILED):
            break
    problem = line.removeprefix(_FAILED).replace(f"{base_path}/", "")
    raise _NotServedError(f"the version does not load in a scratch serving: {problem}")
