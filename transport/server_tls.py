"""TLS of a port that a process listens on."""

import contextlib
import ssl
from pathlib import Path

import grpc
from pydantic import BaseModel, ConfigDict

from transport.watched import UnusableFileError, Watched


class ServerTls(BaseModel):
    """Files in PEM that a server is known by; part of a process's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    certificate: Path
    """Its certificate, followed by those between it and its authority."""

    key: Path
    """The certificate's private key."""

    client_ca: Path | None = None
    """Authorities of callers. Where there is one, callers without a certificate of theirs are turned away."""

    def credentials(self) -> grpc.ServerCredentials:
        """Returns credentials that follow the files: a connection gets what they hold when it is made.

        Raises:
          UnusableFileError: a file is missing or no PEM, or the key is another certificate's.
        """
        paths = [path for path in (self.certificate, self.key, self.client_ca) if path is not None]
        files = Watched(paths, self._read, pause_s=0.0)
        last = files.get()

        def renewed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal last
            present = files.get()
            if present is last:
                return None
            last = present
            return present

        # The stubs say that what is fetched is never None, and gRPC's documentation that None is "no change".
        return grpc.dynamic_ssl_server_credentials(last, renewed, self.client_ca is not None)  # type: ignore[arg-type]

    def _read(self) -> grpc.ServerCertificateConfiguration:
        # gRPC takes anything and fails at each handshake, so what it gets is tried first.
        trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Without a password: OpenSSL would ask for one on the terminal.
            trial.load_cert_chain(self.certificate, self.key, password=b"")
        except ssl.SSLError as err:
            raise UnusableFileError(f"{self.key} is no key of the certificate in {self.certificate}") from err
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], _authorities(self.client_ca))


def listen(server: grpc.aio.Server, address: str, tls: ServerTls | None) -> int:
    """Opens a port of a server, and returns its number.

    Raises:
      RuntimeError: it cannot listen there.
      UnusableFileError: as of `ServerTls.credentials`.
    """
    return server.add_secure_port(address, tls.credentials()) if tls else server.add_insecure_port(address)


def _authorities(path: Path | None) -> bytes | None:
    if path is None:
        return None
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with contextlib.suppress(ssl.SSLError):
        trial.load_verify_locations(path)
    if not trial.cert_store_stats()["x509"]:
        raise UnusableFileError(f"{path} holds no certificate")
    return path.read_bytes()
