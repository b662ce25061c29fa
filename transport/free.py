"""`python -m transport.free HOST:PORT…` fails where a port is taken: what answers there then is somebody else."""

import socket
import sys

from transport.errors import CannotListenError


def require_free(address: str) -> None:
    """Raises CannotListenError where a process cannot listen on "host:port"."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        ).close()
    except OSError as err:
        raise CannotListenError(address) from err


if __name__ == "__main__":
    try:
        for each in sys.argv[1:]:
            require_free(each)
    except CannotListenError as err:
        sys.exit(str(err))
