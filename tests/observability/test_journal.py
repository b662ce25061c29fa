"""Lines of many writers in one file."""

import errno
import fcntl
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from observability.journal import append

_LINES = 300

_APPEND_MANY = """
import sys
from pathlib import Path
from observability.journal import append
for number in range(int(sys.argv[3])):
    filling = "x" * (number * 17 % 9000)
    line = f'{{"by": "{sys.argv[2]}", "number": {number}, "filling": "{filling}"}}'
    append(Path(sys.argv[1]), line.encode() + bytes([10]))
"""


def test_lines_of_many_processes_stay_whole(tmp_path):
    log = tmp_path / "audit.jsonl"
    command = [sys.executable, "-c", _APPEND_MANY, str(log)]
    processes = [subprocess.Popen([*command, name, str(_LINES)]) for name in "abc"]
    assert [process.wait() for process in processes] == [0, 0, 0]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 3 * _LINES
    for name in "abc":
        assert [line["number"] for line in lines if line["by"] == name] == list(range(_LINES))


def test_the_beginning_of_a_line_that_a_kill_left_spoils_no_other(tmp_path):
    log = tmp_path / "audit.jsonl"
    append(log, b'{"first": 1}\n')
    with log.open("ab") as file:
        file.write(b'{"torn": ')
    append(log, b'{"second": 2}\n')
    assert log.read_bytes() == b'{"first": 1}\n{"torn": \n{"second": 2}\n'
    assert log.stat().st_mode & 0o777 == 0o640


def test_who_sits_on_the_lock_is_not_waited_for(tmp_path):
    log = tmp_path / "audit.jsonl"
    append(log, b'{"first": 1}\n')
    with log.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="holds its lock") as caught:
            append(log, b'{"second": 2}\n', patience_s=0.05)
        told = "Somebody else holds its lock for over 0.05 s"
        assert (caught.value.errno, caught.value.strerror) == (errno.EBUSY, told)
    append(log, b'{"third": 3}\n', patience_s=0.0)
    assert log.read_bytes() == b'{"first": 1}\n{"third": 3}\n'


def test_a_write_that_fails_midway_is_taken_back(tmp_path):
    """As where a disk fills up."""
    log = tmp_path / "audit.jsonl"
    append(log, b'{"first": 1}\n')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 5, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            append(log, b'{"second": 2}\n')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.read_bytes() == b'{"first": 1}\n'


@pytest.mark.parametrize("durably", [True, False])
def test_the_disk_is_waited_for_where_that_is_asked_for(tmp_path, monkeypatch, durably):
    on_disk = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: on_disk.append(os.fstat(descriptor).st_size))
    append(tmp_path / "audit.jsonl", b"{}\n", durably=durably)
    assert on_disk == [3] * durably


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_an_error(tmp_path):
    log = tmp_path / "audit.jsonl"
    log.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        append(log, b"{}\n", durably=True)
