"""Child processes of the bench."""

import sys

import pytest

from bench.processes import await_true, measure, server

READY = r"listening on (\S+)"


def test_a_server_says_where_it_listens_and_is_ended():
    with server(["bench.echo"], READY) as echo:
        assert echo.address.startswith("127.0.0.1:")
        assert echo.resident_mb() > 5
        assert echo.cpu_s() > 0
    with pytest.raises(FileNotFoundError):
        echo.cpu_s()


def test_a_server_that_does_not_start_gives_its_last_words():
    with pytest.raises(RuntimeError, match=r"No module named bench\.nothing"), server(["bench.nothing"], READY):
        pass


def test_processor_time_of_children_counts(tmp_path, monkeypatch):
    """A gateway with several workers is several processes."""
    (tmp_path / "busy.py").write_text(
        "import time\nwhile time.process_time() < 0.6: pass\nprint('listening on x', flush=True)\ntime.sleep(60)\n"
    )
    (tmp_path / "parent.py").write_text(
        "import signal, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'busy'])\n"
        "signal.signal(signal.SIGTERM, lambda *_: child.kill())\n"
        "child.wait()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with server(["parent"], READY) as parent:
        assert parent.cpu_s() > 0.5  # the kernel counts in ticks, a few short of what the child has seen


def test_callers_that_fail_are_an_error():
    with pytest.raises(RuntimeError, match=r"bench\.callers.* failed:(.|\n)*invalid choice"):
        measure("bench.callers", "by-mail", "127.0.0.1:1", ".")


def test_waiting_has_an_end():
    with pytest.raises(RuntimeError, match="the moon is blue: not within 0 s"):
        await_true("the moon is blue", lambda: False, timeout_s=0.01)
    await_true("python runs", lambda: bool(sys.executable))
