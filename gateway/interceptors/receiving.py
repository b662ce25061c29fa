"""Interceptor that reads the request of each call that has one, and of Predict only where there is room for it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakValueDictionary

import grpc

from gateway import caller, deadline
from gateway.admission import Admission
from gateway.errors import MalformedRequestError, QueueFullError, RequestLateError
from gateway.interceptors.wrapping import Handler, WrappingInterceptor, behaviour_of, made_reading
from gateway.outlook import OutlookOf
from gateway.room import Room
from gateway.settings import Settings
from gateway.tally import Tally
from transport.calls import of_its_kind

IMAGES_AT_ONCE = 16
"""Requests with an image that are received of one caller at a time. One of the usual size is there at once; others may
have twice the limit of an image, and nothing tells how long they are before they are there."""

OTHERS_AT_ONCE = 4
"""The same of all others, which are a few bytes, and some of which anybody may send; gRPC takes large ones too."""

WAITING = 1024
"""Calls of one caller that wait for their requests, be it for those of others to be received first. Each is some 25 KB,
and what of its request is here already."""

_PREDICT = "/braintumor.v1.ClassifierService/Predict"


class ReceivingInterceptor(WrappingInterceptor):
    """Reads requests here, and not in gRPC, which would take them in whole before anybody is asked.

    To gRPC these methods take a stream of requests, which is the same on the wire. So of a call that is refused no more
    is taken in than was on its way already. Streams need it not: one that is not read from waits by itself.

    Args:
      settings: how much room there is, how long a request may take, and a call.
      outlook: of an image that comes now.
    """

    def __init__(self, settings: Settings, outlook: OutlookOf) -> None:
        self._settings = settings
        self._admission = Admission(Room(settings.max_queued_images, settings.max_queued_bytes), outlook)
        self._images = _Receiving(IMAGES_AT_ONCE, settings.receive_timeout_s)
        self._others = _Receiving(OTHERS_AT_ONCE, settings.receive_timeout_s)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler of bytes that reads them first; one of a stream stays as it is."""
        if handler.request_streaming:
            return handler
        behaviour = behaviour_of(handler)

        async def yielding(_: object, context: Any) -> AsyncIterator[Any]:
            data = await self._others.message(context)
            async for response in behaviour(data, context):
                yield response

        async def returning(_: object, context: Any) -> Any:
            return await behaviour(await self._others.message(context), context)

        async def admitted(_: object, context: Any) -> Any:
            self._admission.check(deadline.begin(context, self._settings))
            data = await self._images.message(context)
            with self._admission.admitted(len(data)):
                return await behaviour(data, context)

        if method == _PREDICT:
            return made_reading(handler, admitted)
        return made_reading(handler, of_its_kind(behaviour, yielding, returning))


class _Receiving:
    """Receives a few requests of each caller at a time; its others wait, and those of others do not.

    gRPC keeps what it has of each, and tells nobody how much that is.

    Args:
      at_once: of one caller.
      timeout_s: for one request with its wait, in seconds.
    """

    def __init__(self, at_once: int, timeout_s: float) -> None:
        self._at_once = at_once
        self._timeout_s = timeout_s
        self._waiting = Tally()
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def message(self, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Returns the first message of a call.

        Raises:
          QueueFullError: too many of the caller's wait already.
          RequestLateError: it was not there in time.
          MalformedRequestError: there is none.
        """
        name = caller.current.get()
        if self._waiting.own() >= WAITING:
            raise QueueFullError(f"{WAITING} calls of {name} wait for their requests, which is the limit; send these.")
        remaining_s = context.time_remaining()
        timeout_s = self._timeout_s if remaining_s is None else min(self._timeout_s, remaining_s)
        try:
            with self._waiting.one_more():
                async with asyncio.timeout(timeout_s), self._turns_of(name):
                    # gRPC keeps for good what it has received for who stops waiting for it (grpc/grpc#43360), as with
                    # each call that ends as its request comes. So the read goes on to its end, which is the call's.
                    read = asyncio.get_running_loop().create_task(context.read())
                    read.add_done_callback(_retrieve_error)
                    data = await asyncio.shield(read)
        except TimeoutError as err:
            raise RequestLateError("The request was not there in time.") from err
        if not isinstance(data, bytes):
            raise MalformedRequestError("The call has no request; make it with stubs of this contract.")
        return data

    def _turns_of(self, name: str) -> asyncio.Semaphore:
        turns = self._turns.get(name)
        if turns is None:
            turns = self._turns[name] = asyncio.Semaphore(self._at_once)
        return turns


def _retrieve_error(read: "asyncio.Task[Any]") -> None:
    # Its error is for who waits for it; where nobody does any more, asyncio would log one for each late request.
    if not read.cancelled():
        read.exception()
