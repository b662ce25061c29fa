"""A serving that takes its time, as one with a larger model on a machine of its own: it hands calls on and waits.

python -m bench.slow_serving 127.0.0.1:8500 --image-s 0.008
"""

import argparse
import asyncio
from typing import Any

import grpc.aio

from tfserving_api.messages import PredictRequest

_SERVICE = "tensorflow.serving.PredictionService"
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser("python -m bench.slow_serving")
    parser.add_argument("address", help="of a serving")
    parser.add_argument("--image-s", type=float, default=0.008, help="time for an image, one after the other")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.address, arguments.image_s))


async def _serve(address: str, image_s: float) -> None:
    async with grpc.aio.insecure_channel(address, options=_UNLIMITED) as channel:
        relay = _Relay(channel, image_s)
        server = grpc.aio.server(options=_UNLIMITED)
        handlers = {name: relay.handler(name) for name in ("Predict", "GetModelMetadata")}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, handlers)])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(f"Slow serving listening on 127.0.0.1:{port}", flush=True)
        await server.wait_for_termination()


class _Relay:
    def __init__(self, channel: grpc.aio.Channel, image_s: float) -> None:
        self._channel = channel
        self._image_s = image_s
        self._one_at_a_time = asyncio.Lock()

    def handler(self, name: str) -> "grpc.RpcMethodHandler[bytes, bytes]":
        call: Any = self._channel.unary_unary(f"/{_SERVICE}/{name}")

        async def relay(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            if name == "Predict":
                async with self._one_at_a_time:
                    await asyncio.sleep(self._image_s * _images(request))
            try:
                answer: bytes = await call(request)
            except grpc.aio.AioRpcError as err:
                await context.abort(err.code(), err.details() or "")
            return answer

        return grpc.unary_unary_rpc_method_handler(relay)


def _images(request: bytes) -> int:
    (tensor,) = PredictRequest.FromString(request).inputs.values()
    return int(tensor.tensor_shape.dim[0].size)


if __name__ == "__main__":
    main()
