"""Calls of the daemon, whatever their method."""

import asyncio
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc

from trainer.call_interceptor import CallInterceptor


class _Lasting(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]  # the package ships no types
    """Does not end a call that is cancelled before it is let go, as where a process has to end first."""

    def __init__(self) -> None:
        self.begun, self.let_go, self.has_ended = asyncio.Event(), asyncio.Event(), False

    async def GetOperation(self, _request: Any, _context: Any) -> Any:  # noqa: N802 the contract names the methods
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await self.let_go.wait()
            self.has_ended = True


async def test_calls_that_are_cut_off_end_before_the_daemon_does() -> None:
    servicer, calls = _Lasting(), CallInterceptor()
    server = grpc.aio.server(interceptors=[calls])
    operations_pb2_grpc.add_OperationsServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = operations_pb2_grpc.OperationsStub(channel)
        call = stub.GetOperation(operations_pb2.GetOperationRequest(name="operations/1"))
        await servicer.begun.wait()
        await server.stop(None)
        ending = asyncio.create_task(calls.all_ended())
        await asyncio.sleep(0)
        assert not ending.done()
        servicer.let_go.set()
        await ending
        assert servicer.has_ended
        with pytest.raises(grpc.aio.AioRpcError):
            await call
