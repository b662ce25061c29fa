"""When a watch goes on and when it gives up, by a clock that the test turns."""

import grpc
import pytest
from braintumor.errors import ServiceError
from braintumor.watching import WatchState
from google.longrunning import operations_pb2

AWAY = ServiceError(grpc.StatusCode.UNAVAILABLE, "away")
SILENT = ServiceError(grpc.StatusCode.DEADLINE_EXCEEDED, "not a word")
REPORT = operations_pb2.Operation(name="operations/1")


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


def test_a_service_that_names_a_time_is_not_asked_before_it(state):
    refused = ServiceError(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", "QUEUE_FULL", retry_after_s=5.0)
    assert [state.pause_s(refused) for _ in range(3)] == [5.0] * 3


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


def _gives_up_after_s(state: WatchState, clock, refusals_s: float = 0.0) -> float:
    """Watches a service that refuses for some time and then says nothing. Returns when that is an error."""
    begun_s = clock.now_s
    try:
        while True:
            refused = clock.now_s - begun_s < refusals_s
            clock.now_s += 0 if refused else state.stream_s
            clock.now_s += state.pause_s(AWAY if refused else SILENT)
    except ServiceError:
        return clock.now_s - begun_s


@pytest.mark.parametrize("timeout_s", [0.5, 5.0, 60.0, 600.0])
@pytest.mark.parametrize("refused", [0.0, 0.4, 0.99, 1.2], ids="refuses for {} of it".format)
def test_it_gives_up_within_twice_the_limit_whatever_goes_wrong(clock, timeout_s, refused):
    state = WatchState(timeout_s, clock)
    state.received(REPORT)
    assert timeout_s <= _gives_up_after_s(state, clock, refused * timeout_s) <= 2.001 * timeout_s


@pytest.mark.parametrize("timeout_s", [0.5, 5.0, 60.0])
def test_a_service_that_never_said_a_word_is_given_up_at_the_limit(clock, timeout_s):
    assert timeout_s <= _gives_up_after_s(WatchState(timeout_s, clock), clock) <= 1.5 * timeout_s


def test_a_job_that_has_no_news_for_hours_is_watched_on(clock, state):
    """Each stream begins with what is known already."""
    for _ in range(5000):
        state.received(REPORT)
        clock.now_s += state.stream_s
        clock.now_s += state.pause_s(SILENT)
    assert clock.now_s > 6 * 3600


def test_a_service_that_starts_anew_after_a_long_silence_is_waited_for(clock, state):
    """It was not away while the stream was open."""
    state.received(REPORT)
    clock.now_s += state.stream_s
    begun_s = clock.now_s
    while clock.now_s < begun_s + 9.9:
        clock.now_s += state.pause_s(AWAY)


def test_no_pause_goes_beyond_the_limit(clock, state):
    clock.now_s += 9.99
    assert state.pause_s(AWAY) <= 0.011


def test_a_service_may_be_away_for_days(clock):
    state = WatchState(3 * 86400.0, clock)
    for _ in range(3000):
        clock.now_s += state.pause_s(AWAY)


def test_a_time_that_is_no_number_is_told():
    with pytest.raises(ValueError, match="number of seconds"):
        WatchState(float("nan"))


def test_a_stream_that_just_ends_is_opened_again(state):
    assert state.pause_s(None) > 0


def test_streams_that_just_end_are_given_up_like_those_that_break(clock, state):
    state.pause_s(None)
    clock.now_s += 10
    with pytest.raises(ServiceError, match="the stream ended"):
        state.pause_s(None)


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
