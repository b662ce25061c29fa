"""A slice of `make fuzz`."""

import subprocess
import sys
from pathlib import Path

import psutil

_COMMAND = [sys.executable, str(Path(__file__).with_name("run.py"))]


def test_no_hostile_input_does_harm(tmp_path):
    command = [*_COMMAND, "--inputs=3000", f"--folder={tmp_path}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "harm: 0" in ended.stdout


def test_whoever_ends_it_ends_the_service_that_it_started(tmp_path, eventually):
    with subprocess.Popen([*_COMMAND, f"--folder={tmp_path}"], stderr=subprocess.DEVNULL) as fuzz:
        runner = psutil.Process(fuzz.pid)
        service = eventually(lambda: [child for child in runner.children() if child.cpu_times().user > 0.5])
        fuzz.terminate()
    assert not any(process.is_running() for process in service)
