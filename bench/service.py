"""Serving and gateway, as they run by default."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.processes import Server, await_true, server
from bench.ways import MODEL_NAME
from transport.health import is_well


@contextmanager
def running_service(
    model_base_path: Path, *, engine: str = "auto", slowed: bool = False, core: int | None = None
) -> Iterator[tuple[Server, Server]]:
    """Runs both for as long as the context lasts.

    Args:
      model_base_path: directory of the versions.
      engine: as serving's flag of that name.
      slowed: whether serving takes its time.
      core: the only one that the gateway runs on; None for those of this process.

    Yields:
      Serving and gateway, once callers are welcome.
    """
    flags = [
        "--port=0",
        f"--model_name={MODEL_NAME}",
        f"--model_base_path={model_base_path.absolute()}",
        f"--engine={engine}",
        "--grpc_max_threads=64",  # the direct way has 32 calls in flight
    ]
    with ExitStack() as stack:
        serving = stack.enter_context(
            server(["serving.modelserver", *flags], ready=r"Running gRPC ModelServer at (\S+)")
        )
        seen = serving
        if slowed:
            relay = ["bench.slow_serving", serving.address]
            seen = stack.enter_context(server(relay, ready=r"Slow serving listening on (\S+)"))
        environment = {"GATEWAY_ADDRESS": "127.0.0.1:0", "SERVING_ADDRESS": seen.address}
        gateway = stack.enter_context(
            server(["gateway"], ready=r"Gateway listening on (\S+)", environment=environment, core=core)
        )
        await_true("health of the gateway is SERVING", lambda: is_well(gateway.address))
        yield serving, gateway
