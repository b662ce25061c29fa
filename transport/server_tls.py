"""TLS of a port that a process listens on."""

from dataclasses import dataclass

import grpc

from transport.addresses import with_port
from transport.errors import CannotListenError
from transport.pem import RenewedPair, read_authorities
from transport.tls_settings import ServerTls
from transport.watched import Note, Watched


@dataclass(frozen=True, slots=True)
class _Contents:
    configuration: grpc.ServerCertificateConfiguration
    expiry_s: float


class FollowedTls:
    """What the files of a port hold: a connection gets what that is when it is made.

    Args:
      tls: its files.
      note: as of Watched.

    Attributes:
      certificate: the file of the certificate.

    Raises:
      UnusableFileError: a file is missing or no PEM, or the key is another certificate's.
    """

    def __init__(self, tls: ServerTls, note: Note) -> None:
        self.certificate = tls.certificate
        self._tls = tls
        self._pair = RenewedPair(tls.certificate, tls.key)
        paths = [path for path in (tls.certificate, tls.key, tls.client_ca) if path is not None]
        self._files = Watched(paths, self._read, note, pause_s=0.0)

    def expiry_s(self) -> float:
        """Returns when the certificate ends that connections get, in seconds since the epoch."""
        return self._files.get().expiry_s

    def credentials(self) -> grpc.ServerCredentials:
        """Returns credentials that follow the files."""
        last = self._files.get()

        def renewed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal last
            present = self._files.get()
            if present is last:
                return None
            last = present
            return present.configuration

        asks_callers = self._tls.client_ca is not None
        # The stubs say that what is fetched is never None, and gRPC's documentation that None is "no change".
        return grpc.dynamic_ssl_server_credentials(last.configuration, renewed, asks_callers)  # type: ignore[arg-type]

    def _read(self) -> _Contents:
        authorities = read_authorities(self._tls.client_ca) if self._tls.client_ca else None
        configuration = grpc.ssl_server_certificate_configuration([self._pair.read()], authorities)
        return _Contents(configuration, self._pair.expiry_s)


def listen(server: grpc.aio.Server, address: str, tls: FollowedTls | None) -> str:
    """Opens a port of a server, and returns its address, "host:port"; of port 0 the one that was taken.

    Args:
      server: not started yet.
      address: "host:port".
      tls: of the port; None is plain text.

    Raises:
      CannotListenError: it cannot listen there.
    """
    try:
        port = server.add_secure_port(address, tls.credentials()) if tls else server.add_insecure_port(address)
    except RuntimeError as err:
        raise CannotListenError(address) from err
    return with_port(address, port)
