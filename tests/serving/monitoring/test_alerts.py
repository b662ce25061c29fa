"""Alert rules and scrape configuration, as Prometheus' own tool reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest

_MONITORING = Path(__file__).parents[3] / "serving/monitoring"


@pytest.mark.parametrize(
    "command", ["test rules alerts_test.yml", "check config prometheus.yml", "check rules alerts.yml"]
)
def test_promtool_agrees(command: str) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed; it is part of Debian's package prometheus")
    done = subprocess.run([tool, *command.split()], cwd=_MONITORING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
