"""Pools of threads that all run from the beginning."""

import threading
from concurrent.futures import ThreadPoolExecutor


class TooFewThreadsError(RuntimeError):
    """The machine allows no more threads. Says which limit to raise."""


def running_threads(count: int, name: str) -> ThreadPoolExecutor:
    """Makes a pool that never starts a thread again.

    One that cannot be started, where the machine allows no more, takes with it whoever wants it: gRPC's own loop, and
    from then on no call is answered; a load, which then never ends; an image, and all others after it.

    Args:
      count: of its threads.
      name: of the pool, before the number of a thread.

    Raises:
      TooFewThreadsError: the machine does not allow so many threads.
    """
    threads = ThreadPoolExecutor(count, name)
    all_run = threading.Barrier(count)
    try:
        for _ in range(count):
            threads.submit(all_run.wait)  # none is idle until all are here, so each has a thread of its own
    except RuntimeError as err:
        all_run.abort()
        threads.shutdown(wait=False)
        raise TooFewThreadsError(
            f"no more threads can be started; raise the limit of processes (ulimit -u, or pids.max): {err}"
        ) from err
    return threads
