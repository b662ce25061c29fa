"""A bare grpc.aio server that answers each image with a few bytes: what gRPC itself costs.

python -m bench.echo
"""

import asyncio

import grpc.aio

from bench.ways import ECHO_METHOD

_ANSWER = bytes(60)  # as long as a PredictResponse


def main() -> None:
    """Serves until it is ended."""
    asyncio.run(_serve())


async def _serve() -> None:
    server = grpc.aio.server()
    service, method = ECHO_METHOD.strip("/").split("/")
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {method: grpc.unary_unary_rpc_method_handler(_echo)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"Echo listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


async def _echo(request: bytes, context: object) -> bytes:
    del request, context
    return _ANSWER


if __name__ == "__main__":
    main()
