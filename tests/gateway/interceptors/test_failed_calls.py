"""What is left in memory of calls that failed: a real gateway on a fake serving."""

import gc
import weakref
from collections.abc import Iterator

import pytest
from braintumor.v1 import classifier_service_pb2 as pb2

from gateway import status

_UNKNOWN_VERSION = 77


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[list["weakref.ref[Exception]"]]:
    """The errors that callers were told, while no garbage is collected: that may be many images later."""
    errors: list[weakref.ref[Exception]] = []

    def to_status(error: Exception) -> object:
        errors.append(weakref.ref(error))
        return status.to_status(error)

    monkeypatch.setattr("gateway.interceptors.error_status.to_status", to_status)
    monkeypatch.setattr("gateway.services.classifier.to_status", to_status)
    gc.disable()
    yield errors
    gc.enable()


@pytest.mark.parametrize("fields", [{}, {"version": _UNKNOWN_VERSION}])
async def test_nothing_is_left_of_a_call(start_serving, start_gateway, failure_of, until, errors, fields):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        await failure_of(gateway.predict(b"no image", **fields))
        await until(lambda: [error() for error in errors] == [None], patience_s=30)


async def test_nothing_is_left_of_an_image_of_a_stream(start_serving, start_gateway, png, until, errors):
    request = pb2.PredictRequest(image=png(204), version=_UNKNOWN_VERSION)
    async with start_serving() as serving, start_gateway(serving) as gateway:
        stream = gateway.classifier.PredictStream(iter([pb2.PredictStreamRequest(request=request)]))
        assert (await stream.read()).HasField("error")
        await until(lambda: [error() for error in errors] == [None], patience_s=30)
