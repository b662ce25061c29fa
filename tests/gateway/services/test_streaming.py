"""Answers to a stream, with flow control."""

import asyncio

import grpc
import pytest

from gateway.errors import StoppingError
from gateway.room import Room
from gateway.services.streaming import Streams

_BYTES = 1000


class _Request(int):
    """A number that is as long as a message."""

    def ByteSize(self):  # noqa: N802 as of messages
        return 100


def _room(images):
    return Room(images, _BYTES)


class _Stream:
    """Requests 1, 2, …, and what was read and written of them."""

    def __init__(self, count):
        self.count = count
        self.read = 0
        self.written = []
        self.taking = asyncio.Event()
        self.taking.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        if self.read == self.count:
            raise StopAsyncIteration
        self.read += 1
        return _Request(self.read)

    async def write(self, response):
        await self.taking.wait()
        self.written.append(response)


class _Held:
    """Answers each request with itself, once it is told that all are ready."""

    def __init__(self):
        self.ready = asyncio.Event()

    async def answer(self, request):
        await self.ready.wait()
        return request


async def _turns(count=200):
    for _ in range(count):
        await asyncio.sleep(0)


async def _double(request):
    return 2 * request


async def test_of_a_stream_that_has_ended_nothing_is_kept():
    streams, stream = Streams(_room(4)), _Stream(2)
    await streams.answer_all(stream, _double, stream.write)
    assert not streams._open


@pytest.mark.parametrize("count", [0, 1, 7, 100])
async def test_every_request_is_answered_once(count):
    stream = _Stream(count)
    await Streams(_room(7)).answer_all(stream, _double, stream.write)
    assert sorted(stream.written) == [2 * request for request in range(1, count + 1)]


async def test_answers_come_as_they_are_ready():
    stream = _Stream(2)
    slow = asyncio.Event()

    async def answer(request):
        if request == 1:
            await slow.wait()
        return request

    task = asyncio.ensure_future(Streams(_room(2)).answer_all(stream, answer, stream.write))
    await _turns()
    assert stream.written == [2]
    slow.set()
    await task
    assert stream.written == [2, 1]


async def test_no_more_than_a_window_is_read_while_answers_are_not_ready():
    stream = _Stream(100)
    held = _Held()

    task = asyncio.ensure_future(Streams(_room(5)).answer_all(stream, held.answer, stream.write))
    await _turns()
    assert stream.read == 5
    held.ready.set()
    await task
    assert len(stream.written) == 100


async def test_no_more_than_a_window_is_read_while_answers_are_not_taken():
    stream = _Stream(100)
    stream.taking.clear()
    task = asyncio.ensure_future(Streams(_room(5)).answer_all(stream, _double, stream.write))
    await _turns()
    assert stream.read == 5
    stream.taking.set()
    await task
    assert len(stream.written) == 100


async def test_a_stream_that_sends_little_needs_few_workers():
    stream = _Stream(10)
    before = len(asyncio.all_tasks())
    seen = []

    async def write(response):
        seen.append(len(asyncio.all_tasks()) - before)
        await stream.write(response)

    await Streams(_room(64)).answer_all(stream, _double, write)
    assert max(seen) <= 3


async def test_cancelling_drops_all_work():
    stream = _Stream(100)
    dropped = []

    async def answer(request):
        try:
            await asyncio.Event().wait()
        finally:
            dropped.append(request)

    task = asyncio.ensure_future(Streams(_room(5)).answer_all(stream, answer, stream.write))
    await _turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(dropped) == [1, 2, 3, 4, 5]


async def test_a_call_that_has_ended_ends_the_work():
    stream = _Stream(100)

    async def write(_):
        raise grpc.aio.UsageError("RPC already finished.")

    with pytest.raises(asyncio.CancelledError):
        await Streams(_room(5)).answer_all(stream, _double, write)
    assert stream.read < 100


async def test_streams_that_share_room_hold_one_request_each_beyond_it():
    """Each has read one more, and waits with it until another leaves."""
    streams = [_Stream(100) for _ in range(4)]
    held = _Held()

    room = _room(6)
    sharing = Streams(room)
    tasks = [asyncio.ensure_future(sharing.answer_all(stream, held.answer, stream.write)) for stream in streams]
    await _turns()
    assert room.images == 6
    assert sum(stream.read for stream in streams) <= 6 + len(streams)
    held.ready.set()
    await asyncio.gather(*tasks)
    assert [len(stream.written) for stream in streams] == [100] * 4
    assert room.images == 0


async def test_large_requests_fill_the_room_by_their_bytes():
    stream = _Stream(100)
    held = _Held()

    task = asyncio.ensure_future(Streams(_room(64)).answer_all(stream, held.answer, stream.write))
    await _turns()
    assert stream.read == _BYTES // 100 + 1
    held.ready.set()
    await task


async def test_a_caller_that_takes_no_answers_leaves_the_room_to_others():
    idle, busy = _Stream(100), _Stream(100)
    idle.taking.clear()
    sharing = Streams(_room(5))
    stuck = asyncio.ensure_future(sharing.answer_all(idle, _double, idle.write))
    await _turns()
    await sharing.answer_all(busy, _double, busy.write)
    assert len(busy.written) == 100
    idle.taking.set()
    await stuck


async def test_cancelling_gives_back_all_room():
    streams = [_Stream(100) for _ in range(3)]

    async def answer(_):
        await asyncio.Event().wait()

    room = _room(4)
    sharing = Streams(room)
    tasks = [asyncio.ensure_future(sharing.answer_all(stream, answer, stream.write)) for stream in streams]
    await _turns()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert room.images == 0


@pytest.mark.parametrize("count", [3, 100])
async def test_a_close_ends_a_stream_once_what_was_read_is_answered(count):
    """Be it that it waits for its next request, or for room."""
    stream = _Stream(count)
    held = _Held()

    async def requests():
        async for request in stream:
            yield request
        await asyncio.Event().wait()

    streams = Streams(_room(5))
    task = asyncio.ensure_future(streams.answer_all(requests(), held.answer, stream.write))
    await _turns()
    streams.close()
    await _turns()
    assert not task.done()
    held.ready.set()
    with pytest.raises(StoppingError):
        await task
    assert sorted(stream.written) == [*range(1, stream.read + 1)]
    assert stream.read <= 6


async def test_a_close_after_the_last_request_costs_nothing():
    stream = _Stream(3)
    held = _Held()

    streams = Streams(_room(5))
    task = asyncio.ensure_future(streams.answer_all(stream, held.answer, stream.write))
    await _turns()
    streams.close()
    held.ready.set()
    await task
    assert sorted(stream.written) == [1, 2, 3]
