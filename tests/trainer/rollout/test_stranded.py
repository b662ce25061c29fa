"""Replicas that were away for a whole rollout, and come back to a config that they refuse."""

import asyncio
import logging
from contextlib import ExitStack

import pytest

from trainer.errors import ServingUnavailableError
from trainer.rollout.files import RolloutFiles
from trainer.rollout.rollout import Rollout
from trainer.rollout.serving_client import ServingClient, VersionStatus
from trainer.rollout.serving_fleet import ServingFleet
from trainer.rollout.state import RolloutState
from trainer.rollout.stranded import StrandedReplicas
from transport.peer_tls import connect


@pytest.fixture
def replicas(settings, add_version, serving):
    """Two model servers on version 1, and a version 2 on disk."""
    for version in (1, 2):
        add_version(version)
    RolloutFiles(settings).write(RolloutState(stable=1))
    other = type(serving)(settings)
    with ExitStack() as stack:
        stack.callback(other.kill)
        serving.start()
        other.start()
        yield serving, other


def _fleet(settings, *replicas):
    return ServingFleet(",".join(replica.address for replica in replicas), settings.model_name)


async def _label(fleet):
    try:
        return await fleet.version_labelled("stable")
    except ServingUnavailableError:  # replicas differ
        return None


async def _eventually(question, wanted):
    async with asyncio.timeout(60):
        while await question() != wanted:  # noqa: ASYNC110 what is waited for happens in another process
            await asyncio.sleep(0.05)


def test_a_replica_that_slept_through_a_rollout_takes_part_in_the_next(replicas, settings, add_version, caplog):
    awake, sleeper = replicas
    fleet = _fleet(settings, *replicas)
    stranded = StrandedReplicas(settings, fleet)
    caplog.set_level(logging.WARNING)

    async def scene():
        sleeper.pause()
        await Rollout(settings, _fleet(settings, awake)).roll_out(2)
        sleeper.resume()
        async with connect(sleeper.address) as channel:
            asleep = ServingClient(channel, settings.model_name)
            await _eventually(lambda: asleep.version_labelled("stable"), 1)
            await stranded.step()
            await asyncio.sleep(2.5)  # it reads the file each second, and refuses it
            assert set(await asleep.statuses()) == {1}
            assert not caplog.messages
            await stranded.step()
            await _eventually(lambda: asleep.version_labelled("stable"), 2)
        (record,) = caplog.records
        assert record.replica == sleeper.address
        add_version(3, "rgb")
        await Rollout(settings, fleet).roll_out(3)
        await stranded.step()
        await stranded.step()
        assert [record.replica for record in caplog.records] == [sleeper.address]

    asyncio.run(scene())


def test_a_state_put_back_by_hand_is_followed_while_the_old_version_answers(replicas, settings):
    """No replica holds the version that is stable now, so all refuse the config."""
    fleet = _fleet(settings, *replicas)
    stranded = StrandedReplicas(settings, fleet)
    RolloutFiles(settings).write(RolloutState(stable=2))

    async def scene():
        led = set()

        async def watch():
            while True:
                for replica in replicas:
                    async with connect(replica.address) as channel:
                        led.add(await ServingClient(channel, settings.model_name).version_labelled("stable"))

        watching = asyncio.create_task(watch())
        await stranded.step()
        await stranded.step()
        await _eventually(lambda: _label(fleet), 2)
        watching.cancel()
        assert led == {1, 2}

    asyncio.run(scene())


def test_one_that_failed_to_load_is_told_nothing(replicas, settings, add_version, caplog):
    (add_version(3) / "saved_model.pb").write_bytes(b"broken")
    fleet = _fleet(settings, replicas[0])
    stranded = StrandedReplicas(settings, fleet)
    RolloutFiles(settings).write(RolloutState(stable=1), {3})

    async def scene():
        async def failed():
            return bool((await fleet.statuses()).get(3, VersionStatus()).error)

        await _eventually(failed, wanted=True)
        caplog.set_level(logging.WARNING)
        for _ in range(3):
            await stranded.step()
        assert not caplog.messages

    asyncio.run(scene())


def test_one_whose_disk_is_late_is_told_once(replicas, settings, add_version, caplog):
    fleet = _fleet(settings, replicas[0])
    stranded = StrandedReplicas(settings, fleet)
    RolloutFiles(settings).write(RolloutState(stable=7))
    caplog.set_level(logging.WARNING)

    async def scene():
        for _ in range(4):
            await stranded.step()
        assert await _label(fleet) == 1
        add_version(7)
        await _eventually(lambda: _label(fleet), 7)
        assert len(caplog.messages) == 1

    asyncio.run(scene())


@pytest.mark.parametrize("addresses", ["127.0.0.1:1", "no-such..name:8500"])
async def test_where_nobody_is_there_nothing_happens(settings, addresses):
    stranded = StrandedReplicas(settings, ServingFleet(addresses, settings.model_name))
    for _ in range(2):
        await stranded.step()
