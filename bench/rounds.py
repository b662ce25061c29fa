"""One round over all ways; rounds alternate their order, so that a drift of the machine favours none."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.measurement import Measurement
from bench.processes import Server, measure

CALLERS = (1, 8, 32)
BATCHES = (1, 8, 32)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a round runs against.

    Attributes:
      serving, gateway, bare, echo: running servers.
      version: directory of the SavedModel that is served.
      slices: directory of the encoded slices.
      engines: runtimes for which the in-process limit is taken, the one that serving uses first.
      seconds: flag for the measured time of each way.
      warm_up: flag for the time before it.
      stream_count: slices in the stream.
    """

    serving: Server
    gateway: Server
    bare: Server
    echo: Server
    version: Path
    slices: Path
    engines: tuple[str, ...]
    seconds: str
    warm_up: str
    stream_count: int


@dataclass(frozen=True, slots=True)
class Result:
    """One way in one round.

    Attributes:
      way: name, unique within the round.
      measurement: what its callers saw.
      server_cpu_ms: processor time of the server for one call, 0 where there is none.
      resident_mb: memory of the gateway before and after, of a stream.
    """

    way: str
    measurement: Measurement
    server_cpu_ms: float = 0.0
    resident_mb: tuple[float, ...] = ()


def run_round(bench: Bench, number: int, tell: Callable[[str], None]) -> list[Result]:
    """Measures every way once, odd rounds in the opposite order."""
    ways = _ways(bench)
    results = []
    for way in reversed(ways) if number % 2 else ways:
        tell(way)
        results.append(ways[way](way))
    return results


def _ways(bench: Bench) -> dict[str, Callable[[str], Result]]:
    ways: dict[str, Callable[[str], Result]] = {}
    for callers in CALLERS:
        ways[f"gateway, {callers}"] = partial(_calls, bench, "gateway", bench.gateway, callers)
        ways[f"serving, {callers}"] = partial(_calls, bench, "serving", bench.serving, callers)
    over_grpc = (f"--address={bench.serving.address}",)
    in_process = (f"--version={bench.version}", f"--engine={bench.engines[0]}")
    for size in BATCHES:
        ways[f"serving, batch of {size}"] = partial(_batches, bench, size, over_grpc)
        ways[f"bare gRPC, batch of {size}"] = partial(
            _batches, bench, size, (*over_grpc, f"--bare={bench.bare.address}")
        )
        ways[f"inference, batch of {size}"] = partial(_batches, bench, size, in_process)
    ways["stream"] = partial(_stream, bench)
    for engine in bench.engines:
        ways[f"limit, {engine}"] = partial(_limit, bench, engine)
    ways[f"echo, {max(CALLERS)}"] = partial(_calls, bench, "echo", bench.echo, max(CALLERS))
    return ways


def _calls(bench: Bench, target: str, server: Server, callers: int, way: str) -> Result:
    cpu_before = server.cpu_s()
    arguments = (target, server.address, str(bench.slices), f"--callers={callers}", bench.seconds, bench.warm_up)
    measurement = measure("bench.callers", *arguments)
    return Result(way, measurement, server_cpu_ms=1e3 * (server.cpu_s() - cpu_before) / measurement.calls)


def _batches(bench: Bench, size: int, where: tuple[str, ...], way: str) -> Result:
    return Result(way, measure("bench.batches", str(size), str(bench.slices), *where, bench.seconds, bench.warm_up))


def _stream(bench: Bench, way: str) -> Result:
    gateway = bench.gateway
    arguments = ("bench.stream", gateway.address, str(bench.slices), f"--count={bench.stream_count}")
    # A first stream fills the buffers of gRPC and of the allocator; what grows after that would grow for ever.
    measure(*arguments)
    cpu_before, resident_before = gateway.cpu_s(), gateway.resident_mb()
    measurement = measure(*arguments)
    cpu_ms = 1e3 * (gateway.cpu_s() - cpu_before) / measurement.calls
    return Result(way, measurement, cpu_ms, (resident_before, gateway.resident_mb()))


def _limit(bench: Bench, engine: str, way: str) -> Result:
    arguments = (str(bench.version), str(bench.slices), f"--engine={engine}", bench.seconds)
    return Result(way, measure("bench.limit", *arguments))
