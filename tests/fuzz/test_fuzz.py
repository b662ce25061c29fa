"""A slice of `make fuzz`."""

import subprocess
import sys
from pathlib import Path


def test_no_hostile_input_does_harm(tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--inputs=3000", f"--folder={tmp_path}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "harm: 0" in ended.stdout
