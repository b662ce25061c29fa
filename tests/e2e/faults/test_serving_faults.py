"""What callers see while serving is in trouble. A docstring is a row of the README's table."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import psutil
import pytest

from tfserving_api.messages import PredictResponse
from tfserving_api.tensors import write_array

_MEGABYTE = 2**20
_GARBAGE = b"\xff\xff no message"


@pytest.fixture(scope="module")
def callers(call: Any, serving: Any) -> Any:
    return call(serving)


@pytest.fixture(scope="module")
def relay(relay_to: Any, serving: Any) -> Any:
    return relay_to(serving)


@pytest.fixture(scope="module")
def relayed(call: Any, relay: Any) -> Any:
    """Callers of a gateway behind which answers can be spoilt."""
    return call(relay)


def test_serving_is_killed(callers: Any, serving: Any, failure_of: Any, later: Any, eventually: Any) -> None:
    """Serving is killed.

    Calls wait for it, and end before their deadline: `UNAVAILABLE`, `SERVING_UNAVAILABLE`. Health: `NOT_SERVING`

    When it is back; calls that wait then are answered
    """
    serving.kill()
    streaming = later(callers.stream)
    for failure in (failure_of(callers.predict), *streaming()):
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVING_UNAVAILABLE")
        assert failure.retry_after_s == 1.0
    assert not callers.serves()
    assert not callers.serves("")
    answer = later(lambda: callers.predict(50))
    serving.come_back()
    assert answer().prediction.label == "Tumor"
    eventually(callers.serves)
    assert callers.stream() == [None, None, None]


def test_serving_hangs(callers: Any, serving: Any, failure_of: Any, later: Any, eventually: Any) -> None:
    """Serving hangs.

    Calls end at their deadline: `DEADLINE_EXCEEDED`; after half a minute it counts as killed. Health: `NOT_SERVING`

    When it goes on; calls that wait then are answered
    """
    with serving.hung():
        streaming = later(callers.stream)
        for failure in (failure_of(callers.predict), *streaming()):
            assert (failure.code, failure.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert failure_of(lambda: callers.predict(0.2)).code is grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(lambda: not callers.serves())
        answer = later(lambda: callers.predict(50))
    assert answer().prediction.label == "Tumor"
    eventually(callers.serves)


def test_serving_is_slow(relayed: Any, relay: Any, failure_of: Any, later: Any, eventually: Any) -> None:
    """Serving is slow.

    Calls that have the time are answered late, others end at their deadline: `DEADLINE_EXCEEDED`. Health: `NOT_SERVING`
    where a look takes over 1 s

    With the next look that is answered in time
    """
    relay.held.clear()
    patient = later(lambda: relayed.predict(50))
    assert failure_of(relayed.predict).code is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: not relayed.serves())
    relay.heal()
    assert patient().prediction.label == "Tumor"
    eventually(relayed.serves)


def _saying(answer: bytes) -> Callable[..., bytes]:
    return lambda method, own, _context: answer if method.endswith("/Predict") else own


def _ending(code: grpc.StatusCode) -> Callable[..., bytes]:
    def fault(method: str, own: bytes, context: Any) -> bytes:
        if method.endswith("/Predict"):
            context.abort(code, "Traceback of the inside")
        return own

    return fault


def _with_output(name: str, values: Any) -> Callable[..., bytes]:
    def fault(method: str, own: bytes, _context: Any) -> bytes:
        if not method.endswith("/Predict"):
            return own
        response = PredictResponse.FromString(own)
        response.outputs[name].Clear()
        write_array(np.asarray(values), response.outputs[name])
        return bytes(response.SerializeToString())

    return fault


def _claiming(values: int) -> Callable[..., bytes]:
    response = PredictResponse()
    response.outputs["probabilities"].dtype = 1
    response.outputs["probabilities"].float_val.append(0.5)
    for size in (1, values):
        response.outputs["probabilities"].tensor_shape.dim.add(size=size)
    return _saying(response.SerializeToString())


_FAULTS = {
    "no message": _saying(_GARBAGE),
    "nothing": _saying(b""),
    "too many rows": _with_output("probabilities", np.full((33, 2), 0.5, np.float32)),  # of no batch
    "three classes": _with_output("probabilities", np.full((1, 3), 0.3, np.float32)),
    "integers": _with_output("probabilities", [[0, 1]]),
    "no number": _with_output("probabilities", np.full((1, 2), np.nan, np.float32)),
    "no distance": _with_output("ood_score", np.full(1, np.nan, np.float32)),
    "unknown": _ending(grpc.StatusCode.UNKNOWN),
    "permission denied": _ending(grpc.StatusCode.PERMISSION_DENIED),
    "300 MB": _saying(bytes(300 * _MEGABYTE)),
    "a claim to 2 GB": _claiming(2**29 - 1),
}


@pytest.mark.parametrize("fault", _FAULTS.values(), ids=_FAULTS)
def test_serving_answers_garbage(relayed: Any, relay: Any, failure_of: Any, fault: Any) -> None:
    """Serving answers garbage: no message, other tensors, NaN, a wrong status, over 256 MiB.

    `INTERNAL`, `MODEL_FAILED`, in the gateway's words; memory stays flat

    With the next good answer
    """
    relay.fault = fault
    failures = [failure_of(relayed.predict), *relayed.stream()]
    relay.heal()
    assert {(failure.code, failure.reason) for failure in failures} == {(grpc.StatusCode.INTERNAL, "MODEL_FAILED")}
    assert not any(word in failure.message for failure in failures for word in ("inside", "Error", "grpc"))
    assert psutil.Process(relayed.gateway.process.pid).memory_info().rss < 200 * _MEGABYTE
    assert relayed.stream() == [None, None, None]


def test_serving_describes_its_model_with_garbage(
    relayed: Any, relay: Any, call: Any, failure_of: Any, eventually: Any
) -> None:
    """Serving describes its versions with garbage.

    The last known versions answer on; a gateway that knows none yet: `UNAVAILABLE`, `SERVING_UNAVAILABLE`. Health:
    `NOT_SERVING`

    With the next good description
    """
    relay.fault = lambda method, own, _context: _GARBAGE if method.endswith("Metadata") else own
    eventually(lambda: not relayed.serves())
    assert relayed.stream() == [None, None, None]
    newcomer = call(relay, ready=False)
    failure = failure_of(newcomer.predict)
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVING_UNAVAILABLE")
    relay.heal()
    eventually(lambda: relayed.serves() and newcomer.serves())
