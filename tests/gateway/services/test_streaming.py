"""Answers to a stream, with flow control."""

import asyncio

import grpc
import pytest

from gateway.services.streaming import answer_all


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
        return self.read

    async def write(self, response):
        await self.taking.wait()
        self.written.append(response)


async def _turns(count=200):
    for _ in range(count):
        await asyncio.sleep(0)


async def _double(request):
    return 2 * request


@pytest.mark.parametrize("count", [0, 1, 7, 100])
async def test_every_request_is_answered_once(count):
    stream = _Stream(count)
    await answer_all(stream, _double, stream.write, 7)
    assert sorted(stream.written) == [2 * request for request in range(1, count + 1)]


async def test_answers_come_as_they_are_ready():
    stream = _Stream(2)
    slow = asyncio.Event()

    async def answer(request):
        if request == 1:
            await slow.wait()
        return request

    task = asyncio.ensure_future(answer_all(stream, answer, stream.write, 2))
    await _turns()
    assert stream.written == [2]
    slow.set()
    await task
    assert stream.written == [2, 1]


async def test_no_more_than_a_window_is_read_while_answers_are_not_ready():
    stream = _Stream(100)
    ready = asyncio.Event()

    async def answer(request):
        await ready.wait()
        return request

    task = asyncio.ensure_future(answer_all(stream, answer, stream.write, 5))
    await _turns()
    assert stream.read == 5
    ready.set()
    await task
    assert len(stream.written) == 100


async def test_no_more_than_a_window_is_read_while_answers_are_not_taken():
    stream = _Stream(100)
    stream.taking.clear()
    task = asyncio.ensure_future(answer_all(stream, _double, stream.write, 5))
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

    await answer_all(stream, _double, write, 64)
    assert max(seen) <= 3


async def test_cancelling_drops_all_work():
    stream = _Stream(100)
    dropped = []

    async def answer(request):
        try:
            await asyncio.Event().wait()
        finally:
            dropped.append(request)

    task = asyncio.ensure_future(answer_all(stream, answer, stream.write, 5))
    await _turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(dropped) == [1, 2, 3, 4, 5]


async def test_a_call_that_has_ended_ends_the_work():
    stream = _Stream(100)

    async def write(_):
        raise grpc.aio.UsageError("RPC already finished.")

    await answer_all(stream, _double, write, 5)
    assert stream.read < 100
