"""TLS of a port that a process listens on."""

import contextlib
import ssl
from functools import partial
from pathlib import Path

import grpc

from transport.tls_settings import ServerTls
from transport.watched import UnusableFileError, Watched


def listen(server: grpc.aio.Server, address: str, tls: ServerTls | None) -> int:
    """Opens a port of a server, and returns its number.

    Raises:
      RuntimeError: it cannot listen there.
      UnusableFileError: a file is missing or no PEM, or the key is another certificate's.
    """
    return server.add_secure_port(address, _credentials(tls)) if tls else server.add_insecure_port(address)


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
    # gRPC takes anything and fails at each handshake, so what it gets is tried first.
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password: OpenSSL would ask for one on the terminal.
        trial.load_cert_chain(tls.certificate, tls.key, password=b"")
    except ssl.SSLError as err:
        raise UnusableFileError(f"{tls.key} is no key of the certificate in {tls.certificate}") from err
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    return grpc.ssl_server_certificate_configuration([pair], _authorities(tls.client_ca))


def _authorities(path: Path | None) -> bytes | None:
    if path is None:
        return None
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with contextlib.suppress(ssl.SSLError):
        trial.load_verify_locations(path)
    if not trial.cert_store_stats()["x509"]:
        raise UnusableFileError(f"{path} holds no certificate")
    return path.read_bytes()
