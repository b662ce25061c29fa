"""What is kept of requests that nobody waits for any more."""

import ctypes
import gc
import threading

import grpc
import pytest
from braintumor.v1 import classifier_service_pb2 as pb2

from gateway.interceptors.receiving import IMAGES_AT_ONCE
from gateway.telemetry import metrics

_PREDICT = "/braintumor.v1.ClassifierService/Predict"
_IMAGE_BYTES = 50_000  # as much as gRPC takes in of a message before it is read
_ROUNDS = 2


class _Memory(ctypes.Structure):
    """Struct mallinfo2 of glibc."""

    _names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


@pytest.fixture
def bytes_in_use():
    """Tells how much is allocated with malloc, without what that keeps to be allocated again."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        pytest.skip("only glibc tells")
    mallinfo.restype = _Memory

    def _bytes_in_use():
        gc.collect()
        memory = mallinfo()
        return memory.uordblks + memory.hblkhd

    return _bytes_in_use


async def test_nothing_is_kept_of_requests_that_came_as_their_calls_ended(
    start_serving, start_gateway, until, bytes_in_use
):
    """Else gRPC keeps for good what it has received for who does not wait for it to the end."""
    async with start_serving() as serving, start_gateway(serving) as gateway:
        await _calls_that_end_with_their_requests(gateway, until)
        before = bytes_in_use()
        for _ in range(_ROUNDS):
            await _calls_that_end_with_their_requests(gateway, until)
        assert bytes_in_use() - before < _ROUNDS * IMAGES_AT_ONCE * _IMAGE_BYTES / 2


async def _calls_that_end_with_their_requests(gateway, until):
    open_calls = metrics.REQUESTS_IN_PROGRESS.labels(_PREDICT[1:])._value.get
    message, ended = pb2.PredictRequest(image=bytes(_IMAGE_BYTES)).SerializeToString(), threading.Event()

    def late():
        ended.wait()
        yield message

    with grpc.insecure_channel(gateway.address) as channel:
        calls = [channel.stream_unary(_PREDICT).future(late(), timeout=2) for _ in range(IMAGES_AT_ONCE)]
        await until(lambda: open_calls() == IMAGES_AT_ONCE)
        # The gateway has this thread, and so nothing else happens there until all have ended.
        ended.set()
        assert {call.exception().code() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    await until(lambda: open_calls() == 0)
