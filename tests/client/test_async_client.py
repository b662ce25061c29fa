"""The client for asyncio, where it differs from the other one."""

import asyncio
import itertools
from collections.abc import AsyncIterable, AsyncIterator
from functools import partial

import braintumor
import grpc
import pytest
from braintumor.errors import LOST_RACE
from braintumor.stream import StreamState
from braintumor.v1.classifier_service_pb2 import PredictStreamResponse


def test_classifies_bytes_and_files(service, tmp_path):
    path = tmp_path / "slice.jpg"
    path.write_bytes(b"clean")

    async def both() -> list[str]:
        async with braintumor.AsyncClient(service.address, metadata=[("x-caller", "ward 7")]) as client:
            responses = await asyncio.gather(client.predict(b"tumor", version=3), client.predict(path))
        return [response.prediction.label for response in responses]

    assert asyncio.run(both()) == ["Tumor", "No Tumor"]
    assert {request.version for request in service.requests} == {3, 0}
    assert service.metadata["x-caller"] == "ward 7"


def test_is_made_inside_a_running_loop():
    with pytest.raises(RuntimeError, match="inside a running event loop"):
        braintumor.AsyncClient()


def test_tells_what_the_service_is(service):
    async def info() -> str:
        async with braintumor.AsyncClient(service.address) as client:
            return (await client.info()).model_name

    assert asyncio.run(info()) == "brain_tumor"


def test_takes_images_as_they_arrive(service):
    async def images() -> AsyncIterator[tuple[str, bytes]]:
        for index in range(10):
            await asyncio.sleep(0)
            yield str(index), b"tumor"

    async def ids() -> set[str]:
        async with braintumor.AsyncClient(service.address) as client:
            return {image_id async for image_id, _ in client.predict_stream(images())}

    assert asyncio.run(ids()) == {str(index) for index in range(10)}


def test_refuses_tries_again_and_keeps_deadlines_like_the_other_client(service):
    service.failures.extend([grpc.StatusCode.UNAVAILABLE] * 2)

    async def errors() -> list[braintumor.ServiceError]:
        async with braintumor.AsyncClient(service.address) as client:
            await client.predict(b"tumor")
            assert service.calls == 3
            with pytest.raises(braintumor.ServiceError) as refusal:
                await client.predict(b"broken")
            with pytest.raises(braintumor.ServiceError) as late:
                await client.predict(b"hang", timeout_s=0.2)
        return [refusal.value, late.value]

    refusal, late = asyncio.run(errors())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_FORMAT")
    assert late.code == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_cancelled_task_is_not_an_error_of_the_service(service):
    async def cancelled() -> None:
        async with braintumor.AsyncClient(service.address) as client:
            outcomes = client.predict_stream([("a", b"hang")])
            task = asyncio.ensure_future(anext(outcomes))
            await asyncio.wait_for(asyncio.to_thread(service.stream_begun.wait), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancelled())


def test_a_task_is_cancelled_also_where_its_stream_has_stalled(service, monkeypatch):
    """Each look at the clock finds an hour gone; the stream is first looked after in a minute."""
    hours = partial(next, itertools.count(step=3600))
    monkeypatch.setattr("braintumor.async_client.StreamState", partial(StreamState, clock=hours))

    async def cancelled() -> None:
        sent = asyncio.Event()

        async def images() -> AsyncIterator[tuple[str, bytes]]:
            yield "a", b"hang"
            sent.set()

        async with braintumor.AsyncClient(service.address, timeout_s=600) as client:
            task = asyncio.ensure_future(anext(client.predict_stream(images())))
            await asyncio.wait_for(sent.wait(), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancelled())


@pytest.mark.parametrize("refused", [True, False])
def test_a_refusal_that_grpc_has_lost_is_asked_for_again(service, refused):
    """Without images, so that none is on its way when it comes."""

    async def lost() -> AsyncIterator[PredictStreamResponse]:
        yield PredictStreamResponse(id="a")
        raise grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), LOST_RACE)

    async def told() -> grpc.StatusCode:
        service.failures.extend([grpc.StatusCode.RESOURCE_EXHAUSTED] * refused)
        async with braintumor.AsyncClient(service.address) as client:
            with pytest.raises(grpc.RpcError) as error:
                assert [answer.id async for answer in client._answers(lost(), 10)] == ["a"]
        assert not service.requests
        return error.value.code()

    assert asyncio.run(told()) is (grpc.StatusCode.RESOURCE_EXHAUSTED if refused else grpc.StatusCode.INTERNAL)


