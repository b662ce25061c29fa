"""Room for images, in number and in bytes."""

import asyncio

import pytest

from gateway.room import Room


async def _turn():
    await asyncio.sleep(0)


@pytest.mark.parametrize(("images", "sizes", "has_room"), [(3, [1, 1], True), (2, [1, 1], False), (9, [60, 40], False)])
async def test_it_is_full_by_number_or_by_bytes(images, sizes, has_room):
    room = Room(images, 100)
    for size in sizes:
        room.enter(size)
    assert room.has_room_for(1) is has_room


async def test_one_image_alone_may_be_larger_than_all_room():
    room = Room(2, 100)
    assert room.has_room_for(1000)
    room.enter(1000)
    assert not room.has_room_for(0)
    room.leave(1000)
    assert room.has_room_for(1000)


async def test_those_that_wait_come_in_turn():
    room = Room(1, 100)
    await asyncio.wait_for(room.wait_and_enter(1), 10)
    order = []

    async def come(name, size):
        await room.wait_and_enter(size)
        order.append(name)

    waiting = [asyncio.ensure_future(come(*who)) for who in [("large", 90), ("small", 1)]]
    await _turn()
    assert order == []
    room.leave(1)
    await _turn()
    assert order == ["large"]
    room.leave(90)
    await asyncio.gather(*waiting)
    assert order == ["large", "small"]


@pytest.mark.parametrize("when", ["while it waits", "as it is let in", "just before it would be"])
async def test_one_that_leaves_while_it_waits_takes_no_room(when):
    room = Room(1, 100)
    room.enter(1)
    first, second = (asyncio.ensure_future(room.wait_and_enter(1)) for _ in range(2))
    await _turn()
    if when == "as it is let in":
        room.leave(1)
    first.cancel()
    if when == "while it waits":
        await _turn()
    if when != "as it is let in":
        room.leave(1)
    await asyncio.wait_for(second, 10)
    assert first.cancelled()
    assert room.images == 1
    room.leave(1)
    assert room.images == 0


async def test_one_that_gives_up_lets_those_behind_it_in():
    """It was too large for what is left, and stood in their way."""
    room = Room(5, 100)
    room.enter(60)
    large, small = asyncio.ensure_future(room.wait_and_enter(90)), asyncio.ensure_future(room.wait_and_enter(10))
    await _turn()
    assert not small.done()
    large.cancel()
    await asyncio.wait_for(small, 10)
    assert room.images == 2
