"""The whole bench, briefly, on the shipped model."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_measures_all_ways_without_an_error(tmp_path):
    command = [sys.executable, "-m", "bench", "--rounds=1", "--seconds=1", "--warm-up-s=0.2", "--stream-count=40"]
    report = tmp_path / "bench.json"
    done = subprocess.run([*command, f"--json={report}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ratios of one run" in done.stdout
    (results,) = json.loads(report.read_text())["rounds"]
    assert {"gateway, 1", "serving, 8", "stream", "limit, tensorflow", "echo, 32"} <= {
        result["way"] for result in results
    }
    for result in results:
        assert result["measurement"]["answers"] > 0, result
        assert result["measurement"]["errors"] == 0, result


def test_without_a_model_it_says_so(tmp_path):
    command = [sys.executable, "-m", "bench", f"--model-base-path={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "holds no version" in done.stderr
