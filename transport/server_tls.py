"""TLS of a port that a process listens on."""

import logging
import time
from collections.abc import Callable
from functools import partial

import grpc

from transport.addresses import with_port
from transport.errors import CannotListenError
from transport.pem import expiry_of, read_authorities, read_pair
from transport.tls_settings import ServerTls
from transport.watched import Watched

_NEAR_S = 14 * 24 * 3600.0
"""Before its end, in which a certificate should have been renewed."""

_logger = logging.getLogger(__name__)


def listen(
    server: grpc.aio.Server, address: str, tls: ServerTls | None, note_expiry: Callable[[float], None] = lambda _: None
) -> str:
    """Opens a port of a server.

    Args:
      server: not started yet.
      address: "host:port".
      tls: None for plain text.
      note_expiry: called with the end of each certificate that is read, in seconds since the epoch.

    Returns:
      The address, with the port that was taken where it asks for port 0.

    Raises:
      CannotListenError: it cannot listen there.
      UnusableFileError: a file is missing or no PEM, or the key is another certificate's.
    """
    credentials = _credentials(tls, note_expiry) if tls else None
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as err:
        raise CannotListenError(address) from err
    return with_port(address, port)


def _credentials(tls: ServerTls, note_expiry: Callable[[float], None]) -> grpc.ServerCredentials:
    """Returns credentials that follow the files: a connection gets what they hold when it is made.

    Raises:
      UnusableFileError: a file is missing or no PEM, or the key is another certificate's.
    """
    paths = [path for path in (tls.certificate, tls.key, tls.client_ca) if path is not None]
    files = Watched(paths, partial(_read, tls, note_expiry), pause_s=0.0)
    last = files.get()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal last
        present = files.get()
        if present is last:
            return None
        last = present
        return present

    # The stubs say that what is fetched is never None, and gRPC's documentation that None is "no change".
    return grpc.dynamic_ssl_server_credentials(last, renewed, tls.client_ca is not None)  # type: ignore[arg-type]


def _read(tls: ServerTls, note_expiry: Callable[[float], None]) -> grpc.ServerCertificateConfiguration:
    authorities = read_authorities(tls.client_ca) if tls.client_ca else None
    pair = read_pair(tls.certificate, tls.key)
    expiry_s = expiry_of(pair[1])
    note_expiry(expiry_s)
    if expiry_s < time.time() + _NEAR_S:
        left_h = round((expiry_s - time.time()) / 3600)
        _logger.warning("certificate ends soon", extra={"file": str(tls.certificate), "hours_left": left_h})
    return grpc.ssl_server_certificate_configuration([pair], authorities)
