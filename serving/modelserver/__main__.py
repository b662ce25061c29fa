"""`python -m serving.modelserver`: see the package's docstring."""

import os
import signal
import socket
import sys
import threading

from serving.modelserver import logs
from serving.modelserver.errors import ResourceExhaustedError, ServingError
from serving.modelserver.flags import parse_flags
from serving.modelserver.memory import use_one_arena
from serving.modelserver.server import ModelServer
from transport.threads import TooFewThreadsError

_EXIT_FAILED = 255
_SWITCH_INTERVAL_S = 0.0005
"""How long a loading thread may keep predictions from the interpreter. Python's default is ten times that."""


def main() -> int:
    """Runs the server until SIGTERM or SIGINT; returns the exit status."""
    use_one_arena()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    logs.configure()
    try:
        server = ModelServer(parse_flags(sys.argv[1:]))
        threading.Thread(target=_stop_at_signal, args=(server, _signals()), name="signals", daemon=True).start()
        server.run()
        return 0
    except ServingError as err:
        told = err.status_string()
    except TooFewThreadsError as err:
        told = ResourceExhaustedError(str(err)).status_string()
    print(f"Failed to start server. Error: {told}", flush=True)  # noqa: T201 supervisors read it
    return _EXIT_FAILED


def _signals() -> socket.socket:
    """Returns a socket that gets a byte for each signal, whichever thread that met.

    Python's own handlers run in the main thread alone, which slept on now and then where another one had met it.
    """
    told, teller = socket.socketpair()
    teller.setblocking(False)
    signal.set_wakeup_fd(teller.detach())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return told


def _stop_at_signal(server: ModelServer, signals: socket.socket) -> None:
    while signals.recv(1):  # to the end of the process: what comes once more would find nobody to tell
        server.stop()


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # not sys.exit: it would wait for what is still computed for callers who have been sent away
