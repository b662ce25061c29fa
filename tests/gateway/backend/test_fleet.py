"""Several replicas as one serving."""

import asyncio

import pytest

from gateway.backend.fleet import Fleet
from gateway.backend.replica import Replica
from gateway.backend.served_version import ServedVersion
from gateway.errors import (
    ModelFailedError,
    ModelVersionNotFoundError,
    NoModelError,
    ServingBusyError,
    ServingUnavailableError,
    UnsupportedSignatureError,
    VersionGoneError,
    VersionLabelNotFoundError,
)
from gateway.imaging import InputSpec


class _Serving:
    """A replica that holds versions, or fails at everything."""

    def __init__(self, versions=(), labels=(), failure=None):
        self.versions = set(versions)
        self.labels = dict(labels)
        self.failure = failure
        self.predicted = []
        self.timeouts_s = []
        self.looks = 0
        self.is_closed = False
        self.hangs = False

    async def predict(self, version, signature, images, timeout_s):
        self.predicted.append((version, signature, images))
        self.timeouts_s.append(timeout_s)
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        if version not in self.versions:
            raise VersionGoneError(str(version))
        return {"answer": version}

    async def look_up(self, selector, timeout_s):
        assert timeout_s == 1.0
        self.looks += 1
        if self.hangs:
            raise ServingUnavailableError("no answer in time")
        if self.failure is not None:
            raise self.failure
        if isinstance(selector, str) and selector not in self.labels:
            raise VersionLabelNotFoundError(selector)
        if selector is None and not self.versions:
            raise NoModelError("none")
        number = {None: max(self.versions, default=0), **self.labels}.get(selector, selector)
        if number not in self.versions:
            raise ModelVersionNotFoundError(str(number))
        return _version(number)

    async def close(self):
        self.is_closed = True


def _version(number):
    return ServedVersion(number, InputSpec(8, 8, 1), explains=True)


class _Fleet(Fleet):
    """Of replicas by target; the test changes `targets`, `servings` and `credentials`."""

    def __init__(self, *servings, longest_call_s=60.0):
        self.servings = dict(enumerate(servings))
        self.targets = set(self.servings)
        self.credentials = object()
        super().__init__(self._look, self._open, longest_call_s)

    async def _look(self):
        return self.targets

    def _open(self, target):
        serving, credentials = self.servings[target], self.credentials
        return Replica(serving, serving.close, lambda: self.credentials is not credentials)

    async def predict_one(self, version=1):
        return await self.predict(version, "serving_default", ["image"], 5.0)


async def _stepped(*servings, **fields):
    fleet = _Fleet(*servings, **fields)
    await fleet.step()
    return fleet


async def test_calls_go_round():
    servings = [_Serving({1}) for _ in range(3)]
    fleet = await _stepped(*servings)
    for _ in range(6):
        assert await fleet.predict_one() == {"answer": 1}
    assert [len(serving.predicted) for serving in servings] == [2, 2, 2]
    assert servings[0].predicted[0] == (1, "serving_default", ["image"])


async def test_the_next_one_has_the_time_that_the_others_left():
    class _Slow(_Serving):
        async def predict(self, *_):
            await asyncio.sleep(0.05)
            raise ServingBusyError("busy")

    well = _Serving({1})
    fleet = await _stepped(_Slow({1}), well)
    for _ in range(2):
        await fleet.predict_one()
    assert min(well.timeouts_s) <= 4.96


@pytest.mark.parametrize("refusal", [ServingUnavailableError("away"), ServingBusyError("busy"), VersionGoneError("1")])
async def test_what_one_refuses_another_takes_at_once(refusal):
    well, failing = _Serving({1}), _Serving({1})
    fleet = await _stepped(failing, well, failing)
    failing.failure = refusal
    for _ in range(4):
        assert await fleet.predict_one() == {"answer": 1}
    assert len(well.predicted) == 4
    assert failing.predicted
    assert 4.5 < min(well.timeouts_s) <= 5.0


async def test_a_model_that_fails_on_an_image_fails_everywhere():
    failing, well = _Serving({1}, failure=ModelFailedError("spoilt")), _Serving({1})
    fleet = await _stepped(failing, well)
    with pytest.raises(ModelFailedError):
        await fleet.predict_one()
    assert not well.predicted


