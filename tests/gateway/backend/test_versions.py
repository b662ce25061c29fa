"""Which version answers."""

import asyncio
import itertools

import grpc
import pytest

from gateway.backend.served_version import ServedVersion
from gateway.backend.serving_client import ServingClient
from gateway.backend.versions import Versions
from gateway.errors import (
    ModelVersionNotFoundError,
    NoModelError,
    ServingBusyError,
    ServingUnavailableError,
    UnsupportedSignatureError,
    VersionLabelNotFoundError,
)
from gateway.imaging import InputSpec


class _Registry:
    """A serving that is a dict of labels and a set of versions."""

    def __init__(self, labels=(), versions=()):
        self.labels = dict(labels)
        self.versions = set(versions)
        self.failure = None
        self.failures = {}
        self.lookups = []
        self.timeouts_s = []

    async def look_up(self, selector, timeout_s):
        self.timeouts_s.append(timeout_s)
        self.lookups.append(selector)
        await asyncio.sleep(0)
        failure = self.failures.get(selector, self.failure)
        if failure is not None:
            raise failure
        number = selector
        if isinstance(selector, str):
            if selector not in self.labels:
                raise VersionLabelNotFoundError(selector)
            number = self.labels[selector]
        elif selector is None:
            if not self.versions:
                raise NoModelError("none")
            number = max(self.versions)
        if number not in self.versions:
            raise ModelVersionNotFoundError(str(number))
        return _version(number)


def _version(number):
    return ServedVersion(number, InputSpec(8 * number, 8, 1), explains=True)


def _far():
    return asyncio.get_running_loop().time() + 60


async def _stepped(registry):
    versions = Versions(registry)
    await versions.step()
    return versions


async def test_calls_without_selector_go_to_the_stable_version():
    versions = await _stepped(_Registry({"stable": 3, "canary": 5}, {3, 4, 5}))
    assert versions.ready
    assert await versions.resolve(None, _far()) == _version(3)
    assert await versions.resolve("stable", _far()) == _version(3)
    assert await versions.resolve("canary", _far()) == _version(5)
    assert versions.served == {"stable": _version(3), "canary": _version(5)}


async def test_without_labels_they_go_to_the_latest_version():
    versions = await _stepped(_Registry(versions={1, 2}))
    assert await versions.resolve(None, _far()) == _version(2)
    assert await versions.resolve("stable", _far()) == _version(2)
    assert versions.served == {"": _version(2)}


async def test_a_label_that_moves_is_followed_at_the_next_step():
    registry = _Registry({"stable": 1}, {1, 2})
    versions = await _stepped(registry)
    registry.labels["stable"] = 2
    assert await versions.resolve(None, _far()) == _version(1)
    await versions.step()
    assert await versions.resolve(None, _far()) == _version(2)


async def test_a_stable_version_that_is_not_loaded_is_not_replaced_by_the_latest():
    versions = await _stepped(_Registry({"stable": 1}, {2}))
    assert not versions.ready
    with pytest.raises(NoModelError):
        await versions.resolve(None, _far())


async def test_while_serving_is_away_the_last_known_version_stays():
    registry = _Registry(versions={1})
    versions = await _stepped(registry)
    registry.failure = ServingUnavailableError("away")
    await versions.step()
    assert not versions.ready
    assert await versions.resolve(None, _far()) == _version(1)
    registry.failure = None
    await versions.step()
    assert versions.ready


async def test_before_serving_was_ever_there_a_retry_may_help():
    with pytest.raises(ServingUnavailableError):
        await Versions(_Registry()).resolve(None, _far())


async def test_a_busy_serving_is_still_there():
    registry = _Registry(versions={1})
    versions = await _stepped(registry)
    registry.failure = ServingBusyError("busy")
    await versions.step()
    assert versions.ready


@pytest.mark.parametrize("failure", [ServingBusyError("busy"), ServingUnavailableError("away")])
async def test_a_canary_that_cannot_be_looked_up_is_still_the_canary(failure):
    registry = _Registry({"stable": 1, "canary": 2}, {1, 2, 3})
    versions = await _stepped(registry)
    registry.labels["stable"] = 3
    registry.failures["canary"] = failure
    await versions.step()
    assert versions.ready
    assert versions.served == {"stable": _version(3), "canary": _version(2)}


@pytest.mark.parametrize(
    "failure",
    [VersionLabelNotFoundError("canary"), ModelVersionNotFoundError("2"), UnsupportedSignatureError("floats")],
)
async def test_a_canary_that_is_said_to_be_none_is_none(failure):
    registry = _Registry({"stable": 1, "canary": 2}, {1, 2})
    versions = await _stepped(registry)
    registry.failures["canary"] = failure
    await versions.step()
    assert versions.ready
    assert versions.served == {"stable": _version(1)}


async def test_serving_without_any_version_is_not_ready():
    registry = _Registry(versions={1})
    versions = await _stepped(registry)
    registry.versions.clear()
    await versions.step()
    assert not versions.ready
    with pytest.raises(NoModelError):
        await versions.resolve(None, _far())


