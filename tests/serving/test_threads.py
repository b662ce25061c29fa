"""Threads that run before anybody needs them."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil


def test_calls_are_answered_where_no_more_threads_can_be_started(publish: Any, launch: Any, base_path: Path) -> None:
    """A thread that gRPC's own loop could not start ended that loop, and the server answered nobody from then on."""
    publish("half_plus_two", "1")
    server = launch("--model_name=m", f"--model_base_path={base_path}")
    client = server.ready()
    no_room_for_a_stack = psutil.Process(server.process.pid).memory_info().vms + 2**20
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (no_room_for_a_stack, no_room_for_a_stack))

    assert client.states() == {1: 30}
    assert client.half() == 3.0


def test_a_start_that_gets_no_threads_says_which_limit_to_raise(no_threads: dict[str, str], base_path: Path) -> None:
    start = [sys.executable, "-m", "serving.modelserver", "--model_name=m", f"--model_base_path={base_path}"]
    run = subprocess.run(start, env=no_threads, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 255
    assert run.stdout.startswith("Failed to start server. Error: RESOURCE_EXHAUSTED: no more threads can be started; ")
