"""Callers notice nothing of a change."""

import asyncio

from trainer.errors import ServingUnavailableError
from trainer.rollout.files import RolloutFiles
from trainer.rollout.replay import differences, read_golden_requests
from trainer.rollout.state import RolloutState

_CALLERS = 4


def test_no_call_fails_in_five_changes_between_versions_of_other_shapes(settings, add_version, serving, play) -> None:
    """Callers address versions by number and look again where one has gone, as the gateway does.

    One version is left and taken again while serving has not yet let go of it.
    """
    logs = {}
    for version, kind in ((1, "grey"), (2, "rgb"), (3, "grey")):
        logs[version] = read_golden_requests(add_version(version, kind))[0]
    RolloutFiles(settings).write(RolloutState(stable=1))
    serving.start()

    async def scene(rollout, client):
        answered: list[int] = []
        over = asyncio.Event()

        async def look() -> int:
            version = await client.version_labelled("stable")
            assert version is not None
            return version

        async def call_on() -> None:
            while not over.is_set():
                version = await look()
                for _ in range(10):
                    try:
                        response = await client.predict(logs[version].request, version)
                    except ServingUnavailableError:
                        version = await look()
                        response = await client.predict(logs[version].request, version)
                    assert not differences(logs[version].response, response)
                    answered.append(version)

        async with asyncio.TaskGroup() as callers:
            for _ in range(_CALLERS):
                callers.create_task(call_on())
            for version in (2, 3, 1):
                await rollout.roll_out(version)
            for version in (3, 1):
                assert await rollout.rollback() == version
            over.set()
        return answered

    answered = play(scene)

    assert len(answered) >= 200
    assert set(answered) == {1, 2, 3}