async def test_one_that_is_away_is_left_alone_until_it_answers_again():
    away, well = _Serving({1}), _Serving({1})
    fleet = await _stepped(away, well)
    away.failure = ServingUnavailableError("away")
    await fleet.predict_one()
    for _ in range(4):
        await fleet.predict_one()
        await fleet.look_up(None, 1.0)
    assert (len(away.predicted), away.looks) == (1, 1)
    away.failure = None
    await fleet.step()
    for _ in range(2):
        await fleet.predict_one()
    assert len(away.predicted) == 2


async def test_a_batch_that_one_falls_silent_over_goes_to_another():
    hanging, well = _Serving({1}), _Serving({1})
    fleet = await _stepped(hanging, well)
    hanging.hangs = True
    call = asyncio.ensure_future(fleet.predict_one())
    await fleet.step()  # Once may be chance.
    assert (len(hanging.predicted), len(well.predicted)) == (1, 0)
    await fleet.step()
    assert await call == {"answer": 1}


async def test_a_call_stays_with_one_that_answers_looks_however_long_it_takes():
    slow, well = _Serving({1}), _Serving({1})
    fleet = await _stepped(slow, well)
    slow.hangs = True
    call = asyncio.ensure_future(fleet.predict_one())
    await asyncio.sleep(0)
    slow.hangs = False  # The call that is under way hangs on.
    for _ in range(3):
        await fleet.step()
    assert (len(slow.predicted), len(well.predicted)) == (1, 0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_nobody_is_given_up_for_silence_where_no_other_answers():
    hanging = _Serving({1})
    fleet = await _stepped(hanging)
    hanging.hangs = True
    call = asyncio.ensure_future(fleet.predict_one())
    for _ in range(5):
        await fleet.step()
    assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_where_none_answers_any_may_be_back():
    servings = [_Serving({1}, failure=ServingUnavailableError("away")) for _ in range(2)]
    fleet = await _stepped(*servings)
    with pytest.raises(ServingUnavailableError):
        await fleet.predict_one()
    assert [len(serving.predicted) for serving in servings] == [1, 1]
    servings[1].failure = None
    assert await fleet.predict_one() == {"answer": 1}
    assert await fleet.look_up(1, 1.0) == _version(1)


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ([ServingBusyError("busy"), VersionGoneError("1")], ServingBusyError),
        ([VersionGoneError("1"), ServingUnavailableError("away")], VersionGoneError),
    ],
)
async def test_what_is_told_is_what_says_most_about_all(failures, expected):
    servings = [_Serving({1}) for _ in failures]
    fleet = await _stepped(*servings)
    for serving, failure in zip(servings, failures, strict=True):
        serving.failure = failure
    for _ in range(2):
        with pytest.raises(expected):
            await fleet.predict_one()


async def test_a_version_is_served_while_any_replica_holds_it():
    fleet = await _stepped(_Serving({7}), _Serving({7}), _Serving({8}))
    assert await fleet.look_up(8, 1.0) == _version(8)
    assert await fleet.predict_one(8) == {"answer": 8}
    with pytest.raises(ModelVersionNotFoundError):
        await fleet.look_up(9, 1.0)
    with pytest.raises(VersionGoneError):
        await fleet.predict_one(9)


async def test_where_replicas_differ_most_of_them_decide():
    ahead, behind = _Serving({7, 8}, {"stable": 8}), _Serving({7}, {"stable": 7})
    fleet = await _stepped(ahead, behind, behind)
    assert await fleet.look_up("stable", 1.0) == _version(7)
    assert await fleet.look_up(None, 1.0) == _version(7)
    fleet = await _stepped(behind, ahead)
    assert await fleet.look_up("stable", 1.0) == _version(8)


async def test_a_label_that_only_some_know_is_known():
    fleet = await _stepped(_Serving({7}), _Serving({7}), _Serving({7, 8}, {"canary": 8}))
    assert await fleet.look_up("canary", 1.0) == _version(8)
    with pytest.raises(VersionLabelNotFoundError):
        await fleet.look_up("shadow", 1.0)


