"""A serving that answers garbage."""

from collections.abc import Callable

import grpc
import pytest

from tfserving_api.messages import PredictRequest
from trainer.errors import ServingRefusedError
from trainer.rollout.serving_client import ServingClient, open_channel


class _Babbler(grpc.GenericRpcHandler):
    """Answers every call with bytes that are no message."""

    def service(self, handler_call_details: object) -> "grpc.RpcMethodHandler[bytes, bytes]":  # noqa: ARG002 gRPC's name
        async def babble(_request: bytes, _context: object) -> bytes:
            return b"\xff\xff"

        return grpc.unary_unary_rpc_method_handler(babble)


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.statuses(),
        lambda client: client.version_labelled("stable"),
        lambda client: client.predict(PredictRequest(), 1),
    ],
    ids=["status", "label", "predict"],
)
async def test_what_is_no_message_is_a_refusal(ask: Callable[[ServingClient], object]) -> None:
    server = grpc.aio.server(handlers=[_Babbler()], options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(ServingRefusedError, match="no message"):
                await ask(ServingClient(channel, "brain_tumor"))
    finally:
        await server.stop(None)
