"""One serving, and whether it answers."""

import pytest

from gateway.backend.replica import Replica
from gateway.errors import ServingUnavailableError


class _Serving:
    is_away = False

    async def predict(self, *_):
        if self.is_away:
            raise ServingUnavailableError("away")
        return {}

    async def look_up(self, *_):
        raise ServingUnavailableError("no answer in time")

    async def close(self):
        pass


@pytest.fixture
def serving():
    return _Serving()


@pytest.fixture
def replica(serving):
    return Replica(serving, serving.close, lambda: False)


async def test_calls_that_have_ended_are_not_given_up(replica):
    await replica.predict(1, "serving_default", [], 5.0)
    replica.give_up()


async def test_calls_that_fail_make_it_silent_and_only_looks_make_it_lost(replica, serving):
    serving.is_away = True
    for _ in range(5):
        with pytest.raises(ServingUnavailableError):
            await replica.predict(1, "serving_default", [], 5.0)
    assert not replica.answers
    assert not replica.is_lost


async def test_one_that_is_lost_stays_so_whatever_calls_fail(replica, serving):
    """Else none that callers still ask would be connected to anew."""
    for _ in range(2):
        await replica.probe(1.0)
    serving.is_away = True
    with pytest.raises(ServingUnavailableError):
        await replica.predict(1, "serving_default", [], 5.0)
    assert replica.is_lost