async def test_a_label_whose_version_is_not_there_is_more_than_none():
    fleet = await _stepped(_Serving({7}), _Serving({7}, {"stable": 8}), _Serving())
    with pytest.raises(ModelVersionNotFoundError):
        await fleet.look_up("stable", 1.0)


async def test_a_version_that_cannot_be_fed_is_told_of_before_a_retry_is_advised():
    fleet = await _stepped(_Serving({7}), _Serving({7}))
    fleet.servings[0].failure, fleet.servings[1].failure = ServingBusyError("busy"), UnsupportedSignatureError("7")
    with pytest.raises(UnsupportedSignatureError):
        await fleet.look_up(7, 1.0)


async def test_without_replicas_a_retry_may_help():
    fleet = await _stepped()
    for asked in (fleet.predict_one(), fleet.look_up(None, 1.0)):
        with pytest.raises(ServingUnavailableError):
            await asked


async def test_replicas_come_and_go_with_the_name_service():
    old, new = _Serving({1}), _Serving({1})
    fleet = _Fleet(old, new, longest_call_s=0.0)
    fleet.targets = {0}
    await fleet.step()
    fleet.targets = {1}
    await fleet.step()
    await fleet.predict_one()
    assert (len(old.predicted), len(new.predicted)) == (0, 1)
    await fleet.step()
    assert old.is_closed
    assert not new.is_closed
    looks = old.looks
    await fleet.step()
    assert old.looks == looks


@pytest.mark.parametrize("leads_nowhere", [False, True])
async def test_one_that_is_lost_is_connected_to_anew_with_renewed_credentials(leads_nowhere):
    lost, well, renewed = _Serving({1}), _Serving({1}), _Serving({1})
    fleet = await _stepped(lost, well, longest_call_s=0.0)
    if leads_nowhere:
        fleet.targets = None
    fleet.servings = {0: renewed, 1: renewed}
    lost.failure = ServingUnavailableError("its certificate is of another authority")
    for _ in range(4):
        await fleet.step()  # It may be back: as long as they are the same, a new channel is none the better.
    assert (lost.is_closed, fleet._leaving) == (False, {})
    fleet.credentials = object()
    await fleet.step()
    for _ in range(4):
        await fleet.predict_one()
    assert (len(lost.predicted), len(well.predicted), len(renewed.predicted)) == (0, 2, 2)
    await fleet.step()
    assert (lost.is_closed, well.is_closed) == (True, False)


async def test_a_late_look_at_renewed_credentials_ends_no_connection():
    """They may be wrong."""
    serving = _Serving({1})
    fleet = await _stepped(serving)
    fleet.credentials = object()
    for failure in (ServingUnavailableError("late"), None, ServingUnavailableError("late"), None):
        serving.failure = failure
        await fleet.step()
    assert await fleet.predict_one() == {"answer": 1}
    assert not fleet._leaving


async def test_while_a_name_leads_nowhere_the_last_replicas_stay():
    serving = _Serving({1})
    fleet = await _stepped(serving)
    fleet.targets = None
    await fleet.step()
    assert await fleet.predict_one() == {"answer": 1}


async def test_one_that_leaves_has_time_for_the_calls_in_flight():
    leaving, staying = _Serving({1}), _Serving({1})
    fleet = await _stepped(leaving, staying)
    fleet.targets = {1}
    await fleet.step()
    await asyncio.sleep(0)
    assert not leaving.is_closed
    await fleet.aclose()
    assert leaving.is_closed
    assert staying.is_closed


async def test_where_one_that_leaves_falls_silent_its_calls_go_to_others():
    """As a pod whose node is lost, which the name service forgets before anybody misses an answer."""
    leaving, staying = _Serving({1}), _Serving({1})
    fleet = await _stepped(leaving, staying)
    leaving.hangs = True
    call = asyncio.create_task(fleet.predict_one())
    await asyncio.sleep(0)
    fleet.targets = {1}
    for _ in range(2):
        await fleet.step()
    for _ in range(10):
        await asyncio.sleep(0)
    assert call.done()
    assert call.result() == {"answer": 1}
    assert (len(leaving.predicted), len(staying.predicted)) == (1, 1)
