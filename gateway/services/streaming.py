"""Answers to a stream of requests, as they come, with flow control."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import grpc

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


async def answer_all(
    requests: AsyncIterator[_Request],
    answer: Callable[[_Request], Awaitable[_Response]],
    write: Callable[[_Response], Awaitable[None]],
    window: int,
) -> None:
    """Answers every request, in the order in which answers are ready.

    Each of `window` workers reads a request, answers it and writes the answer before it reads again. So at most
    `window` requests are held at a time, and a caller that sends too fast, or does not take its answers, is not
    read from: its own flow control stops it. Returns when the requests have ended and all are answered. When this
    task is cancelled, all work is dropped.

    Args:
      requests: read by one worker at a time.
      answer: must not raise.
      write: called by one worker at a time.
      window: requests held at a time, at least 1.
    """
    reading, writing = asyncio.Lock(), asyncio.Lock()

    async def work() -> None:
        while True:
            async with reading:
                request = await anext(requests, None)
            if request is None:
                return
            response = await answer(request)
            async with writing:
                await write(response)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(window):
                workers.create_task(work())
    except* grpc.aio.BaseError:
        pass  # The call has ended: nobody is left to answer.
