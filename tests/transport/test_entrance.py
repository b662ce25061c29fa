"""Calls that have arrived begin before the server stops."""

import asyncio

from transport.entrance import Entrance


async def test_work_begins_at_once_where_nothing_drains():
    await asyncio.wait_for(Entrance().enter(), 10)


async def test_no_call_goes_on_before_all_are_there():
    """They begin one in a turn of the loop, as with gRPC."""
    entrance, gone_on = Entrance(), []
    calls = []

    async def call(number):
        await entrance.enter()
        gone_on.append(number)

    letting_in = asyncio.create_task(entrance.let_all_in(1000.0))
    await asyncio.sleep(0)
    for number in range(60):
        calls.append(asyncio.create_task(call(number)))
        await asyncio.sleep(0)
    assert not gone_on
    assert not letting_in.done()
    await letting_in
    await asyncio.gather(*calls)
    assert gone_on == list(range(60))


async def test_calls_that_keep_coming_do_not_hold_up_a_drain():
    entrance = Entrance()

    async def calls():
        async with asyncio.TaskGroup() as tasks:
            while not drained.done():
                tasks.create_task(entrance.enter())
                await asyncio.sleep(0)

    drained = asyncio.create_task(entrance.let_all_in(0.1))
    await asyncio.wait_for(calls(), 20)
