"""Retries of calls that serving could not take."""

import asyncio
import time

import pytest

from gateway.backend.retry import retrying
from gateway.errors import ModelFailedError, ServingBusyError, ServingUnavailableError


class _Attempts:
    def __init__(self, *failures):
        self.failures = list(failures)
        self.made = 0

    async def __call__(self):
        self.made += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def _deadline(seconds):
    return asyncio.get_running_loop().time() + seconds


async def test_a_call_that_succeeds_is_made_once():
    attempts = _Attempts()
    assert await retrying(attempts, _deadline(5)) == "answer"
    assert attempts.made == 1


async def test_an_absent_server_is_tried_again():
    attempts = _Attempts(*[ServingUnavailableError("away")] * 3)
    assert await retrying(attempts, _deadline(5)) == "answer"
    assert attempts.made == 4


@pytest.mark.parametrize(
    ("failure", "first_s", "longest_s"),
    [(ServingUnavailableError("away"), 0.05, 0.5), (ServingBusyError("busy"), 0.02, 0.2)],
)
async def test_pauses_double_up_to_the_longest(monkeypatch, failure, first_s, longest_s):
    """One that is back is found within half a second, whatever time its caller has."""
    pauses_s = []

    async def sleep(pause_s):
        pauses_s.append(pause_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await retrying(_Attempts(*[failure] * 5), _deadline(3600))
    longest = [min(first_s * 2**number, longest_s) for number in range(5)]
    assert all(pause_s / 2 <= found_s <= pause_s for pause_s, found_s in zip(longest, pauses_s, strict=True))


async def test_an_absent_server_is_given_up_before_the_deadline():
    attempts = _Attempts(*[ServingUnavailableError("away")] * 1000)
    deadline = _deadline(0.5)
    with pytest.raises(ServingUnavailableError):
        await retrying(attempts, deadline)
    assert _deadline(0) < deadline
    assert attempts.made > 1


async def test_no_try_begins_so_late_that_its_answer_would_not_be_seen():
    attempts = _Attempts(ServingUnavailableError("away"))
    with pytest.raises(ServingUnavailableError):
        await retrying(attempts, _deadline(0.07))  # of which 0.05 s are for the answer, and a pause takes 0.025 s
    assert attempts.made == 1


async def test_a_busy_server_is_given_up_soon():
    attempts = _Attempts(*[ServingBusyError("busy")] * 1000)
    begun = time.monotonic()
    with pytest.raises(ServingBusyError):
        await retrying(attempts, _deadline(60))
    assert time.monotonic() - begun < 5
    assert attempts.made == 6


async def test_other_errors_are_not_tried_again():
    attempts = _Attempts(ModelFailedError("broken"))
    with pytest.raises(ModelFailedError):
        await retrying(attempts, _deadline(5))
    assert attempts.made == 1
