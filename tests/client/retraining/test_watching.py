"""When a watch goes on and when it gives up, by a clock that the test turns."""

import grpc
import pytest
from braintumor.errors import ServiceError
from braintumor.watching import WatchState
from google.longrunning import operations_pb2

AWAY = ServiceError(grpc.StatusCode.UNAVAILABLE, "away")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock) -> WatchState:
    return WatchState(10.0, clock)


def test_a_report_that_is_repeated_is_no_news(state):
    operation = operations_pb2.Operation(name="operations/1")
    assert state.received(operation).operation == "operations/1"
    assert state.received(operation) is None
    assert state.received(operations_pb2.Operation(name="operations/1", done=True)).done


def test_pauses_grow_to_a_bound_while_nothing_is_heard(state):
    pauses = [state.pause_s(AWAY) for _ in range(12)]
    assert 0.1 <= pauses[0] <= 0.2
    assert 2.5 <= pauses[-1] <= 5.0


def test_it_gives_up_when_nothing_was_heard_for_too_long(clock, state):
    state.pause_s(AWAY)
    clock.now_s += 9.9
    state.pause_s(AWAY)
    clock.now_s += 0.1
    with pytest.raises(ServiceError, match="away"):
        state.pause_s(AWAY)


def test_each_report_starts_the_wait_anew(clock, state):
    for _ in range(5):
        state.pause_s(AWAY)
        clock.now_s += 9
        state.received(operations_pb2.Operation())
        clock.now_s += 60  # of silence on a stream that is open
    assert state.pause_s(AWAY) <= 0.2


def test_a_stream_that_just_ends_is_opened_again(state):
    assert state.pause_s(None) > 0


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ServiceError(grpc.StatusCode.UNAVAILABLE, "no trainer", "TRAINER_UNAVAILABLE", 1.0), True),
        (ServiceError(grpc.StatusCode.DEADLINE_EXCEEDED, "we noticed"), True),
        (ServiceError(grpc.StatusCode.DEADLINE_EXCEEDED, "the gateway noticed", "DEADLINE_EXCEEDED"), True),
        (ServiceError(grpc.StatusCode.NOT_FOUND, "no job", "OPERATION_NOT_FOUND"), False),
        (ServiceError(grpc.StatusCode.INTERNAL, "a bug", "INTERNAL"), False),
        (ServiceError(grpc.StatusCode.UNAUTHENTICATED, "a proxy's word"), False),
    ],
    ids=str,
)
def test_only_what_may_pass_is_waited_out(state, error, passes):
    if passes:
        assert state.pause_s(error) > 0
    else:
        with pytest.raises(ServiceError):
            state.pause_s(error)
