"""Micro-batching, on a model that adds up pixels."""

import asyncio

import numpy as np
import pytest

from gateway.backend.batcher import Batcher, BatchKey
from gateway.caller import current as current_caller
from gateway.errors import DeadlineExceededError, ModelFailedError, ServingUnavailableError, VersionGoneError
from gateway.outlook import Outlook

_KEY = BatchKey(1, "serving_default")


class _Model:
    """Adds up the pixels of each image; calls wait until the gate is open."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls = []
        self.timeouts_s = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.cancelled = 0
        self.failure = None
        self.poison = None

    async def predict(self, version, signature, images, timeout_s):
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.calls.append((version, signature, [int(image[0]) for image in images]))
        self.timeouts_s.append(timeout_s)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            if self.failure is not None:
                raise self.failure
            if any(image[0] == self.poison for image in images):
                raise ModelFailedError("one of them is bad")
            return {"sum": np.array([image.sum() for image in images])}
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1

    def batch_sizes(self):
        return [len(images) for _, _, images in self.calls]


@pytest.fixture
def model():
    return _Model()


def _image(value):
    return np.array([value, 1], np.uint8)


def _far():
    return asyncio.get_running_loop().time() + 60


def _submit(batcher, value, key=_KEY, deadline=None):
    return asyncio.ensure_future(batcher.submit(key, _image(value), deadline or _far()))


async def _turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_lone_caller_goes_at_once(model):
    batcher = Batcher(model, 32, 2)
    assert await batcher.submit(_KEY, _image(4), _far()) == {"sum": 5}
    assert model.batch_sizes() == [1]


async def test_callers_that_arrive_together_share_a_call(model):
    batcher = Batcher(model, 32, 2)
    rows = await asyncio.gather(*(_submit(batcher, value) for value in range(20)))
    assert [row["sum"] for row in rows] == [value + 1 for value in range(20)]
    assert model.batch_sizes() == [20]


async def test_callers_that_arrive_during_a_call_make_up_the_next_one(model):
    batcher = Batcher(model, 32, 1)
    model.gate.clear()
    first = _submit(batcher, 0)
    await _turns()
    others = [_submit(batcher, value) for value in range(1, 11)]
    await _turns()
    assert model.batch_sizes() == [1]
    model.gate.set()
    rows = await asyncio.gather(first, *others)
    assert [row["sum"] for row in rows] == list(range(1, 12))
    assert model.batch_sizes() == [1, 10]


async def test_batches_and_calls_in_flight_are_bounded(model):
    batcher = Batcher(model, 8, 2)
    rows = await asyncio.gather(*(_submit(batcher, value) for value in range(50)))
    assert [row["sum"] for row in rows] == [value + 1 for value in range(50)]
    assert max(model.batch_sizes()) == 8
    assert model.most_in_flight == 2


async def test_versions_and_signatures_never_share_a_call_and_go_in_order_of_arrival(model):
    batcher = Batcher(model, 32, 1)
    model.gate.clear()
    keys = [BatchKey(1, "serving_default"), BatchKey(2, "serving_default"), BatchKey(1, "explain")]
    calls = [_submit(batcher, 9)]
    await _turns()
    calls += [_submit(batcher, value, keys[value % 3]) for value in range(6)]
    await _turns()
    model.gate.set()
    await asyncio.gather(*calls)
    assert model.calls[1:] == [(*keys[0], [0, 3]), (*keys[1], [1, 4]), (*keys[2], [2, 5])]


async def test_callers_take_turns(model):
    """Whoever has many images waits for whoever has few, and is in nobody's way who comes later."""
    images_of = {"many": [*range(10)], "two": [100, 101], "one": [200]}
    batcher = Batcher(model, 2, 1)
    model.gate.clear()
    waiting = [_submit(batcher, 255)]
    await _turns()
    for name, images in images_of.items():
        current_caller.set(name)
        waiting += [_submit(batcher, image) for image in images]
    await _turns()
    model.gate.set()
    await asyncio.gather(*waiting)
    assert [image for _, _, images in model.calls for image in images] == [255, 0, 100, 200, 1, 101, *range(2, 10)]


async def test_those_who_come_later_never_keep_an_image_from_its_turn(model):
    batcher = Batcher(model, 1, 1)
    model.gate.clear()
    current_caller.set("many")
    waiting = [_submit(batcher, image) for image in (0, 1, 2)]
    await _turns()
    for number in range(5):
        current_caller.set(f"newcomer {number}")
        waiting.append(_submit(batcher, 100 + number))
    await _turns()
    model.gate.set()
    await asyncio.gather(*waiting)
    assert [image for _, _, images in model.calls for image in images] == [0, 1, *range(100, 105), 2]


