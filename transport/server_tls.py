"""TLS of a port that a process listens on."""

from functools import partial

import grpc

from transport.addresses import with_port
from transport.errors import CannotListenError
from transport.pem import read_authorities, read_pair
from transport.tls_settings import ServerTls
from transport.watched import Watched


def listen(server: grpc.aio.Server, address: str, tls: ServerTls | None) -> str:
    """Opens a port of a server, and returns its address, "host:port"; of port 0 the one that was taken.

    Raises:
      CannotListenError: it cannot listen there.
      UnusableFileError: a file is missing or no PEM, or the key is another certificate's.
    """
    credentials = _credentials(tls) if tls else None
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as err:
        raise CannotListenError(address) from err
    return with_port(address, port)


def _credentials(tls: ServerTls) -> grpc.ServerCredentials:
    """Returns credentials that follow the files: a connection gets what they hold when it is made.

    Raises:
      UnusableFileError: a file is missing or no PEM, or the key is another certificate's.
    """
    paths = [path for path in (tls.certificate, tls.key, tls.client_ca) if path is not None]
    files = Watched(paths, partial(_read, tls), pause_s=0.0)
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


def _read(tls: ServerTls) -> grpc.ServerCertificateConfiguration:
    authorities = read_authorities(tls.client_ca) if tls.client_ca else None
    return grpc.ssl_server_certificate_configuration([read_pair(tls.certificate, tls.key)], authorities)
