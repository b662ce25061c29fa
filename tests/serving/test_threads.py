"""Threads that run before anybody needs them."""

import resource
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.modelserver.errors import ResourceExhaustedError
from serving.modelserver.threads import running_threads


def test_calls_are_answered_where_no_more_threads_can_be_started(publish: Any, launch: Any, base_path: Path) -> None:
    """A thread that gRPC's own loop could not start ended that loop, and the server answered nobody from then on."""
    publish("half_plus_two", "1")
    server = launch("--model_name=m", f"--model_base_path={base_path}")
    client = server.ready()
    no_room_for_a_stack = psutil.Process(server.process.pid).memory_info().vms + 2**20
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (no_room_for_a_stack, no_room_for_a_stack))

    assert client.states() == {1: 30}
    assert client.half() == 3.0


def test_a_pool_that_the_machine_has_no_threads_for_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def start_two(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(ResourceExhaustedError, match="raise the limit of processes"):
        running_threads(3, "test")
    for thread in started:
        thread.join()
