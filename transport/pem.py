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
    if not _is_used_by_grpc(pair[1]):
        raise UnusableFileError(
            f"{certificate} is no certificate that gRPC uses; take a plain one of RSA, P-256 or P-384"
        )
    return pair


def _is_used_by_grpc(certificate: bytes) -> bool:
    # OpenSSL takes more kinds than BoringSSL, which is gRPC's. Not imported above: who has no TLS does without.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_pem_x509_certificate

    try:
        key = load_pem_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):  # such as `openssl x509 -trustout` writes
        return False
    return isinstance(key, RSAPublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1 | SECP384R1)
    )


def expiry_of(certificate: bytes) -> float:
    """Returns when a certificate ends, in seconds since the epoch; `certificate` is in PEM, as of read_pair."""
    from cryptography.x509 import load_pem_x509_certificate  # see _is_used_by_grpc

    return load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()


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
