"""A bare gRPC server around the inference: what gRPC itself costs a call that computes.

python -m bench.bare data/models/brain_tumor/3 --engine openvino
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np

from bench.batches import in_process
from bench.limit import ENGINES
from bench.ways import BARE_METHOD

_ANSWER = bytes(200)  # about as long as a PredictResponse of one image


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser("python -m bench.bare")
    parser.add_argument("version", type=Path, help="directory of a SavedModel")
    parser.add_argument("--engine", choices=ENGINES, default="tensorflow")
    arguments = parser.parse_args()
    run, spec = in_process(arguments.version, arguments.engine)

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        del context
        run(np.frombuffer(request, np.uint8).reshape(-1, spec.height, spec.width, spec.channels))
        return _ANSWER

    server = grpc.server(ThreadPoolExecutor(1))
    service, method = BARE_METHOD.strip("/").split("/")
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {method: grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"Bare server listening on 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
