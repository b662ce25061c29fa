"""Log records as lines of JSON."""

import json
import logging
import sys

import pytest

from observability import request_id
from observability.logs import JsonFormatter, configure


def _line(**fields):
    record = logging.makeLogRecord({"name": "gateway.x", "levelname": "INFO", "msg": "seen %d", "args": (3,), **fields})
    return json.loads(JsonFormatter().format(record))


def test_a_record_is_one_line_of_json():
    line = _line(created=0.5, msecs=500.0)
    assert line == {"time": "1970-01-01T00:00:00.500Z", "level": "INFO", "logger": "gateway.x", "message": "seen 3"}


def test_extra_fields_are_part_of_it():
    assert _line(reason="BUSY")["reason"] == "BUSY"


def test_the_request_id_is_part_of_it():
    token = request_id.current.set("abc")
    try:
        assert _line()["request_id"] == "abc"
    finally:
        request_id.current.reset(token)


def test_bytes_are_never_written():
    assert _line(image=b"\x89PNG patient")["image"] == "<12 bytes>"


def test_a_traceback_is_part_of_it():
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        line = _line(exc_info=sys.exc_info())
    assert "ZeroDivisionError" in line["traceback"]


@pytest.mark.parametrize("message", ["two\nlines", "ünï"])
def test_no_message_breaks_the_line(message):
    record = logging.makeLogRecord({"msg": message})
    formatted = JsonFormatter().format(record)
    assert "\n" not in formatted
    assert json.loads(formatted)["message"] == message


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("ExecuteBatchError raised in core by servicer method [/braintumor.v1.ClassifierService/Predict]", False),
        ("Invalid encoding on x-routing-key metadata b'\\xff'", False),
        ("Unexpected [KeyError] raised by servicer method [/braintumor.v1.ClassifierService/Predict]", True),
    ],
)
def test_grpc_writes_nothing_that_callers_bring_about(message, shown, capfd, monkeypatch):
    """What they send to metadata is nobody's business, and who leaves before an error does so often."""
    grpc_logger = logging.getLogger("grpc._cython.cygrpc")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    monkeypatch.setattr(grpc_logger, "filters", [])
    monkeypatch.setenv("GRPC_VERBOSITY", "ERROR")
    configure("WARNING")
    grpc_logger.error(message)
    assert (message[:10] in capfd.readouterr().err) == shown
