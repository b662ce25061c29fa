"""Which calls a canary gets."""

import asyncio
import random

import pytest

from gateway.backend.canary import Canary
from gateway.backend.served_version import ServedVersion
from gateway.errors import TrainerUnavailableError
from gateway.imaging import InputSpec

_KEYS = [f"patient {number}" for number in range(10_000)]


class _View:
    def __init__(self, **served):
        self.served = {label: _version(number) for label, number in served.items()}


class _Shares:
    def __init__(self, **percents):
        self.percents = {int(version.removeprefix("v")): percent for version, percent in percents.items()}
        self.away = False
        self.asked = 0

    async def canary_percent(self, version):
        self.asked += 1
        if self.away:
            raise TrainerUnavailableError("away")
        return self.percents.get(version, 0.0)


def _version(number):
    return ServedVersion(number, InputSpec(8, 8, 1), explains=True)


async def _stepped(view, shares, **options):
    canary = Canary(view, shares, **options)
    await canary.step()
    return canary


def _chosen(canary, keys=_KEYS):
    return {key for key in keys if canary.version_for(key) is not None}


@pytest.mark.parametrize("percent", [0.0, 1.0, 10.0, 50.0, 100.0])
async def test_keys_are_shared_out_by_the_percentage(percent):
    canary = await _stepped(_View(stable=7, canary=8), _Shares(v8=percent))
    # Three standard deviations of 10,000 draws are at most 1.5 %; at 0 and 100 there is no chance in it.
    tolerance = 3 * (percent * (100 - percent) / len(_KEYS)) ** 0.5
    assert len(_chosen(canary)) / len(_KEYS) * 100 == pytest.approx(percent, abs=tolerance)


@pytest.mark.parametrize("percent", [0.0, 10.0, 100.0])
async def test_calls_without_a_key_are_drawn_one_by_one(percent):
    draw = random.Random(1).random  # noqa: S311 the same draws in each run
    canary = await _stepped(_View(stable=7, canary=8), _Shares(v8=percent), draw=draw)
    chosen = sum(canary.version_for("") is not None for _ in range(10_000))
    tolerance = 3 * (percent * (100 - percent) / 10_000) ** 0.5
    assert chosen / 100 == pytest.approx(percent, abs=tolerance)


@pytest.mark.parametrize(("percent", "drawn"), [(0.0, 0.0), (50.0, 0.5)])
async def test_a_share_ends_below_its_percentage(percent, drawn):
    canary = await _stepped(_View(canary=8), _Shares(v8=percent), draw=lambda: drawn)
    assert canary.version_for("") is None


async def test_a_share_that_changes_is_logged_once(caplog):
    caplog.set_level("INFO")
    view, shares = _View(canary=8), _Shares(v8=10.0)
    canary = await _stepped(view, shares)
    await canary.step()
    shares.percents[8] = 20.0
    await canary.step()
    view.served.clear()
    await canary.step()
    logged = [(record.message, record.model_version, record.percent) for record in caplog.records]
    assert logged == [("canary changed", version, percent) for version, percent in ((8, 10.0), (8, 20.0), (0, 0.0))]


async def test_a_key_sticks_in_every_gateway():
    view, shares = _View(stable=7, canary=8), _Shares(v8=30.0)
    assert _chosen(await _stepped(view, shares)) == _chosen(await _stepped(view, shares))


async def test_a_share_that_grows_takes_no_key_away():
    view, shares = _View(stable=7, canary=8), _Shares(v8=10.0)
    canary = await _stepped(view, shares)
    before = _chosen(canary)
    shares.percents[8] = 20.0
    await canary.step()
    assert before < _chosen(canary)


async def test_each_canary_has_keys_of_its_own():
    one = _chosen(await _stepped(_View(canary=8), _Shares(v8=50.0)))
    other = _chosen(await _stepped(_View(canary=9), _Shares(v9=50.0)))
    assert 0.4 < len(one & other) / len(one) < 0.6


async def test_without_the_label_no_call_goes_there_at_once():
    view = _View(stable=7, canary=8)
    canary = await _stepped(view, _Shares(v8=100.0))
    assert canary.version_for("a") == _version(8)
    del view.served["canary"]
    assert canary.version_for("a") is None


async def test_without_the_label_the_trainer_is_not_asked():
    shares = _Shares(v8=100.0)
    await _stepped(_View(stable=7), shares)
    assert shares.asked == 0


async def test_while_the_trainer_is_away_the_last_share_stays():
    view, shares = _View(stable=7, canary=8), _Shares(v8=100.0)
    canary = await _stepped(view, shares)
    shares.away = True
    await canary.step()
    assert canary.version_for("") == _version(8)


async def test_another_canary_gets_nothing_before_its_share_is_known():
    view, shares = _View(stable=7, canary=8), _Shares(v8=100.0, v9=100.0)
    canary = await _stepped(view, shares)
    view.served["canary"] = _version(9)
    assert canary.version_for("") is None
    shares.away = True
    await canary.step()
    assert canary.version_for("") is None
    shares.away = False
    await canary.step()
    assert canary.version_for("") == _version(9)


async def test_a_label_that_comes_back_needs_its_share_anew():
    view, shares = _View(stable=7, canary=8), _Shares(v8=100.0)
    canary = await _stepped(view, shares)
    version = view.served.pop("canary")
    await canary.step()
    view.served["canary"] = version
    shares.away = True
    await canary.step()
    assert canary.version_for("") is None


async def test_a_look_that_began_earlier_takes_nothing_back():
    asked, told = asyncio.Event(), asyncio.Event()

    class SlowAtFirst(_Shares):
        async def canary_percent(self, version):
            percent = await super().canary_percent(version)
            if self.asked == 1:
                asked.set()
                await told.wait()
            return percent

    shares = SlowAtFirst(v8=0.0)
    canary = Canary(_View(stable=7, canary=8), shares)
    earlier = asyncio.ensure_future(canary.step())
    await asked.wait()
    shares.percents[8] = 100.0
    later = asyncio.ensure_future(canary.step())
    await asyncio.sleep(0.01)
    told.set()
    await asyncio.gather(earlier, later)
    assert canary.version_for("") is not None
