"""What a caller that misbehaves does to others: nothing. A docstring is a row of the README's table."""

import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psutil
import pytest
from braintumor.v1 import classifier_service_pb2 as pb

_MEGABYTE = 2**20
_STREAM = "/braintumor.v1.ClassifierService/PredictStream"
_PREDICT = "/braintumor.v1.ClassifierService/Predict"
_GRACE_S = 1.0


@pytest.fixture
def callers(call: Any, serving: Any) -> Any:
    """Callers of a gateway of their own, which has little patience at its end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        metrics = f"127.0.0.1:{listener.getsockname()[1]}"
    callers = call(serving, GATEWAY_DRAIN_GRACE_S=str(_GRACE_S), GATEWAY_METRICS_ADDRESS=metrics)
    callers.metrics = f"http://{metrics}/metrics"
    assert callers.stream() == [None, None, None]
    return callers


def _resident_bytes(callers: Any) -> int:
    return int(psutil.Process(callers.gateway.process.pid).memory_info().rss)


def _in_progress(callers: Any, method: str) -> int:
    return _metric(callers, rf'requests_in_progress{{method="{method.removeprefix("/")}"}}')


def _refused(callers: Any, method: str) -> int:
    labels = rf'code="RESOURCE_EXHAUSTED",method="{method.removeprefix("/")}",model_version=""'
    return _metric(callers, rf"requests_total{{{labels}}}")


def _metric(callers: Any, name: str) -> int:
    with urllib.request.urlopen(callers.metrics) as page:  # noqa: S310 http, and our own
        found = re.search(rf"{name} (\S+)", page.read().decode())
    return int(float(found[1])) if found else 0


def test_a_caller_never_reads(callers: Any, eventually: Any) -> None:
    """A caller of `PredictStream` sends without end and never reads.

    It is not read from any more; others are answered, memory stays flat, and a drain ends after the grace period

    Its stream, when it reads
    """
    before = _resident_bytes(callers)
    sent = 0

    def requests() -> Iterator[pb.PredictStreamRequest]:
        nonlocal sent
        request = pb.PredictRequest(image=callers.request.image, explain=True)  # long answers
        while True:
            sent += 1
            yield pb.PredictStreamRequest(id=str(sent), request=request)

    def stands_still() -> bool:
        already = sent
        for _ in range(10):
            callers.predict(30)
        return sent == already

    stream = callers.classifier.PredictStream(requests())
    eventually(lambda: sent > 0)
    eventually(stands_still)
    assert _resident_bytes(callers) < before + 64 * _MEGABYTE
    stopped_at = sent
    while sent == stopped_at:
        next(stream)
    assert callers.gateway.stop() == 0
    stream.cancel()


def test_callers_send_half_a_message(callers: Any, raw: Any, eventually: Any) -> None:
    """Callers send half a message.

    They wait, and 16 of a caller at a time are taken in; others are answered, and a drain ends after the grace period

    With the other half
    """
    before = _resident_bytes(callers)
    with closing(raw.RawCaller(callers.gateway.address, host="127.0.0.2")) as caller:
        for _ in range(1000):
            caller.begin(_PREDICT, raw.half_a_message(2000))
        caller.begin(_STREAM)
        eventually(lambda: _in_progress(callers, _STREAM) == 1)  # so the ones before it have arrived too
        assert callers.stream() == [None, None, None]
        assert callers.predict().model_version == 1
        assert _resident_bytes(callers) < before + 64 * _MEGABYTE
        assert callers.gateway.stop() == 0


def test_a_thousand_streams_send_nothing(callers: Any, raw: Any, eventually: Any) -> None:
    """A thousand streams send nothing.

    64 of a caller wait, and its others are refused: `RESOURCE_EXHAUSTED`, `QUEUE_FULL`; other callers are answered,
    memory stays flat, and a drain ends after the grace period

    With their first image
    """
    before = _resident_bytes(callers)
    with closing(raw.RawCaller(callers.gateway.address, host="127.0.0.2")) as caller:
        for _ in range(1000):
            caller.begin(_STREAM)
        eventually(lambda: _refused(callers, _STREAM) == 1000 - 64)
        assert _in_progress(callers, _STREAM) == 64
        assert callers.stream() == [None, None, None]
        assert _resident_bytes(callers) < before + 64 * _MEGABYTE
        assert callers.gateway.stop() == 0
