"""When a stream has stalled, by a clock that the test turns."""

import grpc
import pytest
from braintumor.errors import ServiceError
from braintumor.stream import StreamState
from braintumor.v1.classifier_service_pb2 import PredictStreamResponse


@pytest.fixture
def state(clock) -> StreamState:
    return StreamState(10.0, clock)


def _answer(state: StreamState) -> None:
    state.received(PredictStreamResponse(id="a"))


def test_an_answer_that_is_owed_too_long_is_a_stall(state, clock):
    state.sent()
    clock.now_s += 10
    assert not state.stalled()
    clock.now_s += 0.1
    assert state.stalled()


def test_more_requests_start_no_wait_anew(state, clock):
    for _ in range(3):
        state.sent()
        clock.now_s += 4
    assert state.stalled()


def test_each_answer_starts_the_wait_anew(state, clock):
    for _ in range(3):
        state.sent()
    for _ in range(3):
        clock.now_s += 9
        assert not state.stalled()
        _answer(state)


def test_a_slow_source_is_no_stall(state, clock):
    state.sent()
    _answer(state)
    clock.now_s += 60
    assert not state.stalled()
    state.sent()
    clock.now_s += 9
    assert not state.stalled()


def test_a_slow_caller_is_no_stall(state, clock):
    """What has come in is not owed any more, also where nobody has taken it."""
    state.sent()
    _answer(state)
    clock.now_s += 60
    assert not state.stalled()


def test_only_a_stream_that_was_given_up_is_late(state, clock):
    """What ends it otherwise is told as it is, however long an answer was owed by then."""
    error = ServiceError(grpc.StatusCode.UNAVAILABLE, "away")
    state.sent()
    clock.now_s += 60
    assert state.stalled()
    with pytest.raises(ServiceError) as told, state.errors():
        raise error
    assert told.value is error
    state.give_up()
    with pytest.raises(ServiceError, match="no answer on the stream for 10 s") as late, state.errors():
        raise error
    assert late.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


def test_an_answer_at_the_last_moment_does_not_hide_why_a_stream_was_given_up(state, clock):
    state.sent()
    clock.now_s += 60
    state.give_up()
    _answer(state)
    with pytest.raises(ServiceError, match="no answer"), state.errors():
        raise ServiceError(grpc.StatusCode.CANCELLED, "cancelled")


def test_a_stream_that_ends_before_its_source_has_failed(state):
    state.sent()
    _answer(state)
    with pytest.raises(ServiceError, match="1 answers to 1 images"):
        state.ended()
