"""`python -m transport.free_port VARIABLE=HOST:PORT…` fails where a port is taken: somebody else answers there."""

import socket
import sys

from transport.addresses import place_of
from transport.errors import CannotListenError


def require_free(address: str) -> None:
    """Raises CannotListenError where a process cannot listen on "host:port"."""
    family, place = place_of(address)
    try:
        socket.create_server(place, family=family).close()
    except OSError as err:
        raise CannotListenError(address) from err


if __name__ == "__main__":
    for each in sys.argv[1:]:
        variable, _, wanted = each.partition("=")
        try:
            require_free(wanted)
        # The last two where there is no port in it, or one too high.
        except (CannotListenError, ValueError, OverflowError) as err:
            sys.exit(f"{variable}: {err}")
