"""`python -m bench`: see the package's docstring."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.processes import Server, server
from bench.report import table, write_json
from bench.rounds import Bench, run_round
from bench.service import running_service
from bench.slices import written_slices
from bench.ways import MODEL_NAME

_QUIET_LOAD = 0.7
"""Load average above which something else runs."""


def main() -> int:
    """Runs the rounds and prints the tables; returns the exit status."""
    # Whoever ends the bench ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    arguments = _arguments()
    versions = [path for path in arguments.model_base_path.glob("[0-9]*") if path.is_dir()]
    if not versions:
        print(f"{arguments.model_base_path} holds no version of the model", file=sys.stderr)
        return 2
    busy = os.getloadavg()[0]
    if busy > _QUIET_LOAD:
        print(f"load average {busy:.1f}: others use this machine, and the figures will show it", file=sys.stderr)
    version = max(versions, key=lambda path: int(path.name))
    with _running(arguments, version) as bench:
        print(f"version {version.name} on {bench.engines[0]}; gateway, idle: {bench.gateway.resident_mb():.0f} MB")
        rounds = [
            run_round(bench, number, partial(_tell, number, arguments.rounds)) for number in range(arguments.rounds)
        ]
    print(table(rounds, bench.engines[0]))
    if arguments.json:
        write_json(rounds, bench.engines[0], arguments.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench", description="Load generator; the figures are ratios of one run."
    )
    parser.add_argument("--rounds", type=int, default=3, help="repetitions; medians are quoted")
    parser.add_argument("--seconds", type=float, default=4.0, help="measured time of each way in each round")
    parser.add_argument("--warm-up-s", type=float, default=1.0, help="time before it, not counted")
    parser.add_argument("--stream-count", type=int, default=2000, help="slices in the stream")
    data_root = Path(os.environ.get("DATA_ROOT", "data"))
    parser.add_argument("--model-base-path", type=Path, default=data_root / "models" / MODEL_NAME)
    parser.add_argument("--engine", default="auto", help="of serving, as its flag of that name")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args()


@contextmanager
def _running(arguments: argparse.Namespace, version: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        slices = stack.enter_context(written_slices())
        serving, gateway = stack.enter_context(running_service(arguments.model_base_path, engine=arguments.engine))
        echo = stack.enter_context(server(["bench.echo"], ready=r"Echo listening on (\S+)"))
        engines = _engines(serving)
        bare = stack.enter_context(
            server(["bench.bare", str(version), f"--engine={engines[0]}"], ready=r"Bare server listening on (\S+)")
        )
        yield Bench(
            serving=serving,
            gateway=gateway,
            bare=bare,
            echo=echo,
            version=version,
            slices=slices,
            engines=engines,
            seconds=f"--seconds={arguments.seconds}",
            warm_up=f"--warm-up-s={arguments.warm_up_s}",
            stream_count=arguments.stream_count,
        )


def _engines(serving: Server) -> tuple[str, ...]:
    """The runtime that serving says it uses, then the other one for comparison, where there are two."""
    log = "".join(serving.output).lower()
    return ("openvino", "tensorflow") if "runs on openvino" in log else ("tensorflow",)


def _tell(number: int, rounds: int, way: str) -> None:
    print(f"round {number + 1} of {rounds}: {way}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