async def test_who_has_many_images_has_a_turn_in_each_round_of_those_who_come_again_and_again(model):
    batcher = Batcher(model, 1, 1)

    async def come_again(name):
        current_caller.set(name)
        for _ in range(10):
            await batcher.submit(_KEY, _image(0), _far())

    model.gate.clear()
    current_caller.set("many")
    waiting = [_submit(batcher, image) for image in range(1, 5)]
    waiting += [asyncio.ensure_future(come_again(f"other {number}")) for number in range(3)]
    await _turns()
    model.gate.set()
    await asyncio.gather(*waiting)
    order = [image for _, _, images in model.calls for image in images]
    assert [order.index(image) for image in range(1, 5)] == [0, 4, 8, 12]


async def test_a_caller_that_leaves_is_not_sent(model):
    batcher = Batcher(model, 32, 1)
    model.gate.clear()
    first = _submit(batcher, 0)
    await _turns()
    stays, leaves = _submit(batcher, 1), _submit(batcher, 2)
    await _turns()
    leaves.cancel()
    await _turns()
    model.gate.set()
    await asyncio.gather(first, stays)
    assert model.calls[1] == (*_KEY, [1])
    assert leaves.cancelled()


async def _left_by_one(model, batcher):
    """Submits two images, whose call the first caller leaves while it is under way."""
    model.gate.clear()
    leaves, stays = _submit(batcher, 1), _submit(batcher, 2)
    await _turns()
    leaves.cancel()
    await _turns()
    model.gate.set()
    return leaves, stays


async def test_the_answer_to_a_caller_that_left_is_dropped(model):
    leaves, stays = await _left_by_one(model, Batcher(model, 32, 1))
    assert await stays == {"sum": 3}
    assert leaves.cancelled()


async def test_a_call_whose_callers_have_all_left_is_cancelled(model):
    batcher = Batcher(model, 32, 1)
    model.gate.clear()
    callers = [_submit(batcher, value) for value in range(3)]
    await _turns()
    for caller in callers:
        caller.cancel()
    await _turns()
    assert model.cancelled == 1
    model.gate.set()
    assert await batcher.submit(_KEY, _image(4), _far()) == {"sum": 5}


async def test_a_call_lasts_no_longer_than_its_most_patient_caller(model):
    batcher = Batcher(model, 32, 1)
    now = asyncio.get_running_loop().time()
    await asyncio.gather(*(_submit(batcher, value, deadline=now + 1 + value) for value in range(4)))
    assert 3 < model.timeouts_s[0] <= 4


async def test_one_bad_image_does_not_fail_its_neighbours(model):
    model.poison = 3
    batcher = Batcher(model, 32, 2)
    callers = [_submit(batcher, value) for value in range(6)]
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(outcome, ModelFailedError) for outcome in outcomes] == [value == 3 for value in range(6)]
    assert [outcome["sum"] for value, outcome in enumerate(outcomes) if value != 3] == [1, 2, 3, 5, 6]


async def test_who_has_left_a_spoilt_call_is_not_sent_apart(model):
    model.poison = 0
    batcher = Batcher(model, 32, 1)
    model.gate.clear()
    bad, leaves, stays = (_submit(batcher, value) for value in range(3))
    await _turns()
    leaves.cancel()
    await _turns()
    model.gate.set()
    await asyncio.gather(bad, stays, return_exceptions=True)
    assert [images for _, _, images in model.calls] == [[0, 1, 2], [0], [2]]


