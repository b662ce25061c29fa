"""Requests on their way in: gRPC keeps what it has of each, and tells nobody how much that is."""

import asyncio
from typing import Any
from weakref import WeakValueDictionary

import grpc

from gateway.errors import DeadlineExceededError, MalformedRequestError

IMAGES_AT_ONCE = 16
"""Requests with an image that are received of one caller at a time. One of the usual size is there at once; others may
have twice the limit of an image, and nothing tells how long they are before they are there."""

OTHERS_AT_ONCE = 4
"""The same of all others, which are a few bytes, and some of which anybody may send; gRPC takes large ones too."""


class Receiving:
    """Receives a few requests of each caller at a time; its others wait, and those of others do not.

    Args:
      at_once: that are received of one caller.
      timeout_s: for one request with its wait, in seconds.
    """

    def __init__(self, at_once: int, timeout_s: float) -> None:
        self._at_once = at_once
        self._timeout_s = timeout_s
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def message(self, context: grpc.aio.ServicerContext[Any, Any], caller: str) -> bytes:
        """Returns the first message of a call.

        Raises:
          DeadlineExceededError: it was not there in time.
          MalformedRequestError: there is none.
        """
        turns = self._turns.get(caller)
        if turns is None:
            turns = self._turns[caller] = asyncio.Semaphore(self._at_once)
        remaining_s = context.time_remaining()
        try:
            async with asyncio.timeout(self._timeout_s if remaining_s is None else min(self._timeout_s, remaining_s)):
                async with turns:
                    # Not with an iterator: it would end in a task of its own for each call.
                    data = await context.read()
        except TimeoutError as err:
            raise DeadlineExceededError("The request was not there in time.") from err
        if not isinstance(data, bytes):
            raise MalformedRequestError("The call has no request; make it with stubs of this contract.")
        return data
