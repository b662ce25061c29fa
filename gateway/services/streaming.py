"""Answers to a stream of requests, as they come, with flow control."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from gateway.errors import GatewayError, StoppingError
from gateway.room import Room

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")


class Streams:
    """Answers streams until it is closed.

    Args:
      room: for the requests between being read and being answered. All streams share it, so answers that wait to be
        written take none of it: a caller that does not take them would stop all the others.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._open: set[_Workers[Any, Any]] = set()

    def close(self) -> None:
        """Reads no more: each stream ends with StoppingError once what was read of it is answered."""
        for workers in self._open:
            workers.close()

    async def answer_all(
        self,
        requests: AsyncIterator[_Request],
        answer: Callable[[_Request], Awaitable[_Response]],
        write: Callable[[_Response], Awaitable[None]],
    ) -> None:
        """Answers every request, in the order in which answers are ready.

        Each of up to `room.max_images` workers reads a request, waits for room, answers it and writes the answer before
        it reads again. Only one of them reads or waits for room at a time. So a caller that sends too fast, or does not
        take its answers, is not read from: its own flow control stops it. Returns when the requests have ended and all
        are answered. When this task is cancelled, or the call has ended meanwhile, all work is dropped.

        Args:
          requests: read by one worker at a time; a GatewayError that they raise ends the stream, once what was read
            before it is answered.
          answer: must not raise.
          write: called by one worker at a time.
        """
        has_ended = False
        try:
            async with asyncio.TaskGroup() as tasks:
                workers = _Workers(tasks, requests, answer, write, self._room)
                self._open.add(workers)
                workers.start_one()
        except* grpc.aio.BaseError:
            has_ended = True
        finally:
            self._open.discard(workers)
        if has_ended:
            raise asyncio.CancelledError  # as gRPC is about to: nobody is left to answer
        if workers.failure is not None:
            raise workers.failure


class _Workers(Generic[_Request, _Response]):
    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        requests: AsyncIterator[_Request],
        answer: Callable[[_Request], Awaitable[_Response]],
        write: Callable[[_Response], Awaitable[None]],
        room: Room,
    ) -> None:
        self._tasks = tasks
        self._requests = requests
        self._answer = answer
        self._write = write
        self._room = room
        self._not_started = room.max_images
        self._free = 0
        self.failure: GatewayError | None = None
        self._reading, self._writing = asyncio.Lock(), asyncio.Lock()
        self._reader: asyncio.Task[Any] | None = None
        self._ended = self._closed = False

    def close(self) -> None:
        self._closed = True
        if self._reader is not None:
            self._reader.cancel()

    def start_one(self) -> None:
        self._not_started -= 1
        self._free += 1
        self._tasks.create_task(self._work())

    async def _work(self) -> None:
        while (request := await self._read()) is not None:
            self._free -= 1
            if self._free == 0 and self._not_started > 0:
                self.start_one()  # Only now that it is needed: a thousand idle streams are a thousand workers.
            try:
                response = await self._answer(request)
            finally:
                self._room.leave(request.ByteSize())
            del request  # the answer may have to wait for long
            async with self._writing:
                await self._write(response)
            self._free += 1

    async def _read(self) -> _Request | None:
        async with self._reading:
            try:
                request = await self._next()
            except GatewayError as err:
                # Not raised here: it would cancel the others, and a write that is cancelled leaves the call hanging.
                self.failure = err
                return None
            if request is not None:
                await self._room.wait_and_enter(request.ByteSize())
            return request

    async def _next(self) -> _Request | None:
        if self._ended:
            return None
        if not self._closed:
            self._reader = asyncio.current_task()
            try:
                request = await anext(self._requests, None)
                self._ended = request is None
                return request
            except asyncio.CancelledError:
                if not self._closed or self._reader is None:
                    raise
                self._reader.uncancel()
            finally:
                self._reader = None
        raise StoppingError("The gateway is about to end; send what is not answered once more, in a new stream.")
