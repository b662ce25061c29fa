"""The bench of too much load, briefly, on the shipped model."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_it_tells_what_is_left_of_the_service():
    command = [sys.executable, "-m", "bench.overload", "--rounds=1", "--seconds=1", "--warm-up-s=0.5"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=200, check=True)
    figures = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    assert float(figures["peak, images/s"]) > 0
    for load in ("10 times the callers", "50 times the callers", "10 times the rate"):
        assert float(figures[f"{load}: answers / peak (wanted >= 0.9)"]) > 0
        assert 0 < float(figures[f"{load}: back to normal after, s (wanted <= 2)"]) < 60
