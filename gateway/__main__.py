"""`python -m gateway`: one gateway, or GATEWAY_WORKERS of them on one port."""

import asyncio
import os
import sys

import uvloop

from gateway.settings import Settings
from gateway.workers import supervise
from observability import logs
from transport.environment import SettingsError, description_of, settings_from_environment
from transport.errors import CannotListenError
from transport.exposure import refusal
from transport.threads import TooFewThreadsError
from transport.watched import UnusableFileError

_LAST_STREAM = 2


def main() -> int:
    """Runs until SIGTERM or SIGINT; returns the exit status, 2 where settings, or files that they name, are wrong."""
    _open_closed_streams()
    if sys.argv[1:]:
        print(description_of(Settings))  # noqa: T201 --help, and whatever else somebody may try
        return 0 if sys.argv[1] in {"-h", "--help"} else 2
    try:
        settings = settings_from_environment(Settings)
        knows_callers = bool(settings.api_keys or settings.jwt)
        if problem := refusal("gateway", settings.address, settings.tls, knows_callers, settings.insecure):
            raise SettingsError(problem)
        logs.configure(settings.log_level)
        return uvloop.run(_run(settings))
    except (SettingsError, UnusableFileError, TooFewThreadsError) as err:
        told = str(err)
    except CannotListenError as err:
        told = f"{err} GATEWAY_ADDRESS, GATEWAY_HEALTH_ADDRESS and GATEWAY_METRICS_ADDRESS set others"
    sys.stderr.write(f"{told}\n")
    return 2


def _open_closed_streams() -> None:
    # Else sockets get the numbers of stdin, stdout and stderr, and libuv aborts where it closes one of these.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST_STREAM:
        pass
    os.close(descriptor)


async def _run(settings: Settings) -> int:
    if settings.workers > 1:
        return await supervise(settings)
    from gateway.server import serve  # not above: the parent of workers needs no gRPC

    await serve(settings, asyncio.Event())
    return 0


if __name__ == "__main__":
    sys.exit(main())
