"""Pools of threads that all run from the beginning."""

import threading

import pytest

from transport.threads import TooFewThreadsError, running_threads


def test_a_pool_that_the_machine_has_no_threads_for_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def start_two(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(TooFewThreadsError, match="raise the limit of processes") as _held:  # and so the pool
        running_threads(3, "test")
    for thread in started:
        thread.join(10)
    assert [thread.is_alive() for thread in started] == [False, False]
