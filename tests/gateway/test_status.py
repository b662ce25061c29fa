"""What callers are told."""

import time
from functools import partial

import grpc
import pytest

from gateway.errors import ForwardedError, ModelFailedError, ServingBusyError, VersionLabelNotFoundError
from gateway.imaging import EmptyFileError, ImageLimits, InvalidImageError, decode
from gateway.status import to_status
from gateway.telemetry import call
from observability import request_id
from transport.status import status_of


@pytest.fixture(autouse=True)
def _nothing_traced(monkeypatch):
    monkeypatch.setattr("gateway.status._traced_s", {})


def test_an_error_names_its_reason(told):
    found = told(to_status(VersionLabelNotFoundError("No version is labelled 'x'.")))
    assert found.code is grpc.StatusCode.NOT_FOUND
    assert (found.message, found.reason) == ("No version is labelled 'x'.", "VERSION_LABEL_NOT_FOUND")
    assert found.field is None
    assert found.retry_after_s is None


def test_the_trainers_reason_is_told_with_the_call():
    """As its record in the log has it."""
    said = status_of(grpc.StatusCode.NOT_FOUND, "OPERATION_NOT_FOUND", "There is none.")
    assert to_status(ForwardedError(said)) is said
    assert call.reason.get() == "OPERATION_NOT_FOUND"


def test_an_error_that_passes_says_when(told):
    found = told(to_status(ServingBusyError("busy")))
    assert found.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert found.retry_after_s == 0.5


def test_a_bad_image_is_the_fields_error(told):
    with pytest.raises(InvalidImageError) as caught:
        decode(b"no image", ImageLimits())
    found = told(to_status(caught.value))
    assert (found.code, found.field) == (grpc.StatusCode.INVALID_ARGUMENT, "image")
    assert found.reason == caught.value.reason
    assert found.message == str(caught.value)


@pytest.fixture
def _call_abc():
    token = request_id.current.set("abc")
    yield
    request_id.current.reset(token)


@pytest.mark.usefixtures("_call_abc")
def test_a_failure_of_the_model_tells_the_request_id(told):
    found = told(to_status(ModelFailedError("The model failed on the image.")))
    assert (found.code, found.reason) == (grpc.StatusCode.INTERNAL, "MODEL_FAILED")
    assert found.message == "The model failed on the image. If it stays, report it with request id abc."


@pytest.mark.usefixtures("_call_abc")
def test_an_unforeseen_error_tells_the_request_id_and_nothing_else(told, caplog):
    found = told(to_status(RuntimeError("/secret/path")))
    assert (found.code, found.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "abc" in found.message
    assert "secret" not in found.message
    assert "/secret/path" in caplog.text


def test_the_same_failure_is_traced_once_a_minute(caplog, monkeypatch):
    now_s = time.monotonic()
    monkeypatch.setattr("gateway.status.time.monotonic", lambda: now_s)

    def tracebacks(*places):
        caplog.clear()
        for place in places:
            with pytest.raises((RuntimeError, ValueError)) as raised:
                place()
            to_status(raised.value)
        assert len(caplog.records) == len(places)
        return sum(record.exc_info is not None for record in caplog.records)

    def here():
        raise RuntimeError("one")

    def there():
        raise RuntimeError("another")

    def copied(place):
        with pytest.raises(RuntimeError) as raised:
            place()
        raise ValueError("copied") from raised.value

    assert tracebacks(here, here, there, here) == 2
    assert tracebacks(partial(copied, here), partial(copied, there), partial(copied, here)) == 2
    now_s += 61
    assert tracebacks(here, here) == 1


def test_what_is_too_long_to_arrive_is_cut(told):
    for error in (ServingBusyError("x" * 9000), EmptyFileError("x" * 9000)):
        assert len(told(to_status(error)).message) < 1024
