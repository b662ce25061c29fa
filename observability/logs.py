"""Logging as lines of JSON on stderr."""

import json
import logging
import os
import sys
import time

from observability import request_id, tracing

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One record, one line: time (UTC), level, logger, message, request id, trace id, and the record's `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without a line end."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.current.get():
            line["request_id"] = current
        if trace := tracing.current.get():
            line["trace_id"] = trace.trace_id
        line.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_describe)


def configure(level: str) -> None:
    """Sends all records of the process from `level` upwards to stderr. To be called before gRPC is imported."""
    # Its core writes plain lines of its own to stderr, one for every connection that ends.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.getLogger("grpc._cython.cygrpc").addFilter(_tells_of_us)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


_OF_CALLERS = (
    # Whoever connects may send bytes that are no UTF-8. gRPC writes them out each time it looks at them: a token, or
    # somebody's name.
    "Invalid encoding on",
    # An error that finds its caller just gone: with short deadlines there was a traceback for one call in forty.
    "ExecuteBatchError raised in core",
)
"""What records of gRPC begin with that callers bring about, as often as they like."""


def _tells_of_us(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_OF_CALLERS)


def _describe(value: object) -> str:
    # Bytes are images of patients: their number is all that may be known.
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