async def test_a_version_that_cannot_be_fed_is_none(caplog):
    registry = _Registry(versions={1})
    registry.failure = UnsupportedSignatureError("Version 1 takes floats.")
    with caplog.at_level("INFO"):
        versions = await _stepped(registry)
    assert not versions.ready
    assert caplog.records[-1].problem == "Version 1 takes floats."


async def test_the_log_says_why_serving_cannot_be_reached_and_callers_are_not_told(caplog):
    with caplog.at_level("INFO"):
        async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
            versions = await _stepped(ServingClient(channel, "brain_tumor"))
    assert caplog.records[-1].problem.startswith("The model server cannot be reached. ")
    assert "127.0.0.1:1" in caplog.records[-1].problem
    with pytest.raises(ServingUnavailableError, match=r"^The model server cannot be reached\.$"):
        await versions.resolve(None, _far())


async def test_other_words_for_the_same_trouble_are_no_news(caplog):
    class Replicas:
        """Two that are away, asked in turn."""

        def __init__(self, *channels):
            self._clients = itertools.cycle(ServingClient(channel, "brain_tumor") for channel in channels)

        async def look_up(self, selector, timeout_s):
            return await next(self._clients).look_up(selector, timeout_s)

    with caplog.at_level("INFO"):
        async with grpc.aio.insecure_channel("127.0.0.1:1") as one, grpc.aio.insecure_channel("127.0.0.1:2") as other:
            versions = await _stepped(Replicas(one, other))
            await versions.step()
    assert len(_problems(caplog)) == 1


async def test_each_kind_of_trouble_is_told_once_until_all_is_well_again(caplog):
    registry = _Registry(versions={1})
    with caplog.at_level("INFO"):
        versions = Versions(registry)
        for details in ["1.2.3.4:5: refused", "1.2.3.4:6: Tls failed: error:100000f7:SSL", "5.6.7.8:9: refused"] * 2:
            registry.failure = _away(details)
            await versions.step()
        registry.failure = None
        await versions.step()
        registry.failure = _away("1.2.3.4:5: refused")
        await versions.step()
    refused = "away 1.2.3.4:5: refused"
    assert _problems(caplog) == [refused, "away 1.2.3.4:6: Tls failed: error:100000f7:SSL", "", refused]


def _away(details):
    failure = ServingUnavailableError("away")
    nothing = grpc.aio.Metadata()
    failure.__cause__ = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, details)
    return failure


def _problems(caplog):
    return [record.problem for record in caplog.records if record.message == "view of serving changed"]


async def test_versions_by_number_are_looked_up_once():
    registry = _Registry({"stable": 1}, {1, 7})
    versions = await _stepped(registry)
    registry.lookups.clear()
    assert await versions.resolve(7, _far()) == await versions.resolve(7, _far()) == _version(7)
    assert await versions.resolve(1, _far()) == _version(1)
    assert registry.lookups == [7]
    with pytest.raises(ModelVersionNotFoundError):
        await versions.resolve(9, _far())


async def test_what_is_remembered_is_bounded():
    registry = _Registry(versions=range(1, 101))
    versions = await _stepped(registry)
    for number in range(1, 101):
        await versions.resolve(number, _far())
    registry.lookups.clear()
    await versions.resolve(100, _far())
    await versions.resolve(1, _far())
    assert registry.lookups == [1]


async def test_other_labels_are_looked_up_and_not_remembered_for_long(monkeypatch):
    registry = _Registry({"shadow": 2}, {1, 2, 3})
    versions = await _stepped(registry)
    now = [1000.0]
    monkeypatch.setattr("gateway.backend.versions.time.monotonic", lambda: now[0])
    assert await versions.resolve("shadow", _far()) == _version(2)
    registry.labels["shadow"] = 3
    now[0] += 2.1
    assert await versions.resolve("shadow", _far()) == _version(3)
    with pytest.raises(VersionLabelNotFoundError):
        await versions.resolve("unknown", _far())


async def test_many_callers_of_a_gone_version_look_once():
    registry = _Registry({"stable": 1, "canary": 3}, {1, 2, 3})
    versions = await _stepped(registry)
    registry.versions.discard(1)
    registry.labels["stable"] = 2
    registry.lookups.clear()
    await asyncio.gather(*(versions.look_again(_version(1)) for _ in range(32)))
    assert registry.lookups == ["stable", "canary"]
    assert await versions.resolve(None, _far()) == _version(2)


async def test_a_gone_version_is_forgotten_by_number_and_by_label_too():
    registry = _Registry({"stable": 2, "shadow": 1}, {1, 2})
    versions = await _stepped(registry)
    assert await versions.resolve(1, _far()) == await versions.resolve("shadow", _far()) == _version(1)
    registry.versions.discard(1)
    registry.labels["shadow"] = 2
    await versions.look_again(_version(1))
    assert await versions.resolve("shadow", _far()) == _version(2)
    with pytest.raises(ModelVersionNotFoundError):
        await versions.resolve(1, _far())


async def test_a_lookup_does_not_outlast_its_caller():
    registry = _Registry(versions={1, 2})
    versions = Versions(registry)
    await versions.resolve(2, asyncio.get_running_loop().time() + 0.2)
    await versions.resolve(1, _far())
    assert 0 < registry.timeouts_s[0] <= 0.2
    assert registry.timeouts_s[1] == 1.0
