"""Files of TLS, tried before gRPC gets them: it takes anything, and then fails at each handshake."""

import contextlib
import ssl
from pathlib import Path

from transport.watched import UnusableFileError


def read_pair(certificate: Path, key: Path) -> tuple[bytes, bytes]:
    """Returns a private key and its certificate, both in PEM, in gRPC's order.

    Raises:
      UnusableFileError: they are no PEM, or do not belong together.
      OSError: one cannot be read.
    """
    pair = (key.read_bytes(), certificate.read_bytes())
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password: OpenSSL would ask for one on the terminal.
        trial.load_cert_chain(certificate, key, password=b"")
    except ssl.SSLError as err:
        raise UnusableFileError(f"{key} is no key of the certificate in {certificate}") from err
    return pair


def read_authorities(path: Path) -> bytes:
    """Returns certificates of authorities, in PEM.

    Raises:
      UnusableFileError: there is none.
      OSError: the file cannot be read.
    """
    authorities = path.read_bytes()
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with contextlib.suppress(ssl.SSLError):
        trial.load_verify_locations(path)
    if not trial.cert_store_stats()["x509"]:
        raise UnusableFileError(f"{path} holds no certificate")
    return authorities
