"""What small HTTP servers for operations have in common."""

import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PAUSE_S = 1.0


class PatientServer(ThreadingHTTPServer):
    """A thread for each connection, none of which holds up the end."""

    def get_request(self) -> Any:
        """Takes a connection; waits a little before the next try where there is none to be had."""
        try:
            return super().get_request()
        except OSError:
            # Where no descriptor is free the connection waits on, and is found again at once: that took a processor.
            time.sleep(_PAUSE_S)
            raise


class QuietHandler(BaseHTTPRequestHandler):
    """Tells nobody of requests, nor of connections that are given up."""

    def handle(self) -> None:
        """Answers what comes on a connection."""
        with suppress(OSError):  # else each is a traceback in the log
            super().handle()

    def log_message(self, *_: object) -> None:
        """Polls would fill the log."""
