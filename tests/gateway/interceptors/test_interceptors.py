"""What every call passes through, for each kind of call."""
# ruff: noqa: ARG002 gRPC passes both arguments

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest

from gateway import caller
from gateway.errors import ServingBusyError
from gateway.interceptors import INTERCEPTORS, chain
from gateway.outlook import Outlook
from gateway.settings import Settings
from gateway.telemetry.metrics import REGISTRY
from observability import request_id
from transport.entrance import Entrance

_KINDS = ["unary_unary", "unary_stream", "unary_stream_writing", "stream_unary", "stream_stream"]


class _Service:
    """Answers each request with the id of its call, or fails as it is told."""

    def __init__(self):
        self.failure = None
        self.callers = []
        self.entered = asyncio.Event()
        self.left = asyncio.Event()

    def _answer(self):
        self.callers.append(caller.current.get())
        if self.failure is not None:
            raise self.failure
        return request_id.current.get().encode()

    async def unary_unary(self, request, context):
        self.entered.set()
        try:
            if request == b"wait":
                await asyncio.Event().wait()
            return self._answer()
        finally:
            self.left.set()

    async def unary_stream(self, request, context):
        while request == b"endless":
            yield bytes(2**20)
        yield b"first"
        yield self._answer()

    async def unary_stream_writing(self, request, context):
        await context.write(b"first")
        await context.write(self._answer())

    async def stream_unary(self, requests, context):
        async for _ in requests:
            pass
        return self._answer()

    async def stream_stream(self, requests, context):
        async for _ in requests:
            yield self._answer()


@asynccontextmanager
async def _served():
    service = _Service()
    handlers = {
        kind: getattr(grpc, f"{kind.removesuffix('_writing')}_rpc_method_handler")(getattr(service, kind))
        for kind in _KINDS
    }
    server = grpc.aio.server(interceptors=[chain(INTERCEPTORS, Settings(), Outlook, Entrance())])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Service", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield service, channel
    finally:
        await server.stop(None)


async def _call(channel, kind, metadata=()):
    shape = kind.removesuffix("_writing")
    multicallable = getattr(channel, shape)(f"/test.Service/{kind}")
    request = iter([b"x"]) if shape.startswith("stream") else b"x"
    call = multicallable(request, metadata=metadata, timeout=10)
    responses = [await call] if shape.endswith("unary") else [response async for response in call]
    return responses[-1].decode(), dict(await call.trailing_metadata())


@pytest.mark.parametrize("kind", _KINDS)
async def test_a_callers_request_id_reaches_the_handler_and_comes_back(kind):
    async with _served() as (_, channel):
        seen, trailing = await _call(channel, kind, [("x-request-id", "mine-1")])
        assert (seen, trailing["x-request-id"]) == ("mine-1", "mine-1")


@pytest.mark.parametrize("kind", _KINDS)
async def test_a_call_without_an_id_gets_one_of_its_own(kind):
    async with _served() as (_, channel):
        seen, trailing = await _call(channel, kind)
        assert seen == trailing["x-request-id"] != ""
        assert (await _call(channel, kind))[0] != seen


@pytest.mark.parametrize("kind", _KINDS)
async def test_the_handler_knows_the_callers_host(kind):
    async with _served() as (service, channel):
        await _call(channel, kind)
        assert service.callers == ["127.0.0.1"]


@pytest.mark.parametrize("kind", _KINDS)
async def test_an_error_becomes_a_status_with_details_and_the_request_id(kind, told):
    async with _served() as (service, channel):
        service.failure = ServingBusyError("busy")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _call(channel, kind, [("x-request-id", "mine-1")])
        found = told(caught.value)
        assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVING_BUSY")
        assert found.retry_after_s == 0.5
        assert dict(caught.value.trailing_metadata())["x-request-id"] == "mine-1"


@pytest.mark.parametrize("kind", _KINDS)
async def test_an_unforeseen_error_stays_inside(kind, told, caplog):
    async with _served() as (service, channel):
        service.failure = RuntimeError("/secret/path")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _call(channel, kind, [("x-request-id", "mine-1")])
        found = told(caught.value)
        assert (found.code, found.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert "mine-1" in found.message
        assert "secret" not in found.message
        assert "/secret/path" in caplog.records[-1].problem


async def test_calls_at_the_same_time_keep_their_ids_apart():
    async with _served() as (_, channel):
        calls = (_call(channel, "unary_unary", [("x-request-id", f"id-{index}")]) for index in range(50))
        assert [seen for seen, _ in await asyncio.gather(*calls)] == [f"id-{index}" for index in range(50)]


async def test_what_grpc_raises_of_a_call_that_has_ended_is_no_failure(caplog):
    async with _served() as (service, channel):
        service.failure = grpc.aio.UsageError("RPC already finished.")
        with pytest.raises(grpc.aio.AioRpcError):
            await _call(channel, "unary_unary")
    assert "gateway.status" not in {record.name for record in caplog.records}


async def test_a_caller_that_leaves_is_no_error(caplog):
    async with _served() as (service, channel):
        call = channel.unary_unary("/test.Service/unary_unary")(b"wait")
        await asyncio.wait_for(service.entered.wait(), 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(service.left.wait(), 10)
    assert caplog.text == ""


async def test_a_caller_that_leaves_a_stream_is_on_record_as_gone(until):
    """The gateway waits to hand it an answer at that moment."""

    def ended(code):
        labels = {"method": "test.Service/unary_stream", "code": code, "model_version": ""}
        return REGISTRY.get_sample_value("braintumor_gateway_requests_total", labels) or 0

    before = {code: ended(code) for code in ("OK", "CANCELLED")}
    async with _served() as (_, channel):
        call = channel.unary_stream("/test.Service/unary_stream")(b"endless")
        await call.read()
        call.cancel()
        await until(lambda: {code: ended(code) for code in before} != before)
    assert ended("CANCELLED") == before["CANCELLED"] + 1
    assert ended("OK") == before["OK"]


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
async def test_an_unknown_method_is_unimplemented(kind, told):
    def ended():
        labels = {"method": "other", "code": "UNIMPLEMENTED", "model_version": ""}
        return REGISTRY.get_sample_value("braintumor_gateway_requests_total", labels)

    before = ended() or 0
    async with _served() as (_, channel):
        for number in range(2):
            call = getattr(channel, kind)(f"/test.Service/nothing{number}")
            call = call(iter([b"x"]) if kind.startswith("stream") else b"x", metadata=(("x-request-id", "id-1"),))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                _ = [await call] if kind.endswith("unary") else [answer async for answer in call]
            found = told(caught.value)
            assert (found.code, found.reason) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNKNOWN")
            assert dict(caught.value.trailing_metadata())["x-request-id"] == "id-1"
    assert ended() == before + 2


async def test_bytes_that_are_no_message_are_the_callers_mistake(start_serving, start_gateway, told):
    async with start_serving() as serving, start_gateway(serving) as gateway:
        predict = gateway.channel.unary_unary("/braintumor.v1.ClassifierService/Predict")
        stream = gateway.channel.stream_stream("/braintumor.v1.ClassifierService/PredictStream")
        with pytest.raises(grpc.aio.AioRpcError) as of_call:
            await predict(b"\x0a\xff\xff", timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as of_stream:
            _ = [answer async for answer in stream(iter([b"\x0a\x01a", b"\xff", b"\x0a\x01b"]), timeout=10)]
    for caught in (of_call, of_stream):
        found = told(caught.value)
        assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_MALFORMED")
