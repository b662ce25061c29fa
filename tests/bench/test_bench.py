"""The whole bench, briefly, on the shipped model."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 200.0


@pytest.fixture
def run_bench() -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs `python -m bench`; returns its exit status and what it printed."""
    with ExitStack() as stack:

        def run(*arguments: str) -> tuple[int, str, str]:
            command = [sys.executable, "-m", "bench", *arguments]
            process = stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            stack.callback(process.terminate)
            output, errors = process.communicate(timeout=TIMEOUT_S)
            return process.returncode, output, errors

        yield run


def test_it_measures_all_ways_without_an_error(run_bench, tmp_path):
    report = tmp_path / "bench.json"
    brief = ("--rounds=1", "--seconds=1", "--warm-up-s=0.2", "--stream-count=40")
    status, output, errors = run_bench(*brief, f"--json={report}")
    assert status == 0, errors
    assert "ratios of one run" in output
    (results,) = json.loads(report.read_text())["rounds"]
    ways = {result["way"] for result in results}
    assert {"gateway, 1", "serving, 8", "stream", "serving, batch of 8", "limit, tensorflow", "echo, 32"} <= ways
    assert {f"{way}, batch of 1" for way in ("serving", "bare gRPC", "inference")} <= ways
    for result in results:
        assert result["measurement"]["answers"] > 0, result
        assert result["measurement"]["errors"] == 0, result


def test_without_a_model_it_says_so(run_bench, tmp_path):
    status, _, errors = run_bench(f"--model-base-path={tmp_path}")
    assert status == 2
    assert "holds no version" in errors
