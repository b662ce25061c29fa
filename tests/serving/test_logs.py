"""What the log keeps to itself."""

import subprocess
import sys

_PROGRAM = """
import logging
from serving.modelserver import logs
logs.configure()
for _ in range(3):
    logging.warning("version %d is gone", 1)
    logging.warning("version %d is gone", 2)
    logging.info("loading")
for problem in "one", "another":
    try:
        raise ValueError(problem)
    except ValueError:
        logging.exception("a call failed")
"""


def test_a_warning_is_not_repeated_at_each_poll():
    run = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    lines = [line.partition("root: ")[2] for line in run.stderr.splitlines() if "root: " in line]
    assert lines == ["version 1 is gone", "version 2 is gone", *["loading"] * 3, *["a call failed"] * 2]