class BrokenCall:
    """A stream that ends with an error before the first answer."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    async def __aiter__(self) -> AsyncIterator[PredictStreamResponse]:
        raise self._error
        yield

    def cancel(self) -> None:
        """It has ended."""


async def _ended(client: braintumor.AsyncClient, images: AsyncIterable[tuple[str, bytes]] | tuple[()] = ()) -> None:
    with pytest.raises(braintumor.ServiceError) as broken:
        _ = [outcome async for outcome in client.predict_stream(images)]
    assert broken.value.code is grpc.StatusCode.UNAVAILABLE
    assert broken.value.unreached


def test_a_service_that_dies_is_no_cancelled_task(service, monkeypatch):
    """The call that is to tell why a stream broke is one that grpc.aio calls cancelled."""
    lost = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), LOST_RACE)
    calls = iter([BrokenCall(lost), BrokenCall(asyncio.CancelledError())])

    async def scene() -> None:
        async with braintumor.AsyncClient(service.address) as client:
            monkeypatch.setattr(client._classifier, "PredictStream", lambda *_, **__: next(calls))
            await _ended(client)

    asyncio.run(scene())


def test_a_source_that_is_cancelled_is_no_cancelled_task(service):
    async def images() -> AsyncIterator[tuple[str, bytes]]:
        yield "a", b"tumor"
        raise asyncio.CancelledError

    async def scene() -> None:
        async with braintumor.AsyncClient(service.address) as client:
            await _ended(client, images())

    asyncio.run(scene())


def test_a_stream_that_has_ended_takes_no_more_images(service):
    """They are those of the next stream, where one queue feeds both."""
    queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    left = []

    async def images() -> AsyncIterator[tuple[str, bytes]]:
        try:
            while True:
                yield await queue.get()
        finally:
            left.append("the source")

    async def scene() -> None:
        async with braintumor.AsyncClient(service.address) as client:
            service.batch = 1
            queue.put_nowait(("a", b"drop"))
            await _ended(client, images())
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            assert not rest or not (await asyncio.wait(rest, timeout=10))[1]
            assert left == ["the source"]
            queue.put_nowait(("b", b"tumor"))
            assert (await anext(client.predict_stream(images())))[0] == "b"

    asyncio.run(scene())


def test_takes_credentials(service):
    async def label() -> str:
        credentials = grpc.local_channel_credentials()
        async with braintumor.AsyncClient(service.secure_address, credentials=credentials) as client:
            return (await client.predict(b"tumor")).prediction.label

    assert asyncio.run(label()) == "Tumor"


@pytest.mark.parametrize("kind", ["call", "stream"])
def test_a_client_that_is_closed_is_no_cancelled_task(service, kind):
    async def call(client):
        if kind == "call":
            return await client.predict(b"hang")
        return [outcome async for outcome in client.predict_stream([("a", b"hang")])]

    async def scene():
        client = braintumor.AsyncClient(service.address)
        task = asyncio.create_task(call(client))
        await asyncio.wait_for(asyncio.to_thread(service.hanging.wait), 10)
        await client.close()
        with pytest.raises(braintumor.ServiceError, match="the client was closed") as closed:
            await task
        return closed.value.code

    assert asyncio.run(scene()) is grpc.StatusCode.CANCELLED


def test_a_client_that_is_closed_before_its_stream_begins_says_so(service):
    class ClosedAfterInfo(braintumor.AsyncClient):
        async def info(self, **options):
            info = await super().info(**options)
            await self.close()
            return info

    async def scene() -> None:
        async with ClosedAfterInfo(service.address) as client:
            with pytest.raises(braintumor.ServiceError, match="the client was closed"):
                await anext(client.predict_stream([("a", b"tumor")]))

    asyncio.run(scene())