@pytest.mark.parametrize("failure", [VersionGoneError("gone"), ServingUnavailableError("away")])
async def test_a_failed_call_fails_all_its_callers_each_with_an_exception_of_its_own(model, failure):
    model.failure = failure
    batcher = Batcher(model, 32, 2)
    outcomes = await asyncio.gather(*(_submit(batcher, value) for value in range(4)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {type(failure)}
    assert {str(outcome) for outcome in outcomes} == {str(failure)}
    assert len({id(outcome) for outcome in outcomes}) == 4
    assert model.batch_sizes() == [4]


async def test_a_failed_call_fails_those_who_stay_although_others_have_left(model):
    model.failure = ServingUnavailableError("away")
    _, stays = await _left_by_one(model, Batcher(model, 32, 2))
    with pytest.raises(ServingUnavailableError):
        await asyncio.wait_for(stays, 10)


async def test_an_unforeseen_error_is_the_callers_answer_and_not_the_batchers_end(model):
    model.failure = ZeroDivisionError()
    batcher = Batcher(model, 32, 2)
    with pytest.raises(ModelFailedError) as caught:
        await batcher.submit(_KEY, _image(1), _far())
    assert caught.value.__cause__.__cause__ is model.failure
    model.failure = None
    assert await batcher.submit(_KEY, _image(4), _far()) == {"sum": 5}


class _Clocked:
    """The time of the loop, which a test moves on."""

    def __init__(self, monkeypatch):
        self._loop = asyncio.get_running_loop()
        self._ahead_s = 0.0
        real = self._loop.time
        monkeypatch.setattr(self._loop, "time", lambda: real() + self._ahead_s)

    def move_on(self, seconds):
        self._ahead_s += seconds


async def _held(model, batcher, clock, seconds):
    """One call that takes so long."""
    model.gate.clear()
    running = _submit(batcher, 1)
    await _turns()
    clock.move_on(seconds)
    model.gate.set()
    await running


async def test_the_outlook_is_that_of_the_calls_ahead(model, monkeypatch):
    batcher, clock = Batcher(model, 4, 2), _Clocked(monkeypatch)
    assert batcher.outlook() == Outlook(0, 0)
    await _held(model, batcher, clock, 3.0)
    takes_s = batcher.outlook().work_s
    assert takes_s == pytest.approx(3.0, abs=0.5)
    assert batcher.outlook().wait_s == 0
    model.gate.clear()
    calls = [_submit(batcher, 1), _submit(batcher, 2, BatchKey(2, "serving_default"))]
    await _turns()
    assert batcher.outlook().wait_s == pytest.approx(takes_s / 2)
    calls += [_submit(batcher, 3) for _ in range(9)]
    await _turns()
    assert batcher.outlook().wait_s == pytest.approx(3 * takes_s / 2)
    model.gate.set()
    await asyncio.gather(*calls)


async def test_an_image_that_would_be_late_leaves_its_place_to_those_that_are_in_time(model, monkeypatch):
    batcher, clock = Batcher(model, 4, 1), _Clocked(monkeypatch)
    await _held(model, batcher, clock, 3.0)
    model.gate.clear()
    first = _submit(batcher, 1)
    await _turns()
    now = asyncio.get_running_loop().time()
    late = [_submit(batcher, 2, deadline=now + 1) for _ in range(4)]
    in_time = [_submit(batcher, 3, deadline=now + 30) for _ in range(4)]
    await _turns()
    model.gate.set()
    await asyncio.gather(first, *in_time)
    outcomes = await asyncio.gather(*late, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {DeadlineExceededError}
    assert [images for _, _, images in model.calls] == [[1], [1], [3] * 4]


async def test_one_that_leaves_as_it_is_dropped_has_left(model, monkeypatch):
    batcher, clock = Batcher(model, 4, 1), _Clocked(monkeypatch)
    await _held(model, batcher, clock, 3.0)
    now = asyncio.get_running_loop().time()
    late, in_time = _submit(batcher, 2, deadline=now + 1), _submit(batcher, 3, deadline=now + 30)
    await asyncio.sleep(0)
    batcher._send()
    late.cancel()
    await asyncio.gather(late, in_time, return_exceptions=True)
    assert late.cancelled()


async def test_where_all_would_be_late_they_go_on(model, monkeypatch):
    """What is known of the time may be wrong, and this is how it gets better."""
    batcher, clock = Batcher(model, 4, 1), _Clocked(monkeypatch)
    await _held(model, batcher, clock, 300.0)
    answers = await asyncio.gather(*(_submit(batcher, 2) for _ in range(3)))
    assert len(answers) == 3


async def _given_up(monkeypatch, usual_s, after_s):
    """Returns what an image is thought to take, before a call for one is given up and after it was."""
    model = _Model()
    batcher, clock = Batcher(model, 4, 1), _Clocked(monkeypatch)
    await _held(model, batcher, clock, usual_s)
    before_s = batcher.outlook().work_s
    model.gate.clear()
    running = _submit(batcher, 2)
    await _turns()
    clock.move_on(after_s)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await _turns()
    model.gate.set()
    return before_s, batcher.outlook().work_s


async def test_a_call_that_is_given_up_has_taken_at_least_so_long(monkeypatch):
    before_s, now_s = await _given_up(monkeypatch, 1.0, after_s=10.0)
    assert now_s > before_s + 1


async def test_a_call_that_serving_ends_at_its_deadline_has_taken_at_least_so_long(model, monkeypatch):
    batcher, clock = Batcher(model, 4, 1), _Clocked(monkeypatch)
    await _held(model, batcher, clock, 1.0)
    before_s = batcher.outlook().work_s
    model.failure = DeadlineExceededError("late")
    with pytest.raises(DeadlineExceededError):
        await _held(model, batcher, clock, 10.0)
    assert batcher.outlook().work_s > before_s + 1


async def test_a_call_that_is_given_up_soon_tells_nothing_of_its_time(monkeypatch):
    before_s, now_s = await _given_up(monkeypatch, 3.0, after_s=0.0)
    assert now_s == pytest.approx(before_s)
