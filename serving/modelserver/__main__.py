"""`python -m serving.modelserver`: see the package's docstring."""

import signal
import sys
import threading

from serving.modelserver import logs
from serving.modelserver.errors import ServingError
from serving.modelserver.flags import parse_flags
from serving.modelserver.memory import use_one_arena
from serving.modelserver.server import ModelServer

_EXIT_FAILED = 255
_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_SWITCH_INTERVAL_S = 0.0005
"""How long a loading thread may keep predictions from the interpreter. Python's default is ten times that."""


def main() -> int:
    """Runs the server until SIGTERM or SIGINT; returns the exit status."""
    use_one_arena()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    logs.configure()
    # For all threads to come: a signal that met one of them left the main thread asleep now and then.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        server = ModelServer(parse_flags(sys.argv[1:]))
        threading.Thread(target=_stop_at_signal, args=(server,), name="signals", daemon=True).start()
        server.run()
    except ServingError as err:
        print(f"Failed to start server. Error: {err.status_string()}", flush=True)  # noqa: T201 - supervisors read it
        return _EXIT_FAILED
    return 0


def _stop_at_signal(server: ModelServer) -> None:
    signal.sigwait(_SIGNALS)
    server.stop()


if __name__ == "__main__":
    sys.exit(main())
